//! A log in memory.

use super::fuel::{Fate, Fuel};
use async_trait::async_trait;
use bytes::Bytes;
use sluice_runtime::ports::log::{
    AppendTicket, Attendance, Bounds, Committer, Deliveries, Delivery, Log, LogError, Membership, NewRecord,
    Offset, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, oneshot};

const PARTITIONS: u32 = 3;

#[derive(Default)]
struct State {
    records: BTreeMap<(Topic, u32), Vec<NewRecord>>,
    /// When launches were put there.
    launched_ms: Vec<i64>,
    committed: Position,
    /// Senders of tickets that never resolve.
    unanswered: Vec<oneshot::Sender<Result<Range<u64>, LogError>>>,
}

pub(crate) struct MemoryLog {
    state: Arc<Mutex<State>>,
    /// A record was put.
    arrived: Arc<Notify>,
    fuel: Arc<Fuel>,
}

impl MemoryLog {
    pub(crate) fn new(fuel: Arc<Fuel>) -> Self {
        Self { state: Arc::default(), arrived: Arc::default(), fuel }
    }

    pub(crate) fn put_launch(&self, record: NewRecord, at_ms: i64) {
        let mut state = self.state.lock().unwrap();
        state.records.entry((Topic::Launches, 0)).or_default().push(record);
        state.launched_ms.push(at_ms);
        drop(state);
        self.arrived.notify_waiters();
    }

    pub(crate) fn partition(&self, topic: Topic, partition: u32) -> Vec<NewRecord> {
        self.state.lock().unwrap().records.get(&(topic, partition)).cloned().unwrap_or_default()
    }

    pub(crate) fn all(&self, topic: Topic) -> Vec<Bytes> {
        (0..PARTITIONS)
            .flat_map(|partition| self.partition(topic, partition))
            .map(|record| record.value)
            .collect()
    }

    pub(crate) fn committed_launches(&self) -> Position {
        self.state.lock().unwrap().committed
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn partitions(&self, topic: Topic) -> u32 {
        if topic == Topic::Launches { 1 } else { PARTITIONS }
    }

    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        let fate = self.fuel.burn();
        let (sender, ticket) = AppendTicket::pair();
        let mut state = self.state.lock().unwrap();
        let held = state.records.entry((topic, partition.0)).or_default();
        let first = held.len() as u64;
        if fate != Fate::Lost {
            held.extend(records);
        }
        let end = held.len() as u64;
        match fate {
            Fate::Done => sender.send(Ok(first..end)).unwrap(),
            Fate::Unanswered | Fate::Lost => state.unanswered.push(sender),
        }
        ticket
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        _limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        let records = self.partition(topic, partition.0).into_iter().enumerate().skip(from.0 as usize);
        Ok(records
            .map(|(offset, NewRecord { key, value })| StoredRecord {
                offset: Offset(offset as u64),
                key,
                value,
                appended_ms: None,
            })
            .collect())
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let end = Position(self.partition(topic, partition.0).len() as u64);
        Ok(Bounds { start: Position(0), end, generation: 1 })
    }

    async fn join(&self, _group: &str, _topic: Topic) -> Result<Membership, LogError> {
        let next = self.committed_launches().0 as usize;
        let (state, arrived) = (self.state.clone(), self.arrived.clone());
        let member = Member { state, arrived, next, assigned: false };
        let committer = Commits { state: self.state.clone(), fuel: self.fuel.clone() };
        Ok(Membership { deliveries: Box::new(member), committer: Arc::new(committer) })
    }

    async fn committed(&self, _: &str, _: Topic, _: Partition) -> Result<Option<Position>, LogError> {
        Ok(Some(self.committed_launches()))
    }

    async fn attendance(&self, _group: &str, _topic: Topic) -> Result<Attendance, LogError> {
        Ok(Attendance::default())
    }

    async fn trim(&self, _: Topic, _: Partition, _: Position) -> Result<(), LogError> {
        Ok(())
    }
}

/// The only member of the group on launches.
struct Member {
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
    next: usize,
    assigned: bool,
}

#[async_trait]
impl Deliveries for Member {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        if !std::mem::replace(&mut self.assigned, true) {
            let position = Position(self.next as u64);
            return Ok(Delivery::Assigned { partition: Partition(0), position, generation: 1 });
        }
        loop {
            let mut arrived = std::pin::pin!(self.arrived.notified());
            arrived.as_mut().enable();
            let records: Vec<StoredRecord> = {
                let state = self.state.lock().unwrap();
                let all = state.records.get(&(Topic::Launches, 0)).map(Vec::as_slice).unwrap_or_default();
                let new = all.iter().enumerate().skip(self.next);
                new.map(|(offset, record)| StoredRecord {
                    offset: Offset(offset as u64),
                    key: record.key.clone(),
                    value: record.value.clone(),
                    appended_ms: state.launched_ms.get(offset).copied(),
                })
                .collect()
            };
            if !records.is_empty() {
                self.next += records.len();
                return Ok(Delivery::Records { partition: Partition(0), records });
            }
            arrived.await;
        }
    }
}

struct Commits {
    state: Arc<Mutex<State>>,
    fuel: Arc<Fuel>,
}

#[async_trait]
impl Committer for Commits {
    async fn commit(&self, _: Partition, position: Position) -> Result<(), LogError> {
        let fate = self.fuel.burn();
        if fate != Fate::Lost {
            self.state.lock().unwrap().committed = position;
        }
        if fate != Fate::Done {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn pause(&self, _: Partition) {}

    fn resume(&self, _: Partition) {}
}
