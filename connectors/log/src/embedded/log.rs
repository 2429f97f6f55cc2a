//! The log itself: topics, appending, reading, trimming.

use super::block;
use super::coordinator::{Coordinator, Seat};
use super::keys;
use super::member::{MemberCommitter, MemberDeliveries};
use super::options::{EmbeddedLogOptions, OpenError};
use super::partition::{self, PartitionState, Tables, storage};
use async_trait::async_trait;
use sluice_engine::{Engine, Priority, Shape, Snapshot};
use sluice_runtime::ports::log::{
    AppendTicket, Attendance, Bounds, Log, LogError, Membership, NewRecord, Partition, Position, ReadLimit,
    StoredRecord, Topic,
};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use tokio::sync::watch;

/// The log of one process. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) tables: Tables,
    pub(crate) coordinator: Arc<Coordinator>,
    topics: BTreeMap<Topic, TopicState>,
}

struct TopicState {
    generation: u32,
    partitions: Vec<Arc<PartitionState>>,
    /// Counts appends that became durable, so that waiting members look again.
    appends: Arc<watch::Sender<u64>>,
}

/// Keys removed in one write when records are trimmed.
const TRIMMED_PER_WRITE: usize = 1_024;

impl EmbeddedLog {
    /// Opens the log in the engine; makes topics that are not there yet. Blocks for a moment.
    ///
    /// # Errors
    /// When a topic would get fewer partitions than it has, when something stored is damaged, when the disk
    /// fails.
    pub fn open(engine: Arc<Engine>, options: EmbeddedLogOptions) -> Result<Self, OpenError> {
        let tables = Tables {
            blocks: engine.keyspace("log.blocks", Shape::Blocks)?,
            meta: engine.keyspace("log.meta", Shape::Rows)?,
            groups: engine.keyspace("log.groups", Shape::Rows)?,
        };
        let snapshot = engine.snapshot();
        let mut rows = Vec::new();
        let mut topics = BTreeMap::new();
        for topic in Topic::ALL {
            let wanted = options.partitions.get(&topic).copied().unwrap_or(1).max(1);
            let (present, generation) = load_topic(&snapshot, &tables, topic)?.unwrap_or((0, 1));
            if wanted < present {
                return Err(OpenError::Shrunk { topic, present, wanted });
            }
            if wanted > present {
                rows.push((keys::topic_row(topic), encode_topic(wanted, generation)));
            }
            let partitions = (0..wanted)
                .map(|number| {
                    PartitionState::load(&snapshot, &tables, topic, Partition(number)).map(Arc::new)
                })
                .collect::<Result<_, _>>()?;
            topics.insert(
                topic,
                TopicState { generation, partitions, appends: Arc::new(watch::Sender::new(0)) },
            );
        }
        drop(snapshot);
        if !rows.is_empty() {
            let meta = tables.meta.clone();
            engine.write_blocking(move |tx| {
                rows.into_iter().for_each(|(key, row)| tx.insert(&meta, key, row))
            })?;
        }
        let coordinator = Arc::new(Coordinator::new(options.rebalance_timeout));
        Ok(Self { inner: Arc::new(Inner { engine, tables, coordinator, topics }) })
    }
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedLog({:?})", self.inner.engine)
    }
}

const TOPIC_FORMAT: u8 = 1;

/// A topic's row: format, partitions, generation.
fn encode_topic(partitions: u32, generation: u32) -> Vec<u8> {
    let mut row = vec![TOPIC_FORMAT];
    row.extend_from_slice(&partitions.to_le_bytes());
    row.extend_from_slice(&generation.to_le_bytes());
    row
}

fn load_topic(snapshot: &Snapshot, tables: &Tables, topic: Topic) -> Result<Option<(u32, u32)>, OpenError> {
    let Some(row) = snapshot.get(&tables.meta, &keys::topic_row(topic))? else { return Ok(None) };
    match *row {
        [TOPIC_FORMAT, a, b, c, d, e, f, g, h] => {
            Ok(Some((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))))
        }
        _ => Err(OpenError::Damaged {
            what: format!("topic {topic}"),
            reason: "its row has another form".to_owned(),
        }),
    }
}

impl Inner {
    fn partition(&self, topic: Topic, partition: Partition) -> Result<&Arc<PartitionState>, LogError> {
        let state = self.topics.get(&topic).and_then(|state| state.partitions.get(partition.0 as usize));
        state.ok_or(LogError::NoPartition { topic, partition })
    }

    fn partitions(&self, topic: Topic) -> u32 {
        self.topics.get(&topic).map_or(0, |state| state.partitions.len() as u32)
    }

    pub(crate) fn generation(&self, topic: Topic) -> u32 {
        self.topics.get(&topic).map_or(1, |state| state.generation)
    }

    pub(crate) fn appends(&self, topic: Topic) -> watch::Receiver<u64> {
        self.topics
            .get(&topic)
            .map_or_else(|| watch::Sender::new(0).subscribe(), |state| state.appends.subscribe())
    }

    pub(crate) fn read_now(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        self.partition(topic, partition)?.read(&self.engine, &self.tables, from, limit)
    }

    /// Where a member begins: read after all commits that were made before it got the partition.
    pub(crate) async fn start_of(&self, seat: &Seat, partition: Partition) -> Result<Position, LogError> {
        let groups = self.tables.groups.clone();
        let key = keys::commit_row(&seat.group, seat.topic, partition);
        let row =
            self.engine.write(Priority::High, move |tx| tx.get(&groups, &key)).await.map_err(storage)?;
        match row.map_err(storage)? {
            Some(row) => decode_commit(&row, seat.topic, partition),
            None => Ok(Position(self.partition(seat.topic, partition)?.start())),
        }
    }
}

fn decode_commit(row: &[u8], topic: Topic, partition: Partition) -> Result<Position, LogError> {
    partition::decode_number(row).map(Position).ok_or_else(|| {
        LogError::Storage(format!("damaged committed position of {topic}/{}: not a number", partition.0))
    })
}

#[async_trait]
impl Log for EmbeddedLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.inner.partitions(topic)
    }

    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        let (answer, ticket) = AppendTicket::pair();
        let state = match (self.inner.partition(topic, partition), self.inner.topics.get(&topic)) {
            (Ok(state), Some(topic)) => (state.clone(), topic.appends.clone()),
            (refused, _) => {
                // The ticket is still here, so the answer arrives.
                drop(answer.send(refused.map(|_| 0..0)));
                return ticket;
            }
        };
        let blocks = block::encode(&records);
        drop(records);
        let bytes = blocks.iter().map(|block| block.bytes.len()).sum();
        let priority = if topic == Topic::Sends { Priority::Low { bytes } } else { Priority::High };
        // Nothing here may hold the engine: the committing thread can't wait for its own end.
        let (tables, (state, appends)) = (self.inner.tables.clone(), state);
        let written = state.clone();
        self.inner.engine.write_then(
            priority,
            move |tx| written.append(tx, &tables, blocks),
            move |range| {
                if let Ok(range) = &range {
                    state.publish_end(range.end);
                    appends.send_modify(|count| *count += 1);
                }
                // Nobody may wait for it any more.
                drop(answer.send(range.map_err(storage)));
            },
        );
        ticket
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        self.inner.read_now(topic, partition, from, limit)
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        let state = self.inner.partition(topic, partition)?;
        let (start, end) = (Position(state.start()), Position(state.end()));
        Ok(Bounds { start, end, generation: self.inner.generation(topic) })
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Membership, LogError> {
        let seat = self.inner.coordinator.join(group, topic, self.inner.partitions(topic));
        Ok(Membership {
            deliveries: Box::new(MemberDeliveries::new(self.inner.clone(), seat.clone())),
            committer: Arc::new(MemberCommitter::new(self.inner.clone(), seat)),
        })
    }

    async fn committed(
        &self,
        group: &str,
        topic: Topic,
        partition: Partition,
    ) -> Result<Option<Position>, LogError> {
        let row =
            self.inner.tables.groups.get(&keys::commit_row(group, topic, partition)).map_err(storage)?;
        row.map(|row| decode_commit(&row, topic, partition)).transpose()
    }

    async fn attendance(&self, group: &str, topic: Topic) -> Result<Attendance, LogError> {
        Ok(self.inner.coordinator.attendance(group, topic))
    }

    async fn trim(&self, topic: Topic, partition: Partition, position: Position) -> Result<(), LogError> {
        let state = self.inner.partition(topic, partition)?;
        let start = position.0.min(state.end());
        if start <= state.start() {
            return Ok(());
        }
        // First the new start, so that no reader takes a removed block for a damaged log.
        let tables = self.inner.tables.clone();
        let row = move |tx: &mut sluice_engine::Tx| {
            tx.insert(&tables.meta, keys::start_row(topic, partition), partition::encode_number(start));
        };
        self.inner.engine.write(Priority::High, row).await.map_err(storage)?;
        state.publish_start(start);

        let first = keys::block(topic, partition, 0);
        let last = keys::block(topic, partition, start);
        let bounds = (Bound::Included(first.as_slice()), Bound::Included(last.as_slice()));
        let keys = self.inner.engine.snapshot().keys(&self.inner.tables.blocks, bounds);
        let mut below = keys.collect::<Result<Vec<_>, _>>().map_err(storage)?;
        // The last of them holds the new start, unless the partition is empty now.
        if start < state.end() {
            below.pop();
        }
        for part in below.chunks(TRIMMED_PER_WRITE) {
            let (blocks, part) = (self.inner.tables.blocks.clone(), part.to_vec());
            let removal = move |tx: &mut sluice_engine::Tx| {
                part.into_iter().for_each(|key| tx.remove(&blocks, key));
            };
            self.inner.engine.write(Priority::High, removal).await.map_err(storage)?;
        }
        Ok(())
    }
}
