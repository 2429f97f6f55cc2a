//! Records on their way out, gathered per partition.

use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::partition::partition_of;
use sluice_core::{ChunkId, ChunkRow, Counters};
use sluice_runtime::ports::log::{AppendTicket, Log, LogError, NewRecord, Partition, StoredRecord, Topic};
use sluice_schemas::{CampaignProgress, DeadLetter, PageRefused, Receipt, ReceiptEntry, encode};
use std::collections::BTreeMap;
use std::ops::Range;

use crate::decide::Retry;

/// Entries of one receipt at most: a record of some 50 KB.
const ENTRIES_MAX: usize = 512;

/// A partition of a topic, in a fixed order.
pub(crate) type Place = (Topic, Partition);

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    batches: BTreeMap<Place, Vec<NewRecord>>,
}

impl Outbox {
    fn push(&mut self, topic: Topic, partition: u32, key: Bytes, value: Vec<u8>) {
        self.batches
            .entry((topic, Partition(partition)))
            .or_default()
            .push(NewRecord { key, value: Bytes::from(value) });
    }

    /// Facts, to the partition that the chunk names.
    pub(crate) fn receipts(&mut self, chunk: ChunkId, mut entries: Vec<ReceiptEntry>) {
        let key = Bytes::copy_from_slice(&chunk.0);
        while !entries.is_empty() {
            let rest = if entries.len() > ENTRIES_MAX { entries.split_off(ENTRIES_MAX) } else { Vec::new() };
            let receipt = Receipt { chunk: ByteArray::new(chunk.0), entries };
            self.push(Topic::Receipts, u32::from(chunk.receipts_partition()), key.clone(), encode(&receipt));
            entries = rest;
        }
    }

    /// Another attempt, to the shard of the chunk's page.
    pub(crate) fn retry(&mut self, row: &ChunkRow, retry: &Retry) {
        let record = row.another_attempt(retry.attempt, retry.not_before_ms, &retry.indexes);
        let key = Bytes::copy_from_slice(row.page.as_str().as_bytes());
        self.push(Topic::Chunks, row.shard, key, encode(&record));
    }

    /// What the owner of a page should know of it, to the page's shard.
    pub(crate) fn refused(&mut self, log: &dyn Log, refused: &PageRefused) {
        let key = refused.page.as_bytes();
        let shard = partition_of(key, log.partitions(Topic::Chunks));
        self.push(Topic::Chunks, shard, Bytes::copy_from_slice(key), encode(refused));
    }

    /// The totals of a chunk.
    pub(crate) fn progress(&mut self, log: &dyn Log, chunk: ChunkId, counters: &Counters) {
        let number = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
        let record = CampaignProgress {
            chunk: ByteArray::new(chunk.0),
            size: number(counters.total),
            terminal: number(counters.terminal()),
        };
        let campaign = chunk.campaign();
        let partition = partition_of(&campaign.0, log.partitions(Topic::Progress));
        self.push(Topic::Progress, partition, Bytes::copy_from_slice(&campaign.0), encode(&record));
    }

    /// A record nobody could use.
    pub(crate) fn dead_letter(
        &mut self,
        log: &dyn Log,
        place: Place,
        record: &StoredRecord,
        reason: String,
        at_ms: i64,
    ) {
        let letter = DeadLetter {
            topic: place.0.name().to_owned(),
            partition: i32::try_from(place.1.0).unwrap_or(-1),
            offset: i64::try_from(record.offset.0).unwrap_or(-1),
            reason,
            at_ms,
            key: record.key.to_vec(),
            value: record.value.to_vec(),
        };
        self.letter(log, &letter);
    }

    /// A dead letter as it is.
    pub(crate) fn letter(&mut self, log: &dyn Log, letter: &DeadLetter) {
        let partition = partition_of(&letter.key, log.partitions(Topic::DeadLetters));
        self.push(Topic::DeadLetters, partition, Bytes::copy_from_slice(&letter.key), encode(letter));
    }

    /// Hands everything to the log.
    pub(crate) fn enqueue(self, log: &dyn Log) -> Vec<(Place, AppendTicket)> {
        self.batches
            .into_iter()
            .map(|(place, records)| (place, log.append(place.0, place.1, records)))
            .collect()
    }

    /// Hands everything to the log and waits until it is durable; gives the offsets.
    pub(crate) async fn send(self, log: &dyn Log) -> Result<BTreeMap<Place, Range<u64>>, LogError> {
        let mut offsets = BTreeMap::new();
        for (place, ticket) in self.enqueue(log) {
            offsets.insert(place, ticket.await?);
        }
        Ok(offsets)
    }
}
