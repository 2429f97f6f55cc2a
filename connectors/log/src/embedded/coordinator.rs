//! Groups of this process: seats of members, what they are told, deadlines.

use super::group::{Change, Group, MemberId};
use sluice_runtime::ports::log::{Attendance, Partition, RevokeGuard, Topic};
use sluice_runtime::{Clock, SystemClock};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What a member has not heard yet.
#[derive(Debug)]
pub(crate) enum Event {
    Assigned(Partition),
    Revoking(Vec<Partition>, RevokeGuard),
    Lost(Vec<Partition>),
}

/// A member's place: what it is told, what it has paused.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) member: MemberId,
    pub(crate) group: Arc<str>,
    pub(crate) topic: Topic,
    events: Mutex<VecDeque<Event>>,
    paused: Mutex<HashSet<Partition>>,
    /// Counts events and pauses, so that a waiting member looks again.
    changed: watch::Sender<u64>,
}

impl Seat {
    /// The next event, if it is an assignment; it stays where it is.
    pub(crate) fn next_assignment(&self) -> Option<Partition> {
        match lock(&self.events).front() {
            Some(Event::Assigned(partition)) => Some(*partition),
            _ => None,
        }
    }

    /// Takes the assignment that was looked at. Only the member itself takes events, and others only add
    /// behind it.
    pub(crate) fn take_assignment(&self) {
        lock(&self.events).pop_front_if(|event| matches!(event, Event::Assigned(_)));
    }

    /// Takes the next event, unless it is an assignment.
    pub(crate) fn take_other(&self) -> Option<Event> {
        lock(&self.events).pop_front_if(|event| !matches!(event, Event::Assigned(_)))
    }

    pub(crate) fn pause(&self, partition: Partition) {
        lock(&self.paused).insert(partition);
    }

    pub(crate) fn resume(&self, partition: Partition) {
        lock(&self.paused).remove(&partition);
        self.wake();
    }

    pub(crate) fn is_paused(&self, partition: Partition) -> bool {
        lock(&self.paused).contains(&partition)
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn tell(&self, event: Event) {
        lock(&self.events).push_back(event);
        self.wake();
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// All groups of the log.
#[derive(Debug)]
pub(crate) struct Coordinator {
    rebalance_timeout: Duration,
    rooms: Mutex<Rooms>,
}

#[derive(Debug, Default)]
struct Rooms {
    members: MemberId,
    by_name: HashMap<(Arc<str>, Topic), Room>,
}

#[derive(Debug)]
struct Room {
    group: Group,
    seats: BTreeMap<MemberId, Arc<Seat>>,
}

impl Coordinator {
    pub(crate) fn new(rebalance_timeout: Duration) -> Self {
        Self { rebalance_timeout, rooms: Mutex::new(Rooms::default()) }
    }

    /// A new member of the group. Inside a tokio runtime: deadlines are watched there.
    pub(crate) fn join(self: &Arc<Self>, group: &str, topic: Topic, partitions: u32) -> Arc<Seat> {
        let group: Arc<str> = group.into();
        let mut rooms = lock(&self.rooms);
        rooms.members += 1;
        let seat = Arc::new(Seat {
            member: rooms.members,
            group: group.clone(),
            topic,
            events: Mutex::default(),
            paused: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        let room = rooms
            .by_name
            .entry((group, topic))
            .or_insert_with(|| Room { group: Group::new(partitions), seats: BTreeMap::new() });
        room.seats.insert(seat.member, seat.clone());
        let changes = room.group.join(seat.member);
        self.tell(room, changes);
        seat
    }

    /// The member is gone; the others get what it had.
    pub(crate) fn leave(self: &Arc<Self>, seat: &Seat) {
        let mut rooms = lock(&self.rooms);
        let name = (seat.group.clone(), seat.topic);
        let Some(room) = rooms.by_name.get_mut(&name) else { return };
        room.seats.remove(&seat.member);
        let changes = room.group.leave(seat.member);
        self.tell(room, changes);
        if room.group.is_empty() {
            rooms.by_name.remove(&name);
        }
    }

    /// Whether a commit by the member counts (hazard 6).
    pub(crate) fn owns(&self, seat: &Seat, partition: Partition) -> bool {
        let rooms = lock(&self.rooms);
        let room = rooms.by_name.get(&(seat.group.clone(), seat.topic));
        room.is_some_and(|room| room.group.owns(seat.member, partition))
    }

    /// Who is in a group.
    pub(crate) fn attendance(&self, group: &str, topic: Topic) -> Attendance {
        let rooms = lock(&self.rooms);
        let Some(room) = rooms.by_name.get(&(group.into(), topic)) else { return Attendance::default() };
        Attendance { members: room.seats.len() as u32, assigned: room.group.assigned() }
    }

    fn finished(self: &Arc<Self>, seat: &Seat, partitions: &[Partition], in_time: bool) {
        let mut rooms = lock(&self.rooms);
        let Some(room) = rooms.by_name.get_mut(&(seat.group.clone(), seat.topic)) else { return };
        let changes = room.group.finished(seat.member, partitions, in_time);
        self.tell(room, changes);
    }

    fn tell(self: &Arc<Self>, room: &Room, changes: Vec<Change>) {
        for change in changes {
            let (member, event) = match change {
                Change::Assigned(member, partition) => (member, Event::Assigned(partition)),
                Change::Lost(member, partitions) => (member, Event::Lost(partitions)),
                Change::Revoking(member, partitions) => {
                    // Whoever keeps to the deadline is done before the partitions are taken away.
                    let deadline = SystemClock.monotonic() + self.rebalance_timeout * 9 / 10;
                    let (guard, done) = RevokeGuard::new(deadline);
                    if let Some(seat) = room.seats.get(&member) {
                        self.watch(seat.clone(), partitions.clone(), done);
                    }
                    (member, Event::Revoking(partitions, guard))
                }
            };
            if let Some(seat) = room.seats.get(&member) {
                seat.tell(event);
            }
        }
    }

    /// Waits for a member to finish, or for the end of its time. Only a join asks partitions back, and a join
    /// runs inside a runtime.
    fn watch(self: &Arc<Self>, seat: Arc<Seat>, partitions: Vec<Partition>, done: oneshot::Receiver<()>) {
        let coordinator = self.clone();
        tokio::spawn(async move {
            let in_time = tokio::time::timeout(coordinator.rebalance_timeout, done).await.is_ok();
            coordinator.finished(&seat, &partitions, in_time);
        });
    }
}

/// Nothing here is left half done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
