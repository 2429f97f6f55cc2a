//! A membership: deliveries and commits.

use super::coordinator::{Event, Seat};
use super::log::Inner;
use super::{keys, partition};
use async_trait::async_trait;
use sluice_engine::Priority;
use sluice_runtime::ports::log::{Committer, Deliveries, Delivery, LogError, Partition, Position, ReadLimit};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// One delivery at most; there is nothing fetched ahead of it.
const DELIVERY_MAX: ReadLimit = ReadLimit { records_max: 1_000, bytes_max: 1 << 20 };

/// The reading half.
pub(crate) struct MemberDeliveries {
    log: Arc<Inner>,
    seat: Arc<Seat>,
    positions: BTreeMap<Partition, Position>,
    /// Partitions take turns: the one that was served last comes last.
    served_last: Option<Partition>,
    seat_changes: watch::Receiver<u64>,
    appends: watch::Receiver<u64>,
}

impl MemberDeliveries {
    pub(crate) fn new(log: Arc<Inner>, seat: Arc<Seat>) -> Self {
        let (seat_changes, appends) = (seat.changes(), log.appends(seat.topic));
        Self { log, seat, positions: BTreeMap::new(), served_last: None, seat_changes, appends }
    }

    /// What the group says, before all records.
    async fn next_event(&mut self) -> Result<Option<Delivery>, LogError> {
        if let Some(partition) = self.seat.next_assignment() {
            // The event is taken only after the last wait, so that a cancelled call loses nothing.
            let position = self.log.start_of(&self.seat, partition).await?;
            self.seat.take_assignment();
            self.positions.insert(partition, position);
            let generation = self.log.generation(self.seat.topic);
            return Ok(Some(Delivery::Assigned { partition, position, generation }));
        }
        Ok(match self.seat.take_other() {
            // An assignment that came between the two looks is for the next turn: it has woken this member.
            None | Some(Event::Assigned(_)) => None,
            Some(Event::Revoking(partitions, done)) => {
                self.forget(&partitions);
                Some(Delivery::Revoking { partitions, done })
            }
            Some(Event::Lost(partitions)) => {
                self.forget(&partitions);
                Some(Delivery::Lost { partitions })
            }
        })
    }

    fn forget(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.positions.remove(partition);
            self.seat.resume(*partition);
        }
    }

    /// Records of the next partition that has some.
    fn next_records(&mut self) -> Result<Option<Delivery>, LogError> {
        let after = self.positions.keys().filter(|partition| Some(**partition) > self.served_last);
        let before = self.positions.keys().filter(|partition| Some(**partition) <= self.served_last);
        let turns: Vec<Partition> = after.chain(before).copied().collect();
        for partition in turns {
            let position = self.positions[&partition];
            if self.seat.is_paused(partition) {
                continue;
            }
            let read = self.log.read_now(self.seat.topic, partition, position, DELIVERY_MAX);
            if read.as_ref().is_ok_and(Vec::is_empty) {
                continue;
            }
            // Also after an error the others have their turn first.
            self.served_last = Some(partition);
            let records = read?;
            if let Some(last) = records.last() {
                self.positions.insert(partition, last.offset.next());
            }
            return Ok(Some(Delivery::Records { partition, records }));
        }
        Ok(None)
    }
}

#[async_trait]
impl Deliveries for MemberDeliveries {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        loop {
            // A member with a backlog never waits: let others run now and then.
            tokio::task::coop::consume_budget().await;
            // Marked as seen before looking, so that nothing is missed in between.
            self.seat_changes.mark_unchanged();
            self.appends.mark_unchanged();
            if let Some(delivery) = self.next_event().await? {
                return Ok(delivery);
            }
            if let Some(delivery) = self.next_records()? {
                return Ok(delivery);
            }
            tokio::select! {
                changed = self.seat_changes.changed() => changed.map_err(|_| LogError::Closed)?,
                changed = self.appends.changed() => changed.map_err(|_| LogError::Closed)?,
            }
        }
    }
}

impl Drop for MemberDeliveries {
    fn drop(&mut self) {
        self.log.coordinator.leave(&self.seat);
    }
}

/// The committing half.
pub(crate) struct MemberCommitter {
    log: Arc<Inner>,
    seat: Arc<Seat>,
}

impl MemberCommitter {
    pub(crate) fn new(log: Arc<Inner>, seat: Arc<Seat>) -> Self {
        Self { log, seat }
    }
}

#[async_trait]
impl Committer for MemberCommitter {
    async fn commit(&self, partition: Partition, position: Position) -> Result<(), LogError> {
        let (coordinator, seat) = (self.log.coordinator.clone(), self.seat.clone());
        let groups = self.log.tables.groups.clone();
        let ticket = self.log.engine.write(Priority::High, move |tx| {
            // Looked at where it is written: whoever is given the partition later reads this commit.
            if !coordinator.owns(&seat, partition) {
                return Err(LogError::Fenced { topic: seat.topic, partition });
            }
            let row = partition::encode_number(position.0);
            tx.insert(&groups, keys::commit_row(&seat.group, seat.topic, partition), row);
            Ok(())
        });
        ticket.await.map_err(partition::storage)?
    }

    fn pause(&self, partition: Partition) {
        self.seat.pause(partition);
    }

    fn resume(&self, partition: Partition) {
        self.seat.resume(partition);
    }
}
