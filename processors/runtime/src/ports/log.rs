//! The log: topics of partitions of ordered records.
//!
//! Guarantees every implementation gives:
//! - A record is acknowledged only when a crash of any one machine (embedded: of the process or the machine)
//!   can't lose it. A batch appended in one call to one partition lies in order, and batches of one process lie
//!   in the order of their calls.
//! - What was read once is read again with the same offset and bytes, until retention removes it from the front.
//! - Reading below the first kept record is an error, never a skip (hazard 26).
//! - In a group each partition is assigned to one member at a time; a commit by a former member is refused.
//! - While the log can't be reached for a time, every operation waits inside and goes on by itself; meanwhile
//!   [`Log::trouble`] says why. An error is final: asking again does not help.

use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// The topics of the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "`name` is the documentation")]
pub enum Topic {
    Launches,
    Control,
    Sends,
    Chunks,
    WebhooksRaw,
    Receipts,
    Progress,
    Events,
    DeadLetters,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Topic; 9] = [
        Topic::Launches,
        Topic::Control,
        Topic::Sends,
        Topic::Chunks,
        Topic::WebhooksRaw,
        Topic::Receipts,
        Topic::Progress,
        Topic::Events,
        Topic::DeadLetters,
    ];

    /// Its name without the configurable prefix.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Launches => "campaign.launches",
            Topic::Control => "campaign.control",
            Topic::Sends => "sends",
            Topic::Chunks => "chunks",
            Topic::WebhooksRaw => "webhooks.raw",
            Topic::Receipts => "receipts",
            Topic::Progress => "campaign.progress",
            Topic::Events => "campaign.events",
            Topic::DeadLetters => "dead.letters",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The number of a partition inside its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

/// The place of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub u64);

/// The place of the next record to read; a prefix of the partition is everything below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

impl Offset {
    /// The position after this record.
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What it is about; see the topic table.
    pub key: Bytes,
    /// A framed Avro value.
    pub value: Bytes,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Its place.
    pub offset: Offset,
    /// As appended.
    pub key: Bytes,
    /// As appended.
    pub value: Bytes,
    /// When it was appended, by the clock of whoever did or of the log: ms since 1970. `None`: the log does not keep it.
    pub appended_ms: Option<i64>,
}

/// What a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first kept record.
    pub start: Position,
    /// After the last record.
    pub end: Position,
    /// Grows when the topic is made anew and its offsets start again (hazard 17).
    pub generation: u32,
}

/// Who is in a group now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attendance {
    /// Members of all processes. One that went without goodbye counts until its session is over.
    pub members: u32,
    /// The partitions that one of them has; while partitions move, some are nobody's.
    pub assigned: BTreeSet<Partition>,
}

/// Why the log refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The group gave the partition to another member.
    #[error("{topic}/{}: no longer a member that owns it", partition.0)]
    Fenced {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: Partition,
    },
    /// Retention removed what was asked for.
    #[error("{topic}/{}: position {} was removed, the first kept is {}", partition.0, asked.0, start.0)]
    BelowStart {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: Partition,
        /// What was asked for.
        asked: Position,
        /// The first kept record.
        start: Position,
    },
    /// The partition ends before a position that was worked off already: it was made anew or restored from an
    /// older copy (hazard 17).
    #[error(
        "{topic}/{}: it ends at {}, but was read up to {} before; the topic was made anew or restored from an older copy",
        partition.0, end.0, known.0
    )]
    Behind {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: Partition,
        /// After its last record.
        end: Position,
        /// The position that is known.
        known: Position,
    },
    /// There is no such partition.
    #[error("{topic}/{}: no such partition", partition.0)]
    NoPartition {
        /// The topic.
        topic: Topic,
        /// The partition.
        partition: Partition,
    },
    /// The disk is full or failed: nothing more is acknowledged until the process starts again.
    #[error("the log can't be written: {0}")]
    Storage(String),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// A pending append: enqueued already, resolves when it is durable.
pub struct AppendTicket(oneshot::Receiver<Result<Range<u64>, LogError>>);

impl AppendTicket {
    /// A ticket and the end that resolves it with the offsets of the batch.
    pub fn pair() -> (oneshot::Sender<Result<Range<u64>, LogError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }
}

impl Future for AppendTicket {
    /// Offsets of the batch: first, and one past the last. Consecutive in the embedded log; elsewhere records
    /// of other producers may lie in between.
    type Output = Result<Range<u64>, LogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(LogError::Closed)))
    }
}

impl fmt::Debug for AppendTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppendTicket")
    }
}

/// How much one read may return.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    /// Records at most.
    pub records_max: usize,
    /// Bytes of keys and values after which no further record is added.
    pub bytes_max: usize,
}

/// What a group member hears.
#[derive(Debug)]
pub enum Delivery {
    /// The partition is this member's from now on; records follow from `position`.
    Assigned {
        /// Which.
        partition: Partition,
        /// The committed position, or the start.
        position: Position,
        /// The topic's generation.
        generation: u32,
    },
    /// Records in order.
    Records {
        /// Where.
        partition: Partition,
        /// At least one.
        records: Vec<StoredRecord>,
    },
    /// The partitions go to another member once `done` is dropped, or at the deadline.
    Revoking {
        /// Which.
        partitions: Vec<Partition>,
        /// Drop it when everything of these partitions is finished and committed.
        done: RevokeGuard,
    },
    /// The partitions belong to others already: stop at once, commit nothing.
    Lost {
        /// Which.
        partitions: Vec<Partition>,
    },
}

/// Holds a rebalance up while it lives.
#[derive(Debug)]
pub struct RevokeGuard {
    /// On the monotonic clock; below the group's rebalance timeout.
    pub deadline: std::time::Duration,
    _done: oneshot::Sender<()>,
}

impl RevokeGuard {
    /// A guard and the end that notices when it is dropped.
    pub fn new(deadline: std::time::Duration) -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self { deadline, _done: sender }, receiver)
    }
}

/// The reading half of a group membership. Dropping it leaves the group.
#[async_trait]
pub trait Deliveries: Send {
    /// The next thing that happens, waiting for it. Cancel-safe. Memory is bounded: nothing is fetched
    /// ahead beyond one batch a partition.
    async fn next(&mut self) -> Result<Delivery, LogError>;
}

/// The committing half of a group membership.
#[async_trait]
pub trait Committer: Send + Sync {
    /// Makes `position` the place to start from after a crash or a rebalance. Synchronous: resolves when
    /// the group has it. Refused with [`LogError::Fenced`] for a former member (hazard 6).
    async fn commit(&self, partition: Partition, position: Position) -> Result<(), LogError>;
    /// Delivers nothing of the partition until [`Committer::resume`]; the assignment stays.
    fn pause(&self, partition: Partition);
    /// Delivers again.
    fn resume(&self, partition: Partition);
}

/// Both halves of a group membership.
pub struct Membership {
    /// Reads.
    pub deliveries: Box<dyn Deliveries>,
    /// Commits.
    pub committer: Arc<dyn Committer>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Membership")
    }
}

/// The log.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// Partitions of a topic.
    fn partitions(&self, topic: Topic) -> u32;

    /// Enqueues a batch at once and in call order; the ticket resolves when it is durable.
    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket;

    /// Durable records from `from` on, in order, without a group. Empty at the end. A single record larger
    /// than the limit is returned alone.
    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError>;

    /// What the partition holds now.
    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError>;

    /// Becomes a member of `group` on all partitions of `topic`.
    async fn join(&self, group: &str, topic: Topic) -> Result<Membership, LogError>;

    /// The committed position of a group, for lag; `None` before the first commit.
    async fn committed(
        &self,
        group: &str,
        topic: Topic,
        partition: Partition,
    ) -> Result<Option<Position>, LogError>;

    /// Who reads `topic` in `group` now; nobody where the group was never joined.
    async fn attendance(&self, group: &str, topic: Topic) -> Result<Attendance, LogError>;

    /// Removes all records below `position` (retention).
    async fn trim(&self, topic: Topic, partition: Partition, position: Position) -> Result<(), LogError>;

    /// What keeps the log from working now, for people; `None` while all is well.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Numbers the lives of a topic, where the log itself only tells one from another (hazard 17).
#[async_trait]
pub trait Generations: Send + Sync {
    /// The number of the life that the log calls `life`: the newest stays what it is, one never seen gets the
    /// next number. Linearisable.
    ///
    /// # Errors
    /// A sentence for people: the numbers can't be read or written, or `life` is an older one.
    async fn generation(&self, topic: &str, life: &str) -> Result<u32, String>;
}
