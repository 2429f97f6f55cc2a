//! The loop over `receipts`: takes records in, merges them, decides when to flush.

use crate::again::until_answered;
use crate::cache::ChunkCache;
use crate::error::ReceiptError;
use crate::options::ReceiptOptions;
use crate::outbox::Outbox;
use crate::policies::Policies;
use crate::pump::{Lost, WAITING_MAX, pump};
use crate::stats::ReceiptStats;
use sluice_core::{ChunkId, Stamp};
use sluice_runtime::merged::RECEIPTS_GROUP;
use sluice_runtime::ports::log::{Committer, Delivery, Log, Partition, Position, StoredRecord, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::{Receipt, decode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What the processor stands on.
#[derive(Clone)]
pub struct ReceiptPorts {
    /// Reads `receipts`; writes `chunks`, `receipts`, `campaign.progress`, `dead.letters`.
    pub log: Arc<dyn Log>,
    /// Chunk states, correlation, suppressions.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ReceiptPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReceiptPorts")
    }
}

/// Merges `receipts` into chunk states.
///
/// States are stored when nothing has come for `quiet_ms`, at the latest `flush_ms` after the first change, and
/// earlier when `facts_max` or `chunks_max` is reached.
#[derive(Debug)]
pub struct ReceiptProcessor {
    ports: ReceiptPorts,
    options: ReceiptOptions,
    stats: Arc<ReceiptStats>,
}

impl ReceiptProcessor {
    /// A processor; nothing happens before [`ReceiptProcessor::run`].
    pub fn new(ports: ReceiptPorts, options: ReceiptOptions) -> Self {
        Self { ports, options, stats: Arc::default() }
    }

    /// What it did so far.
    pub fn stats(&self) -> Arc<ReceiptStats> {
        self.stats.clone()
    }

    /// Runs until it is stopped; then stores and commits what it has merged. Dropping the future at any point is
    /// a crash: what was not committed is merged again.
    ///
    /// # Errors
    /// See [`ReceiptError`]; a store that does not answer is asked again instead.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), ReceiptError> {
        let membership = self.ports.log.join(RECEIPTS_GROUP, Topic::Receipts).await?;
        let (sender, feed) = mpsc::channel(WAITING_MAX);
        let lost = Lost::default();
        let stop_after = Duration::from_millis(self.options.stop_ms);
        let mut impatience = shutdown.clone();
        let mut worker = Worker::new(self, membership.committer, lost.clone());
        tokio::select! {
           biased;
            result = worker.work(feed, &mut shutdown) => result,
            error = pump(membership.deliveries, sender, lost) => Err(error.into()),
            () = async {
                impatience.stopping().await;
                tokio::time::sleep(stop_after).await;
            } => {
                tracing::warn!("receipts: stopped before everything was stored; it is merged again after the start");
                Ok(())
            }
        }
    }
}

/// A partition of `receipts` that is ours.
#[derive(Debug)]
pub(crate) struct Assigned {
    pub(crate) generation: u32,
    /// Merged up to here.
    pub(crate) position: u64,
    pub(crate) committed: u64,
    /// An end of the log that was seen.
    end: u64,
}

pub(crate) struct Worker {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) options: ReceiptOptions,
    pub(crate) stats: Arc<ReceiptStats>,
    pub(crate) committer: Arc<dyn Committer>,
    pub(crate) lost: Lost,
    pub(crate) partitions: BTreeMap<Partition, Assigned>,
    pub(crate) cache: ChunkCache,
    pub(crate) policies: Policies,
    /// Dead letters to be sent with the next flush.
    pub(crate) letters: Outbox,
    /// Facts merged since the last flush.
    pub(crate) facts: usize,
    /// When the first record since the last flush, and the last one, was merged.
    pub(crate) merged: Option<(Instant, Instant)>,
}

impl Worker {
    fn new(processor: ReceiptProcessor, committer: Arc<dyn Committer>, lost: Lost) -> Self {
        let ReceiptProcessor { ports, options, stats } = processor;
        let cache = ChunkCache::new(options.chunks_max.max(1));
        let policies = Policies::new(Duration::from_millis(options.campaign_age_ms), options.campaigns_max);
        Self {
            log: ports.log,
            store: ports.store,
            clock: ports.clock,
            stats,
            committer,
            lost,
            partitions: BTreeMap::new(),
            cache,
            policies,
            letters: Outbox::default(),
            facts: 0,
            merged: None,
            options,
        }
    }

    async fn work(
        &mut self,
        mut feed: mpsc::Receiver<Delivery>,
        shutdown: &mut Shutdown,
    ) -> Result<(), ReceiptError> {
        loop {
            let due = self.flush_due();
            tokio::select! {
               biased;
                () = shutdown.stopping() => return self.flush().await,
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.flush().await?,
                delivery = feed.recv() => match delivery {
                    Some(delivery) => self.take(delivery).await?,
                    // The pump ended; its error ends the run.
                    None => std::future::pending().await,
                },
            }
        }
    }

    fn flush_due(&self) -> Option<Instant> {
        let (first, last) = self.merged?;
        let latest = first + Duration::from_millis(self.options.flush_ms);
        Some(latest.min(last + Duration::from_millis(self.options.quiet_ms)))
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), ReceiptError> {
        match delivery {
            Delivery::Assigned { partition, position, generation } => {
                self.assigned(partition, position, generation).await
            }
            Delivery::Records { partition, records } => self.records(partition, records).await,
            Delivery::Revoking { partitions, done } => {
                let flushed = self.flush().await;
                self.forget(&partitions);
                drop(done);
                flushed
            }
            Delivery::Lost { partitions } => {
                self.forget(&partitions);
                self.lost.forget(&partitions);
                Ok(())
            }
        }
    }

    fn forget(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.partitions.remove(partition);
            self.cache.forget(*partition);
        }
    }

    async fn assigned(
        &mut self,
        partition: Partition,
        position: Position,
        generation: u32,
    ) -> Result<(), ReceiptError> {
        let end = self.log.bounds(Topic::Receipts, partition).await?.end.0;
        if position.0 > end {
            return Err(ReceiptError::CommittedBeyondEnd { partition, committed: position.0, end });
        }
        // Whatever was known of an earlier assignment may be behind what another member stored since.
        self.forget(&[partition]);
        self.partitions
            .insert(partition, Assigned { generation, position: position.0, committed: position.0, end });
        Ok(())
    }

    async fn records(
        &mut self,
        partition: Partition,
        records: Vec<StoredRecord>,
    ) -> Result<(), ReceiptError> {
        for record in records {
            let Some(assigned) = self.partitions.get(&partition) else { return Ok(()) };
            if record.offset.0 < assigned.position {
                continue;
            }
            let generation = assigned.generation;
            match receipt_of(partition, &record) {
                Ok((chunk, receipt)) => {
                    self.ensure_loaded(chunk, partition).await?;
                    self.facts += receipt.entries.len();
                    self.stats.merged(&receipt.entries);
                    self.cache.merge(chunk, receipt.entries, Stamp::new(generation, record.offset.next().0));
                }
                Err(reason) => {
                    tracing::warn!(
                        partition = partition.0,
                        offset = record.offset.0,
                        reason,
                        "receipt can't be used"
                    );
                    self.stats.dead_letters.add(1);
                    let now = self.clock.wall_ms();
                    self.letters.dead_letter(&*self.log, (Topic::Receipts, partition), &record, reason, now);
                }
            }
            if let Some(assigned) = self.partitions.get_mut(&partition) {
                assigned.position = record.offset.next().0;
                assigned.end = assigned.end.max(assigned.position);
            }
            let now = Instant::now();
            self.merged = Some((self.merged.map_or(now, |(first, _)| first), now));
            if self.facts >= self.options.facts_max {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn ensure_loaded(&mut self, chunk: ChunkId, partition: Partition) -> Result<(), ReceiptError> {
        if self.cache.contains(chunk) {
            return Ok(());
        }
        // States that wait for their own receipts to come back can't be stored yet; they are few.
        if !self.cache.make_room() {
            self.flush().await?;
            self.cache.make_room();
        }
        let stored = until_answered("load chunk", || self.store.load_chunk(chunk)).await?;
        let stored = stored.unwrap_or_default();
        self.check_stamp(chunk, partition, stored.0).await?;
        let assigned = self.partitions.get(&partition);
        let committed = assigned.map_or(Stamp::default(), |it| Stamp::new(it.generation, it.committed));
        self.cache.insert(chunk, partition, stored, committed);
        Ok(())
    }

    /// Refuses a log that knows less than the store: every write would lose silently (hazard 17).
    async fn check_stamp(
        &mut self,
        chunk: ChunkId,
        partition: Partition,
        stamp: Stamp,
    ) -> Result<(), ReceiptError> {
        let Some(assigned) = self.partitions.get_mut(&partition) else { return Ok(()) };
        if stamp <= Stamp::new(assigned.generation, assigned.end) {
            return Ok(());
        }
        if stamp.generation() == assigned.generation {
            assigned.end = assigned.end.max(self.log.bounds(Topic::Receipts, partition).await?.end.0);
        }
        if stamp <= Stamp::new(assigned.generation, assigned.end) {
            return Ok(());
        }
        Err(ReceiptError::StateBeyondEnd {
            partition,
            chunk,
            generation: stamp.generation(),
            position: stamp.position(),
            log_generation: assigned.generation,
            end: assigned.end,
        })
    }
}

fn receipt_of(partition: Partition, record: &StoredRecord) -> Result<(ChunkId, Receipt), String> {
    let receipt: Receipt = decode(&record.value).map_err(|error| error.to_string())?;
    let chunk = ChunkId(*receipt.chunk);
    // Its state would be a function of two partitions.
    if u32::from(chunk.receipts_partition()) != partition.0 {
        return Err(format!("chunk {chunk} belongs to partition {}", chunk.receipts_partition()));
    }
    Ok((chunk, receipt))
}
