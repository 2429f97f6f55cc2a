//! What of `chunks` the sender has not finished. By it a chunk that waits is told from one that nobody knows of: the
//! committed offset never passes a record whose recipients are not all settled.

use sluice_core::{CHUNK_ROWS_MAX, CampaignId, ChunkId, IndexSet};
use sluice_runtime::ports::log::{Log, LogError, Partition, ReadLimit, StoredRecord, Topic};
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

/// Reads them, at most `records_max` records of the shard, those of other campaigns included.
///
/// # Errors
/// What the log refused.
pub async fn unfinished(
    log: &dyn Log,
    shard: Partition,
    campaign: CampaignId,
    records_max: usize,
) -> Result<Unfinished, LogError> {
    // The committed position first: a record that is carried forward is at the end before the old one is passed.
    let committed = log.committed(SENDER_GROUP, Topic::Chunks, shard).await?.unwrap_or_default();
    let bounds = log.bounds(Topic::Chunks, shard).await?;
    let mut from = committed.max(bounds.start);
    let (mut found, mut read) = (Unfinished::default(), 0);
    while from < bounds.end {
        if read >= records_max {
            return Ok(found);
        }
        let records = match log.read(Topic::Chunks, shard, from, READ).await {
            // Retention was faster.
            Err(LogError::BelowStart { start, .. }) if start > from => {
                from = start;
                continue;
            }
            records => records?,
        };
        let Some(last) = records.last() else { break };
        (from, read) = (last.offset.next(), read + records.len());
        for record in &records {
            if let Some((chunk, asked)) = parse(record).filter(|(chunk, _)| chunk.campaign() == campaign) {
                found.asked.entry(chunk).or_default().push(asked);
            }
        }
    }
    found.whole = true;
    Ok(found)
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
