//! Who has which partition: the coordinator's side of a group, without time or I/O.

use sluice_runtime::ports::log::{Attendance, Partition, Position, RevokeGuard};
use sluice_simulation::ProcessId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Each time a partition is given to somebody it gets another number.
pub(super) type Assignment = u64;

pub(super) struct Group {
    partitions: u32,
    members: BTreeMap<u64, Member>,
    owners: BTreeMap<u32, Owner>,
    committed: BTreeMap<u32, Position>,
    next_member: u64,
    next_assignment: Assignment,
}

struct Owner {
    member: u64,
    assignment: Assignment,
    revoking: bool,
}

struct Member {
    process: ProcessId,
    /// False after its session expired, until it has heard of it and joins again.
    live: bool,
    events: VecDeque<Event>,
    /// What it has heard of and believes to own.
    view: BTreeMap<u32, View>,
    wake: Arc<Notify>,
    /// Where the search for records goes on, so that each partition has its turn.
    cursor: u32,
}

/// One partition as a member sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) assignment: Assignment,
    pub(super) next: Position,
    pub(super) paused: bool,
    /// Its position was removed; the member has been told.
    pub(super) broken: bool,
}

#[derive(Debug)]
enum Event {
    Assigned(u32, Assignment),
    Revoking(Vec<u32>, RevokeGuard),
    Lost(Vec<u32>),
}

/// What a member hears next.
#[derive(Debug)]
pub(super) enum Heard {
    Assigned(u32, Assignment, Option<Position>),
    Revoking(Vec<Partition>, RevokeGuard),
    Lost(Vec<Partition>),
}

/// A revocation that has begun: [`Group::hand_over`] ends it.
#[derive(Debug)]
pub(super) struct Revocation {
    pub(super) process: ProcessId,
    pub(super) member: u64,
    pub(super) partitions: Vec<(u32, Assignment)>,
    pub(super) done: oneshot::Receiver<()>,
}

impl Group {
    pub(super) fn new(partitions: u32) -> Self {
        Self {
            partitions,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            committed: BTreeMap::new(),
            next_member: 0,
            next_assignment: 1,
        }
    }

    pub(super) fn join(&mut self, process: ProcessId) -> (u64, Arc<Notify>) {
        let id = self.next_member;
        self.next_member += 1;
        let wake = Arc::new(Notify::new());
        let member = Member {
            process,
            live: true,
            events: VecDeque::new(),
            view: BTreeMap::new(),
            wake: wake.clone(),
            cursor: 0,
        };
        self.members.insert(id, member);
        (id, wake)
    }

    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        self.owners.retain(|_, owner| owner.member != member);
    }

    pub(super) fn has(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    pub(super) fn is_live(&self, member: u64) -> bool {
        self.members.get(&member).is_some_and(|member| member.live)
    }

    /// Its session is over: others get what it had.
    pub(super) fn expire(&mut self, id: u64) {
        let Some(member) = self.members.get_mut(&id).filter(|member| member.live) else { return };
        member.live = false;
        // What it never heard of it can't lose.
        member.events.retain(|event| matches!(event, Event::Lost(_)));
        let lost: Vec<u32> = member.view.keys().copied().collect();
        if !lost.is_empty() {
            member.events.push_back(Event::Lost(lost));
        }
        member.wake.notify_one();
        self.owners.retain(|_, owner| owner.member != id);
    }

    /// Gives free partitions out and asks for those that should move. `deadline` is what a member is told.
    pub(super) fn rebalance(&mut self, deadline: Duration) -> Vec<Revocation> {
        let live: Vec<u64> =
            self.members.iter().filter(|(_, member)| member.live).map(|(id, _)| *id).collect();
        if live.is_empty() {
            return Vec::new();
        }
        let mut revoked: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for partition in 0..self.partitions {
            let target = live[partition as usize % live.len()];
            match self.owners.get_mut(&partition) {
                None => self.assign(partition, target),
                Some(owner) if owner.member == target || owner.revoking => {}
                Some(owner) => {
                    let (member, assignment) = (owner.member, owner.assignment);
                    if self.take_back_unheard(member, partition, assignment) {
                        self.assign(partition, target);
                    } else {
                        revoked.entry(member).or_default().push(partition);
                    }
                }
            }
        }
        revoked
            .into_iter()
            .filter_map(|(member, partitions)| self.revoke(member, partitions, deadline))
            .collect()
    }

    fn assign(&mut self, partition: u32, target: u64) {
        let assignment = self.next_assignment;
        self.next_assignment += 1;
        self.owners.insert(partition, Owner { member: target, assignment, revoking: false });
        if let Some(member) = self.members.get_mut(&target) {
            member.events.push_back(Event::Assigned(partition, assignment));
            member.wake.notify_one();
        }
    }

    /// An assignment that its member has not heard of yet needs no revocation.
    fn take_back_unheard(&mut self, member: u64, partition: u32, assignment: Assignment) -> bool {
        let Some(member) = self.members.get_mut(&member) else { return true };
        let before = member.events.len();
        member.events.retain(|event| !matches!(event, Event::Assigned(_, number) if *number == assignment));
        if member.events.len() < before {
            self.owners.remove(&partition);
            return true;
        }
        false
    }

    fn revoke(&mut self, id: u64, partitions: Vec<u32>, deadline: Duration) -> Option<Revocation> {
        let member = self.members.get_mut(&id)?;
        let (guard, done) = RevokeGuard::new(deadline);
        let mut numbered = Vec::new();
        for partition in &partitions {
            if let Some(owner) = self.owners.get_mut(partition) {
                owner.revoking = true;
                numbered.push((*partition, owner.assignment));
            }
        }
        member.events.push_back(Event::Revoking(partitions, guard));
        member.wake.notify_one();
        Some(Revocation { process: member.process, member: id, partitions: numbered, done })
    }

    /// Ends a revocation: the partitions are free. Where it was not the member's doing, it is told.
    pub(super) fn hand_over(&mut self, id: u64, partitions: &[(u32, Assignment)], forced: bool) {
        let mut freed = Vec::new();
        for (partition, assignment) in partitions {
            if self.owners.get(partition).is_some_and(|owner| owner.assignment == *assignment) {
                self.owners.remove(partition);
                freed.push(*partition);
            }
        }
        let Some(member) = self.members.get_mut(&id) else { return };
        if !forced {
            member.view.retain(|partition, _| !freed.contains(partition));
        } else if !freed.is_empty() {
            member.events.retain(
                |event| !matches!(event, Event::Revoking(old, _) if old.iter().all(|p| freed.contains(p))),
            );
            member.events.push_back(Event::Lost(freed));
            member.wake.notify_one();
        }
    }

    /// The next event of a member. One whose session expired joins again once it has heard all; the caller
    /// rebalances then.
    pub(super) fn hear(&mut self, id: u64) -> Option<Heard> {
        let member = self.members.get_mut(&id)?;
        loop {
            match member.events.pop_front()? {
                Event::Assigned(partition, assignment) => {
                    let valid =
                        self.owners.get(&partition).is_some_and(|owner| owner.assignment == assignment);
                    if valid {
                        return Some(Heard::Assigned(
                            partition,
                            assignment,
                            self.committed.get(&partition).copied(),
                        ));
                    }
                }
                Event::Revoking(partitions, guard) => {
                    return Some(Heard::Revoking(partitions.into_iter().map(Partition).collect(), guard));
                }
                Event::Lost(partitions) => {
                    member.view.retain(|partition, _| !partitions.contains(partition));
                    return Some(Heard::Lost(partitions.into_iter().map(Partition).collect()));
                }
            }
        }
    }

    /// Who is in the group: whoever is frozen or dead counts until its session is over.
    pub(super) fn attendance(&self) -> Attendance {
        let live = self.members.values().filter(|member| member.live);
        let assigned = self.owners.keys().map(|partition| Partition(*partition));
        Attendance { members: live.count() as u32, assigned: assigned.collect() }
    }

    /// Counts a member whose session expired as one again.
    pub(super) fn rejoin(&mut self, member: u64) {
        if let Some(member) = self.members.get_mut(&member) {
            member.live = true;
        }
    }

    pub(super) fn has_events(&self, member: u64) -> bool {
        self.members.get(&member).is_some_and(|member| !member.events.is_empty())
    }

    /// The member has heard of an assignment.
    pub(super) fn begin(&mut self, member: u64, partition: u32, view: View) {
        if let Some(member) = self.members.get_mut(&member) {
            member.view.insert(partition, view);
        }
    }

    /// Its partitions that may deliver, beginning with the one whose turn it is.
    pub(super) fn readable(&self, id: u64) -> Vec<(u32, View)> {
        let Some(member) = self.members.get(&id) else { return Vec::new() };
        let mut readable: Vec<(u32, View)> = member
            .view
            .iter()
            .filter(|(partition, view)| {
                let owner = self.owners.get(partition);
                let owns = owner.is_some_and(|owner| owner.assignment == view.assignment && !owner.revoking);
                owns && !view.paused && !view.broken
            })
            .map(|(partition, view)| (*partition, *view))
            .collect();
        let turn = readable.iter().position(|(partition, _)| *partition >= member.cursor).unwrap_or(0);
        readable.rotate_left(turn);
        readable
    }

    pub(super) fn view_mut(&mut self, member: u64, partition: u32) -> Option<&mut View> {
        self.members.get_mut(&member)?.view.get_mut(&partition)
    }

    /// It was this partition's turn.
    pub(super) fn served(&mut self, member: u64, partition: u32) {
        if let Some(member) = self.members.get_mut(&member) {
            member.cursor = partition + 1;
        }
    }

    /// Whether the assignment still stands: only then may its member commit.
    pub(super) fn stands(&self, member: u64, partition: u32, assignment: Assignment) -> bool {
        self.owners
            .get(&partition)
            .is_some_and(|owner| owner.member == member && owner.assignment == assignment)
    }

    pub(super) fn commit(&mut self, partition: u32, position: Position) {
        self.committed.insert(partition, position);
    }

    pub(super) fn committed(&self, partition: u32) -> Option<Position> {
        self.committed.get(&partition).copied()
    }

    pub(super) fn wake_all(&self) {
        for member in self.members.values() {
            member.wake.notify_one();
        }
    }
}
