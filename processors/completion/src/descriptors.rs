//! What of `chunks` the sender has not finished. By it a chunk that waits is told from one that nobody knows of: the
//! committed offset never passes a record whose recipients are not all settled.

use sluice_core::{CHUNK_ROWS_MAX, CampaignId, ChunkId, IndexSet};
use sluice_runtime::ports::log::{Log, LogError, Partition, Position, ReadLimit, StoredRecord, Topic};
use sluice_schemas::{ChunkReady, RetryReady, decode, is};
use std::collections::BTreeMap;

/// The consumer group of the sender.
pub const SENDER_GROUP: &str = "sender";

/// One read: a few hundred descriptors.
const READ: ReadLimit = ReadLimit { records_max: 512, bytes_max: 1 << 20 };

/// What a record of `chunks` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The first attempts of a chunk.
    First,
    /// A later attempt of some of its recipients.
    Retry {
        /// From 2.
        attempt: u8,
        /// Not before, in ms since 1970.
        not_before_ms: i64,
        /// Who.
        indexes: IndexSet,
    },
}

/// The records of one campaign in one shard that the sender has not finished.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// By chunk, in the order of the log.
    pub asked: BTreeMap<ChunkId, Vec<Asked>>,
    /// Whether all of them were looked at: `false` where there are more than were to be read.
    pub whole: bool,
}

/// A walk over the records of one shard that the sender has not finished: from its committed position to the end of
/// the log, in as many parts as one likes.
///
/// A record that is carried forward meanwhile is not missed: it is at the end before the old one is passed, and every
/// part goes on to where the end is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    shard: Partition,
    next: Position,
}

impl Walk {
    /// At the first of them.
    ///
    /// # Errors
    /// What the log refused.
    pub async fn begin(log: &dyn Log, shard: Partition) -> Result<Self, LogError> {
        let committed = log.committed(SENDER_GROUP, Topic::Chunks, shard).await?;
        Ok(Self { shard, next: committed.unwrap_or_default() })
    }

    /// Goes on to the end, or until it has read `left` records, those of all campaigns counted, of which it takes what
    /// it reads; gives what they ask for to `take`. Whether it came to the end.
    ///
    /// # Errors
    /// What the log refused; what was read before counts.
    pub async fn go_on(
        &mut self,
        log: &dyn Log,
        left: &mut usize,
        mut take: impl FnMut(ChunkId, Asked),
    ) -> Result<bool, LogError> {
        let bounds = log.bounds(Topic::Chunks, self.shard).await?;
        self.next = self.next.max(bounds.start);
        while self.next < bounds.end {
            if *left == 0 {
                return Ok(false);
            }
            let limit = ReadLimit { records_max: READ.records_max.min(*left), ..READ };
            let records = match log.read(Topic::Chunks, self.shard, self.next, limit).await {
                // Retention was faster.
                Err(LogError::BelowStart { start, .. }) if start > self.next => {
                    self.next = start;
                    continue;
                }
                records => records?,
            };
            let Some(last) = records.last() else { break };
            self.next = last.offset.next();
            *left = left.saturating_sub(records.len());
            for (chunk, asked) in records.iter().filter_map(parse) {
                take(chunk, asked);
            }
        }
        Ok(true)
    }
}

/// Reads those of `campaign` in one go, at most `records_max` records of the shard, those of other campaigns included.
///
/// # Errors
/// What the log refused.
pub async fn unfinished(
    log: &dyn Log,
    shard: Partition,
    campaign: CampaignId,
    records_max: usize,
) -> Result<Unfinished, LogError> {
    let (mut asked, mut left) = (BTreeMap::<ChunkId, Vec<Asked>>::new(), records_max);
    let take = |chunk: ChunkId, what| {
        if chunk.campaign() == campaign {
            asked.entry(chunk).or_default().push(what);
        }
    };
    let whole = Walk::begin(log, shard).await?.go_on(log, &mut left, take).await?;
    Ok(Unfinished { asked, whole })
}

/// Of a record that the sender can't use there is a dead letter.
fn parse(record: &StoredRecord) -> Option<(ChunkId, Asked)> {
    if is::<ChunkReady>(&record.value) {
        let ready: ChunkReady = decode(&record.value).ok()?;
        return Some((ChunkId(ready.chunk.into_array()), Asked::First));
    }
    let retry: RetryReady = decode(&record.value).ok()?;
    let mut indexes = IndexSet::new();
    for range in &retry.indexes {
        let (first, last) = (u16::try_from(range.first).ok()?, u16::try_from(range.last).ok()?);
        if first > last || u32::from(last) >= CHUNK_ROWS_MAX {
            return None;
        }
        indexes.insert_range(first, last);
    }
    let (attempt, not_before_ms) = (u8::try_from(retry.attempt).ok()?, retry.not_before_ms);
    Some((ChunkId(retry.chunk.into_array()), Asked::Retry { attempt, not_before_ms, indexes }))
}
