//! One flush: receipts are acknowledged, then states are stored, then retries and what else follows from stored
//! states are acknowledged, then offsets are committed. A crash between any two of these repeats the flush from the
//! committed offset, and everything in it is harmless when repeated.
//!
//! Retries come after the state: a sender that read a retry of a reopened recipient before would find a final
//! failure, take the retry for done, and nobody would write it again (hazards 12, 25).

use crate::again::until_answered;
use crate::decide::{Delays, decide};
use crate::effects::Effects;
use crate::error::ReceiptError;
use crate::outbox::Outbox;
use crate::policies::Campaign;
use crate::processor::Worker;
use futures_util::future::join_all;
use sluice_core::{ChunkId, ChunkRow, Counters, Stamp};
use sluice_runtime::ports::log::{LogError, Partition, Position, Topic};
use sluice_runtime::ports::store::ChunkSave;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// A chunk of the flush with what the decisions need.
struct Touched {
    chunk: ChunkId,
    partition: Partition,
    campaign: Option<Arc<Campaign>>,
    counters: Counters,
}

impl Worker {
    /// Makes everything merged so far durable, except what is lost or has to wait.
    pub(crate) async fn flush(&mut self) -> Result<(), ReceiptError> {
        if self.merged.take().is_none() {
            return Ok(());
        }
        self.facts = 0;
        self.stats.flushes.add(1);
        let mut outbox = std::mem::take(&mut self.letters);
        let mut held: BTreeSet<Partition> = BTreeSet::new();
        let mut retries = Outbox::default();
        let touched = self.decide_all(&mut outbox, &mut retries, &mut held).await?;

        let offsets = outbox.send(&*self.log).await?;
        let touched = self.hold(touched, &offsets, &mut held);

        let touched = self.save(touched).await?;
        retries.send(&*self.log).await?;
        self.follow_up(&touched).await?;
        let now_ms = self.clock.wall_ms();
        for touched in &touched {
            if let Some(cached) = self.cache.get_mut(touched.chunk) {
                self.stats.stored(&cached.news, now_ms);
                cached.stored();
            }
        }
        self.commit(&held).await?;
        if !held.is_empty() {
            let now = Instant::now();
            self.merged = Some((now, now));
        }
        Ok(())
    }

    /// Fills the outboxes: receipts are needed before the states are stored, retries after it.
    async fn decide_all(
        &mut self,
        outbox: &mut Outbox,
        retries: &mut Outbox,
        held: &mut BTreeSet<Partition>,
    ) -> Result<Vec<Touched>, ReceiptError> {
        let delays = Delays { backoff: self.options.backoff, resend_wait_ms: self.options.resend_wait_ms };
        let now_ms = self.clock.wall_ms();
        let mut all = Vec::new();
        for chunk in self.cache.touched() {
            let Some(cached) = self.cache.get_mut(chunk) else { continue };
            let (partition, wants, held_until) = (cached.partition, cached.wants, cached.held_until);
            let Some(assigned) = self.partitions.get(&partition) else { continue };
            if self.lost.contains(partition) {
                continue;
            }
            if assigned.position < held_until {
                held.insert(partition);
                continue;
            }
            let campaign = if wants.campaign() {
                let now = self.clock.monotonic();
                self.policies.get(&*self.store, chunk.campaign(), now, wants.row_now).await?
            } else {
                None
            };
            let row = if wants.page { self.row_of(chunk).await? } else { None };
            let Some(cached) = self.cache.get_mut(chunk) else { continue };
            if let (true, Some(campaign)) = (wants.decision, &campaign) {
                let decision = decide(chunk, &cached.state, &cached.news, campaign.policy, &delays, now_ms);
                cached.held_until = if decision.holds_state() { u64::MAX } else { 0 };
                match &row {
                    // Its state is not stored yet; then it is decided again.
                    _ if decision.holds_state() => {}
                    Some(row) => decision.retries.iter().for_each(|retry| retries.retry(row, retry)),
                    None if decision.retries.is_empty() => {}
                    None => tracing::error!(%chunk, "receipts name a chunk that was never committed"),
                }
                self.stats.retries.add(decision.retries.len() as u64);
                outbox.receipts(chunk, decision.receipts);
            }
            all.push(Touched { chunk, partition, campaign, counters: Counters::default() });
        }
        Ok(all)
    }

    /// The chunk's page and shard.
    async fn row_of(&mut self, chunk: ChunkId) -> Result<Option<Arc<ChunkRow>>, ReceiptError> {
        if let Some(row) = self.cache.get_mut(chunk).and_then(|cached| cached.row.clone()) {
            return Ok(Some(row));
        }
        let row = until_answered("chunk", || self.store.chunk(chunk)).await?.map(Arc::new);
        if let Some(cached) = self.cache.get_mut(chunk) {
            cached.row.clone_from(&row);
        }
        Ok(row)
    }

    /// Sorts out the states whose own receipts have to be merged first.
    fn hold(
        &mut self,
        touched: Vec<Touched>,
        offsets: &std::collections::BTreeMap<(Topic, Partition), std::ops::Range<u64>>,
        held: &mut BTreeSet<Partition>,
    ) -> Vec<Touched> {
        let (go_on, wait): (Vec<Touched>, Vec<Touched>) = touched.into_iter().partition(|touched| {
            self.cache.get_mut(touched.chunk).is_some_and(|cached| cached.held_until == 0)
        });
        for touched in wait {
            held.insert(touched.partition);
            if let Some(cached) = self.cache.get_mut(touched.chunk) {
                cached.held_until =
                    offsets.get(&(Topic::Receipts, touched.partition)).map_or(0, |range| range.end);
            }
        }
        go_on
    }

    /// Stores the states; gives the chunks that are still ours, with their counters.
    async fn save(&mut self, mut touched: Vec<Touched>) -> Result<Vec<Touched>, ReceiptError> {
        let mut saves = Vec::new();
        for touched in &mut touched {
            let Some(assigned) = self.partitions.get(&touched.partition) else { continue };
            let Some(cached) = self.cache.get_mut(touched.chunk) else { continue };
            touched.counters = cached.state.counters();
            let merged = Stamp::new(assigned.generation, assigned.position);
            if cached.is_ahead_of_store || cached.is_unsure {
                saves.push(ChunkSave {
                    chunk: touched.chunk,
                    // Facts that it knows already add nothing to a state: below its stamp it is what it was.
                    stamp: merged.max(cached.stamp),
                    state: cached.state.clone(),
                    counters: touched.counters,
                    details: cached.news.clone(),
                    details_to: merged,
                });
            }
        }
        // The same bytes under the same stamp, however often it is asked (hazard 16).
        let (store, lost) = (&self.store, &self.lost);
        let count = saves.len() as u64;
        let stamps: Vec<(ChunkId, Stamp, Stamp)> =
            saves.iter().map(|save| (save.chunk, save.stamp, save.details_to)).collect();
        if !saves.is_empty() {
            until_answered("save chunks", || {
                let ours =
                    saves.iter().filter(|save| !lost.contains(partition_of(save.chunk))).cloned().collect();
                store.save_chunks(ours)
            })
            .await?;
        }
        self.stats.saves.add(count);
        for (chunk, stamp, details_to) in stamps {
            if let Some(cached) = self.cache.get_mut(chunk) {
                cached.stamp = stamp;
                cached.is_ahead_of_store = false;
                // Until then its former owner's details are saved again, flush by flush.
                cached.is_unsure &= details_to < stamp;
            }
        }
        touched.retain(|touched| !self.lost.contains(touched.partition));
        Ok(touched)
    }

    /// Notes sends and people, finds early facts, tells the progress. The progress comes after the state:
    /// whoever hears of it looks at the stored counters (hazard 21).
    async fn follow_up(&mut self, touched: &[Touched]) -> Result<(), ReceiptError> {
        let mut effects = Effects::default();
        let mut outbox = Outbox::default();
        for touched in touched {
            outbox.progress(&*self.log, touched.chunk, &touched.counters);
            let Some(cached) = self.cache.get_mut(touched.chunk) else { continue };
            if let (true, Some(campaign)) = (cached.wants.effects, &touched.campaign) {
                let page = cached.row.as_ref().map(|row| &row.page);
                effects.gather(touched.chunk, campaign, page, &cached.news);
            }
        }
        let early =
            effects.apply(&*self.store, self.options.watermark_skew_ms, self.options.lookups_max).await?;
        for (chunk, entries) in early {
            self.stats.early_facts.add(entries.len() as u64);
            outbox.receipts(chunk, entries);
        }
        outbox.send(&*self.log).await?;
        Ok(())
    }

    async fn commit(&mut self, held: &BTreeSet<Partition>) -> Result<(), ReceiptError> {
        let due: Vec<(Partition, u64)> = self
            .partitions
            .iter()
            .filter(|(partition, assigned)| {
                assigned.position > assigned.committed && !held.contains(partition)
            })
            .filter(|(partition, _)| !self.lost.contains(**partition))
            .map(|(partition, assigned)| (*partition, assigned.position))
            .collect();
        let committer = &self.committer;
        let answers =
            join_all(due.iter().map(|(partition, at)| committer.commit(*partition, Position(*at)))).await;
        for ((partition, position), answer) in due.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    if let Some(assigned) = self.partitions.get_mut(&partition) {
                        assigned.committed = position;
                    }
                }
                Err(LogError::Fenced { .. }) => {
                    tracing::info!(partition = partition.0, "receipts: the partition went to another member");
                    self.partitions.remove(&partition);
                    self.cache.forget(partition);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn partition_of(chunk: ChunkId) -> Partition {
    Partition(u32::from(chunk.receipts_partition()))
}
