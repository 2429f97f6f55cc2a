//! A member: what a process holds of a group, and the tasks that stand for the coordinator's timers.

use super::group::{Assignment, Group, Heard, Revocation, View};
use super::{Shared, SimLog};
use async_trait::async_trait;
use sluice_runtime::ports::log::{
    Committer, Deliveries, Delivery, LogError, Membership, Partition, Position, ReadLimit, Topic,
};
use sluice_simulation::{ProcessId, Status};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Notify;

/// Records in one delivery at most.
const DELIVERY_MAX: u64 = 100;

/// One membership, shared by its halves.
struct Seat {
    log: SimLog,
    process: ProcessId,
    key: (String, Topic),
    id: u64,
    wake: Arc<Notify>,
}

impl SimLog {
    pub(super) async fn join(
        &self,
        process: ProcessId,
        group: &str,
        topic: Topic,
    ) -> Result<Membership, LogError> {
        self.world.effect(process, "log join").await;
        let key = (group.to_owned(), topic);
        let (id, wake) = {
            let mut shared = self.shared();
            let partitions = shared.partition_count(topic);
            shared.groups.entry(key.clone()).or_insert_with(|| Group::new(partitions)).join(process)
        };
        self.rebalance(&key);
        let seat = Arc::new(Seat { log: self.clone(), process, key, id, wake });
        tokio::spawn(watch_session(seat.clone()));
        self.world.effect(process, "log joined").await;
        let deliveries = Box::new(SimDeliveries { seat: seat.clone(), step: None });
        Ok(Membership { deliveries, committer: Arc::new(SimCommitter { seat }) })
    }

    fn rebalance(&self, key: &(String, Topic)) {
        let deadline = self.world.now() + self.times.revoke_deadline;
        let revocations = match self.shared().groups.get_mut(key) {
            Some(group) => group.rebalance(deadline),
            None => Vec::new(),
        };
        for revocation in revocations {
            tokio::spawn(self.clone().carry_out(key.clone(), revocation));
        }
    }

    /// Waits until the member lets go, or no longer.
    async fn carry_out(self, key: (String, Topic), revocation: Revocation) {
        let Revocation { process, member, partitions, done } = revocation;
        // A guard that was dropped because its process died says nothing; one of a frozen process, not yet.
        let lets_go = async {
            drop(done.await);
            self.world.pass(process).await;
        };
        let forced = tokio::time::timeout(self.times.rebalance_timeout, lets_go).await.is_err();
        if let Some(group) = self.shared().groups.get_mut(&key) {
            group.hand_over(member, &partitions, forced);
        }
        self.rebalance(&key);
    }
}

/// Ends the session of a member whose process stands still for too long.
async fn watch_session(seat: Arc<Seat>) {
    let status = seat.log.world.watch(seat.process);
    loop {
        status.wait_for(|status| status != Status::Alive).await;
        let back = status.wait_for(|status| status == Status::Alive);
        let expired = tokio::time::timeout(seat.log.times.session_timeout, back).await.is_err();
        if !seat.with(|group, _| group.has(seat.id)) {
            return;
        }
        if expired {
            seat.log
                .world
                .note(seat.process, format!("session of member {} in {} expires", seat.id, seat.key.0));
            seat.with(|group, _| group.expire(seat.id));
            seat.log.rebalance(&seat.key);
            if status.wait_for(|status| status != Status::Frozen).await != Status::Alive {
                seat.with(|group, _| group.leave(seat.id));
                return;
            }
        }
    }
}

impl Seat {
    fn with<T: Default>(&self, act: impl FnOnce(&mut Group, &mut PartitionsOf<'_>) -> T) -> T {
        let mut shared = self.log.shared();
        let Shared { topics, groups, .. } = &mut *shared;
        let mut partitions = PartitionsOf(topics.get(&self.key.1).map_or(&[], Vec::as_slice));
        groups.get_mut(&self.key).map_or_else(T::default, |group| act(group, &mut partitions))
    }

    fn leave(&self) {
        self.with(|group, _| group.leave(self.id));
        self.log.rebalance(&self.key);
    }

    /// Whether there is anything to hear.
    fn has_news(&self) -> bool {
        self.with(|group, partitions| {
            group.has_events(self.id)
                || !group.is_live(self.id)
                || group.readable(self.id).iter().any(|(partition, view)| {
                    partitions.0[*partition as usize].end() > view.next.0
                        || partitions.0[*partition as usize].start() > view.next
                })
        })
    }

    /// What is to be heard, if it is still there.
    fn take(&self, batch: usize) -> Option<Result<Delivery, LogError>> {
        let taken = self.with(|group, partitions| match group.hear(self.id) {
            Some(heard) => Some(Ok(self.tell(heard, group, partitions))),
            None => self.records(batch, group, partitions),
        });
        if taken.is_none() && !self.with(|group, _| group.is_live(self.id) || !group.has(self.id)) {
            self.with(|group, _| group.rejoin(self.id));
            self.log.rebalance(&self.key);
        }
        taken
    }

    fn tell(&self, heard: Heard, group: &mut Group, partitions: &PartitionsOf<'_>) -> Delivery {
        match heard {
            Heard::Assigned(number, assignment, committed) => {
                let data = &partitions.0[number as usize];
                let position = committed.unwrap_or(data.start());
                group.begin(
                    self.id,
                    number,
                    View { assignment, next: position, paused: false, broken: false },
                );
                Delivery::Assigned { partition: Partition(number), position, generation: data.generation() }
            }
            Heard::Revoking(partitions, done) => Delivery::Revoking { partitions, done },
            Heard::Lost(partitions) => Delivery::Lost { partitions },
        }
    }

    fn records(
        &self,
        batch: usize,
        group: &mut Group,
        partitions: &PartitionsOf<'_>,
    ) -> Option<Result<Delivery, LogError>> {
        let limit = ReadLimit { records_max: batch, bytes_max: 1 << 20 };
        for (number, view) in group.readable(self.id) {
            let partition = Partition(number);
            match partitions.0[number as usize].read(view.next, limit) {
                Ok(records) => {
                    let Some(last) = records.last() else { continue };
                    if let Some(view) = group.view_mut(self.id, number) {
                        view.next = last.offset.next();
                    }
                    group.served(self.id, number);
                    return Some(Ok(Delivery::Records { partition, records }));
                }
                Err(start) => {
                    if let Some(view) = group.view_mut(self.id, number) {
                        view.broken = true;
                    }
                    let (topic, asked) = (self.key.1, view.next);
                    return Some(Err(LogError::BelowStart { topic, partition, asked, start }));
                }
            }
        }
        None
    }
}

struct PartitionsOf<'a>(&'a [super::partition::PartitionData]);

struct SimDeliveries {
    seat: Arc<Seat>,
    /// The effect of the poll that is under way; kept over cancellations, so that they don't lengthen it.
    step: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

#[async_trait]
impl Deliveries for SimDeliveries {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        loop {
            let seat = &self.seat;
            if self.step.is_none() {
                while !seat.has_news() {
                    seat.wake.notified().await;
                }
                let (world, process) = (seat.log.world.clone(), seat.process);
                self.step = Some(Box::pin(async move { world.effect(process, "log poll").await }));
            }
            if let Some(step) = &mut self.step {
                step.await;
            }
            self.step = None;
            let world = &seat.log.world;
            let expire_ppm = world.faults(seat.process).log.expire_ppm;
            let (expires, batch) =
                world.draw(|random| (random.chance(expire_ppm), random.between(1, DELIVERY_MAX) as usize));
            if expires {
                world.note(seat.process, format!("member {} is thrown out of {}", seat.id, seat.key.0));
                seat.with(|group, _| group.expire(seat.id));
                seat.log.rebalance(&seat.key);
            }
            if let Some(delivery) = seat.take(batch) {
                return delivery;
            }
        }
    }
}

impl Drop for SimDeliveries {
    fn drop(&mut self) {
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        match self.seat.log.world.status(self.seat.process) {
            Status::Alive => self.seat.leave(),
            // It says goodbye when it can; its session may have expired by then.
            Status::Frozen => {
                let seat = self.seat.clone();
                tokio::spawn(async move {
                    seat.log.world.pass(seat.process).await;
                    seat.leave();
                });
            }
            // Its session expires.
            Status::Dead => {}
        }
    }
}

struct SimCommitter {
    seat: Arc<Seat>,
}

#[async_trait]
impl Committer for SimCommitter {
    async fn commit(&self, partition: Partition, position: Position) -> Result<(), LogError> {
        let seat = &self.seat;
        // What the member believes at the call counts: an assignment that it gets meanwhile is another one.
        let believed: Option<Assignment> =
            seat.with(|group, _| group.view_mut(seat.id, partition.0).map(|view| view.assignment));
        seat.log.world.effect(seat.process, "log commit").await;
        let committed = seat.with(|group, _| {
            let stands = believed.is_some_and(|assignment| group.stands(seat.id, partition.0, assignment));
            if stands {
                group.commit(partition.0, position);
            }
            stands
        });
        seat.log.world.effect(seat.process, "log commit answered").await;
        if committed { Ok(()) } else { Err(LogError::Fenced { topic: seat.key.1, partition }) }
    }

    fn pause(&self, partition: Partition) {
        self.set_paused(partition, true);
    }

    fn resume(&self, partition: Partition) {
        self.set_paused(partition, false);
        self.seat.wake.notify_one();
    }
}

impl SimCommitter {
    fn set_paused(&self, partition: Partition, paused: bool) {
        self.seat.with(|group, _| {
            if let Some(view) = group.view_mut(self.seat.id, partition.0) {
                view.paused = paused;
            }
        });
    }
}
