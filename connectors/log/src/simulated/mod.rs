//! The simulated log: in memory, shared by the simulated processes of one world.
//!
//! What it may do to its users beyond taking its time: lose a batch of a process that dies before it is
//! durable, make one durable whose ticket never resolves, write one in two steps, let sessions of frozen
//! members expire, refuse their commits, and deliver again from the committed position. Batches of one process
//! to one partition keep their order; those to different partitions don't.
//!
//! Drop the tasks of a crashed process after `World::kill`, not before: a live member that drops its
//! `Deliveries` leaves its group politely.

mod appending;
mod group;
mod member;
mod partition;

use appending::Queues;
use async_trait::async_trait;
use group::Group;
use partition::PartitionData;
use sluice_runtime::ports::log::{
    AppendTicket, Attendance, Bounds, Log, LogError, Membership, NewRecord, Partition, Position, ReadLimit,
    StoredRecord, Topic,
};
use sluice_simulation::{ProcessId, World};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Times of the simulated groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupTimes {
    /// A member that is frozen or dead for this long loses its partitions. Default 10 s.
    pub session_timeout: Duration,
    /// A revocation is carried out after this, ready or not. Default 6 s.
    pub rebalance_timeout: Duration,
    /// The deadline that a member is given for a revocation. Default 5 s.
    pub revoke_deadline: Duration,
}

impl Default for GroupTimes {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(6),
            revoke_deadline: Duration::from_secs(5),
        }
    }
}

/// A simulated log. Clones are the same one.
#[derive(Clone)]
pub struct SimLog {
    world: World,
    times: GroupTimes,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    topics: BTreeMap<Topic, Vec<PartitionData>>,
    groups: BTreeMap<(String, Topic), Group>,
    queues: Queues,
}

/// Partitions of a topic unless a test says otherwise.
const PARTITIONS: u32 = 4;

impl SimLog {
    /// A log with four partitions a topic.
    pub fn new(world: &World) -> Self {
        Self::with(world, |_| PARTITIONS, GroupTimes::default())
    }

    /// A log with as many partitions as `partitions` says, and these times.
    pub fn with(world: &World, partitions: impl Fn(Topic) -> u32, times: GroupTimes) -> Self {
        let topics = Topic::ALL
            .iter()
            .map(|&topic| (topic, (0..partitions(topic)).map(|_| PartitionData::new(1)).collect()))
            .collect();
        let shared = Shared { topics, groups: BTreeMap::new(), queues: Queues::default() };
        Self { world: world.clone(), times, shared: Arc::new(Mutex::new(shared)) }
    }

    /// The log port of a process.
    pub fn handle(&self, process: ProcessId) -> Arc<dyn Log> {
        Arc::new(Handle { log: self.clone(), process })
    }

    /// All records that are durable and kept, past all faults: for a test's questions.
    pub fn inspect(&self, topic: Topic, partition: Partition) -> Vec<StoredRecord> {
        self.shared()
            .topics
            .get(&topic)
            .and_then(|all| all.get(partition.0 as usize))
            .map_or_else(Vec::new, |data| data.records().to_vec())
    }

    /// What the group has committed, past all faults.
    pub fn inspect_committed(&self, group: &str, topic: Topic, partition: Partition) -> Option<Position> {
        self.shared().groups.get(&(group.to_owned(), topic))?.committed(partition.0)
    }

    /// Deletes a topic and makes it anew: offsets start again under a higher generation, commits are gone
    /// (hazard 17). Members should have left before.
    pub fn recreate(&self, topic: Topic) {
        let mut shared = self.shared();
        if let Some(partitions) = shared.topics.get_mut(&topic) {
            for data in partitions {
                *data = PartitionData::new(data.generation() + 1);
            }
        }
        shared.groups.retain(|(_, of), _| *of != topic);
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn partition(&mut self, topic: Topic, partition: Partition) -> Result<&mut PartitionData, LogError> {
        self.topics
            .get_mut(&topic)
            .and_then(|partitions| partitions.get_mut(partition.0 as usize))
            .ok_or(LogError::NoPartition { topic, partition })
    }

    fn partition_count(&self, topic: Topic) -> u32 {
        self.topics.get(&topic).map_or(0, |partitions| partitions.len() as u32)
    }
}

impl fmt::Debug for SimLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimLog").field("times", &self.times).finish_non_exhaustive()
    }
}

struct Handle {
    log: SimLog,
    process: ProcessId,
}

#[async_trait]
impl Log for Handle {
    fn partitions(&self, topic: Topic) -> u32 {
        self.log.shared().partition_count(topic)
    }

    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        self.log.enqueue(self.process, topic, partition, records)
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        self.log.world.effect(self.process, "log read").await;
        let mut shared = self.log.shared();
        let data = shared.partition(topic, partition)?;
        data.read(from, limit).map_err(|start| LogError::BelowStart { topic, partition, asked: from, start })
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.log.world.effect(self.process, "log bounds").await;
        self.log.shared().partition(topic, partition).map(|data| data.bounds())
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Membership, LogError> {
        self.log.join(self.process, group, topic).await
    }

    async fn committed(
        &self,
        group: &str,
        topic: Topic,
        partition: Partition,
    ) -> Result<Option<Position>, LogError> {
        self.log.world.effect(self.process, "log committed?").await;
        self.log.shared().partition(topic, partition)?;
        Ok(self.log.inspect_committed(group, topic, partition))
    }

    async fn attendance(&self, group: &str, topic: Topic) -> Result<Attendance, LogError> {
        self.log.world.effect(self.process, "log attendance?").await;
        let shared = self.log.shared();
        Ok(shared.groups.get(&(group.to_owned(), topic)).map(Group::attendance).unwrap_or_default())
    }

    async fn trim(&self, topic: Topic, partition: Partition, position: Position) -> Result<(), LogError> {
        self.log.world.effect(self.process, "log trim").await;
        self.log.shared().partition(topic, partition)?.trim(position);
        self.log.world.effect(self.process, "log trimmed").await;
        Ok(())
    }
}
