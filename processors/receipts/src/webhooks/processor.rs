//! The loop over `webhooks.raw`.

use super::ParseWebhook;
use super::batch::{Batch, Tagged};
use super::expire::expire;
use crate::again::until_answered;
use crate::effects::{entry_of, is_meant};
use crate::error::ReceiptError;
use crate::known::KnownChunks;
use crate::options::WebhookOptions;
use crate::outbox::Outbox;
use crate::pump::{Lost, WAITING_MAX, pump};
use crate::stats::WebhookStats;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sluice_core::ChunkId;
use sluice_runtime::ports::log::{
    AppendTicket, Committer, Delivery, Log, LogError, Partition, Position, StoredRecord, Topic,
};
use sluice_runtime::ports::store::{CorrelatedSend, CorrelationKey, EarlyFact, Store};
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::{ReceiptEntry, WebhookReceived, decode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};

const GROUP: &str = "webhooks";

/// What the processor stands on.
#[derive(Clone)]
pub struct WebhookPorts {
    /// Reads `webhooks.raw`; writes `receipts`, `chunks`, `dead.letters`.
    pub log: Arc<dyn Log>,
    /// Correlation, suppressions.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Reads bodies.
    pub parse: Arc<dyn ParseWebhook>,
}

impl std::fmt::Debug for WebhookPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookPorts")
    }
}

/// Splits `webhooks.raw` into receipts.
#[derive(Debug)]
pub struct WebhookProcessor {
    ports: WebhookPorts,
    options: WebhookOptions,
    stats: Arc<WebhookStats>,
}

impl WebhookProcessor {
    /// A processor; nothing happens before [`WebhookProcessor::run`].
    pub fn new(ports: WebhookPorts, options: WebhookOptions) -> Self {
        Self { ports, options, stats: Arc::default() }
    }

    /// What it did so far.
    pub fn stats(&self) -> Arc<WebhookStats> {
        self.stats.clone()
    }

    /// Runs until it is stopped; then commits what is acknowledged. Dropping the future at any point is a crash:
    /// what was not committed is split again, which changes nothing.
    ///
    /// # Errors
    /// See [`ReceiptError`]; a store that does not answer is asked again instead.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), ReceiptError> {
        let membership = self.ports.log.join(GROUP, Topic::WebhooksRaw).await?;
        let (sender, feed) = mpsc::channel(WAITING_MAX);
        let lost = Lost::default();
        let stop_after = Duration::from_millis(self.options.stop_ms);
        let mut impatience = shutdown.clone();
        let mut worker = Worker {
            known: KnownChunks::new(self.options.chunks_max),
            ports: self.ports,
            options: self.options,
            stats: self.stats,
            committer: membership.committer,
            lost: lost.clone(),
            unsettled: Vec::new(),
        };
        tokio::select! {
           biased;
            result = worker.work(feed, &mut shutdown) => result,
            error = pump(membership.deliveries, sender, lost) => Err(error.into()),
            () = async {
                impatience.stopping().await;
                tokio::time::sleep(stop_after).await;
            } => Ok(()),
        }
    }
}

/// A delivery whose receipts may not be durable yet.
struct Unsettled {
    partition: Partition,
    position: Position,
    tickets: Vec<AppendTicket>,
}

struct Worker {
    ports: WebhookPorts,
    options: WebhookOptions,
    stats: Arc<WebhookStats>,
    committer: Arc<dyn Committer>,
    lost: Lost,
    known: KnownChunks,
    unsettled: Vec<Unsettled>,
}

impl Worker {
    async fn work(
        &mut self,
        mut feed: mpsc::Receiver<Delivery>,
        shutdown: &mut Shutdown,
    ) -> Result<(), ReceiptError> {
        let every = Duration::from_millis(self.options.expire_every_ms.max(1));
        let mut sweep = tokio::time::interval_at(Instant::now() + every, every);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Records that wait are split while the receipts of earlier ones become durable.
            if !self.unsettled.is_empty() {
                let ready = if self.unsettled.len() < self.options.unsettled_max {
                    feed.try_recv().ok()
                } else {
                    None
                };
                match ready {
                    Some(delivery) => self.take(delivery).await?,
                    None => self.settle().await?,
                }
                continue;
            }
            tokio::select! {
               biased;
                () = shutdown.stopping() => return self.settle().await,
                _ = sweep.tick() => self.expire().await?,
                delivery = feed.recv() => match delivery {
                    Some(delivery) => self.take(delivery).await?,
                    // The pump ended; its error ends the run.
                    None => std::future::pending().await,
                },
            }
        }
    }

    async fn take(&mut self, delivery: Delivery) -> Result<(), ReceiptError> {
        match delivery {
            Delivery::Assigned { .. } => Ok(()),
            Delivery::Records { partition, records } => self.records(partition, records).await,
            Delivery::Revoking { done, .. } => {
                let settled = self.settle().await;
                drop(done);
                settled
            }
            Delivery::Lost { partitions } => {
                self.unsettled.retain(|unsettled| !partitions.contains(&unsettled.partition));
                self.lost.forget(&partitions);
                Ok(())
            }
        }
    }

    async fn records(
        &mut self,
        partition: Partition,
        records: Vec<StoredRecord>,
    ) -> Result<(), ReceiptError> {
        let Some(last) = records.last() else { return Ok(()) };
        if self.lost.contains(partition) {
            return Ok(());
        }
        let position = last.offset.next();
        let mut outbox = Outbox::default();
        let mut batch = Batch::default();
        for (source, record) in records.iter().enumerate() {
            match self.parse(record) {
                Ok((parsed, received_at_ms)) => batch.add(parsed, source as u32, received_at_ms),
                Err(reason) => self.dead_letter(&mut outbox, partition, record, reason),
            }
        }
        self.stats.bodies.add(records.len() as u64);
        self.stats.facts.add(batch.facts);
        for (channel, people) in std::mem::take(&mut batch.suppressions) {
            let (store, tenant) = (&self.ports.store, &self.options.tenant);
            until_answered("suppress", || store.suppress(tenant, channel, people.clone())).await?;
        }
        for refused in std::mem::take(&mut batch.refused).into_values() {
            outbox.refused(&*self.ports.log, &refused);
        }
        let mut entries = self.keyed(std::mem::take(&mut batch.keyed)).await?;
        // In the order of names, so that equal runs do equal things.
        let mut tagged: Vec<(ChunkId, Tagged)> = batch.tagged.into_iter().collect();
        tagged.sort_unstable_by_key(|(chunk, _)| *chunk);
        for (chunk, tagged) in tagged {
            let mut kept = self.checked(&mut outbox, partition, &records, chunk, tagged).await?;
            if !kept.is_empty() {
                entries.entry(chunk).or_default().append(&mut kept);
            }
        }
        for (chunk, entries) in entries {
            self.stats.matched.add(entries.len() as u64);
            outbox.receipts(chunk, entries);
        }
        let tickets = outbox.enqueue(&*self.ports.log).into_iter().map(|(_, ticket)| ticket).collect();
        self.unsettled.push(Unsettled { partition, position, tickets });
        Ok(())
    }

    fn parse(&self, record: &StoredRecord) -> Result<(super::ParsedWebhook, i64), String> {
        let received: WebhookReceived = decode(&record.value).map_err(|error| error.to_string())?;
        Ok((self.ports.parse.parse(&received)?, received.received_at_ms))
    }

    fn dead_letter(&self, outbox: &mut Outbox, partition: Partition, record: &StoredRecord, reason: String) {
        tracing::warn!(partition = partition.0, offset = record.offset.0, reason, "webhook can't be used");
        self.stats.dead_letters.add(1);
        let now = self.ports.clock.wall_ms();
        outbox.dead_letter(&*self.ports.log, (Topic::WebhooksRaw, partition), record, reason, now);
    }

    /// Keeps the facts about rows that exist: a foreign tag must not make a chunk larger than it is.
    async fn checked(
        &mut self,
        outbox: &mut Outbox,
        partition: Partition,
        records: &[StoredRecord],
        chunk: ChunkId,
        tagged: Tagged,
    ) -> Result<Vec<ReceiptEntry>, ReceiptError> {
        let size = self.known.size(&*self.ports.store, chunk).await?.unwrap_or(0);
        let exists = |entry: &ReceiptEntry| u32::try_from(entry.last).is_ok_and(|last| last < size);
        if tagged.entries.iter().all(exists) {
            return Ok(tagged.entries);
        }
        let mut kept = Vec::new();
        let mut last_refused = None;
        for (entry, source) in tagged.entries.into_iter().zip(tagged.sources) {
            if exists(&entry) {
                kept.push(entry);
            } else if last_refused.replace(source) != Some(source) {
                let reason =
                    format!("its tag names index {} of chunk {chunk}, which does not exist", entry.first);
                self.dead_letter(outbox, partition, &records[source as usize], reason);
            }
        }
        Ok(kept)
    }

    /// Notes facts, then looks for their sends (hazard 19).
    async fn keyed(
        &self,
        keyed: std::collections::BTreeMap<CorrelationKey, Vec<EarlyFact>>,
    ) -> Result<BTreeMap<ChunkId, Vec<ReceiptEntry>>, ReceiptError> {
        let mut entries: BTreeMap<ChunkId, Vec<ReceiptEntry>> = BTreeMap::new();
        if keyed.is_empty() {
            return Ok(entries);
        }
        let store = &*self.ports.store;
        let mut keyed: Vec<(CorrelationKey, Vec<EarlyFact>)> = keyed.into_iter().collect();
        keyed.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let notes: Vec<(CorrelationKey, EarlyFact)> = keyed
            .iter()
            .flat_map(|(key, facts)| facts.iter().map(move |fact| (key.clone(), fact.clone())))
            .collect();
        until_answered("note facts", || store.note_facts(notes.clone())).await?;
        let mut lookups = Vec::with_capacity(keyed.len());
        for (key, _) in &keyed {
            lookups.push(until_answered("correlated", move || store.correlated(key)));
        }
        let found: Vec<Vec<CorrelatedSend>> =
            stream::iter(lookups).buffered(self.options.lookups_max).try_collect().await?;
        for ((key, facts), sends) in keyed.into_iter().zip(found) {
            for send in sends {
                let meant = facts.iter().filter(|fact| {
                    is_meant(&key, fact.at_ms, send.sent_at_ms, self.options.watermark_skew_ms)
                });
                entries.entry(send.send.chunk).or_default().extend(meant.map(|fact| ReceiptEntry {
                    reason: fact.reason.clone(),
                    message: fact.message.clone(),
                    ..entry_of(fact.fact, send.send.index, send.attempt, fact.at_ms)
                }));
            }
        }
        Ok(entries)
    }

    /// Waits until all receipts are durable, then commits.
    async fn settle(&mut self) -> Result<(), ReceiptError> {
        let mut positions: BTreeMap<Partition, Position> = BTreeMap::new();
        for unsettled in self.unsettled.drain(..) {
            for ticket in unsettled.tickets {
                ticket.await?;
            }
            let position = positions.entry(unsettled.partition).or_default();
            *position = unsettled.position.max(*position);
        }
        positions.retain(|partition, _| !self.lost.contains(*partition));
        let committer = &self.committer;
        let answers =
            join_all(positions.iter().map(|(partition, at)| committer.commit(*partition, *at))).await;
        for answer in answers {
            match answer {
                // Whoever has it now splits the records again.
                Ok(()) | Err(LogError::Fenced { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn expire(&mut self) -> Result<(), ReceiptError> {
        let now_ms = self.ports.clock.wall_ms();
        let age = i64::try_from(self.options.unmatched_after_ms).unwrap_or(i64::MAX);
        let before_ms = now_ms.saturating_sub(age);
        let WebhookPorts { log, store, .. } = &self.ports;
        expire(&**log, &**store, &self.stats, before_ms, now_ms, self.options.expire_max).await?;
        Ok(())
    }
}
