//! Decides whom to look at, and when.

use crate::announce::is_due;
use crate::error::CompletionError;
use crate::found::{Reports, StalledCampaigns};
use crate::look::{Again, Looks};
use crate::metrics::CompletionStats;
use crate::options::CompletionOptions;
use crate::processor::CompletionPorts;
use crate::stalls::Stalls;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignId, ChunkId};
use sluice_runtime::ports::log::{Partition, Topic};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

/// Hints taken in one go.
const HINTS_MAX: usize = 256;

/// What was heard. A hint that is lost costs a sweep's time.
#[derive(Debug)]
pub(crate) enum Hint {
    /// A chunk moved.
    Progress(ChunkId, bool),
    /// A campaign row moved.
    Moved(CampaignId),
    /// Partitions of `campaign.progress` were assigned: nobody may have looked at their campaigns for a while.
    Assigned,
}

/// The assigned partitions of `campaign.progress`. A campaign is swept by whoever has the partition that its id
/// hashes to. That only shares the work out: steps are compare-and-sets and events have ids, so two that look at one
/// campaign do no harm.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owned(Arc<Mutex<BTreeSet<Partition>>>);

impl Owned {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut BTreeSet<Partition>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) struct Looker {
    ports: CompletionPorts,
    options: CompletionOptions,
    owned: Owned,
    looks: Looks,
    /// Whom to look at, and when at the earliest.
    due: BTreeMap<CampaignId, Instant>,
    sweep_at: Instant,
}

impl Looker {
    pub(crate) fn new(
        ports: CompletionPorts,
        options: CompletionOptions,
        owned: Owned,
        (found, stats): (StalledCampaigns, Arc<CompletionStats>),
    ) -> Self {
        let reports = Reports::new(found, stats);
        let stalls = Stalls::new(Duration::from_millis(options.stalled_after_ms), reports);
        let looks = Looks::new(options.chunks_max, Duration::from_millis(options.settle_ms), stalls);
        Self { ports, options, owned, looks, due: BTreeMap::new(), sweep_at: Instant::now() }
    }

    /// Looks for ever. Dropping it at any point is a crash, and as safe.
    pub(crate) async fn run(mut self, mut hints: Receiver<Hint>) -> Result<(), CompletionError> {
        let mut heard = Vec::with_capacity(HINTS_MAX);
        loop {
            let next = self.due.values().min().copied();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.sweep_at) => self.sweep().await?,
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    self.look_at_due().await?;
                }
                count = hints.recv_many(&mut heard, HINTS_MAX) => {
                    if count == 0 {
                        return Ok(());
                    }
                    heard.drain(..).for_each(|hint| self.take(hint));
                }
            }
        }
    }

    fn take(&mut self, hint: Hint) {
        match hint {
            Hint::Progress(chunk, is_done) => {
                let campaign = chunk.campaign();
                if self.looks.watched.note(chunk, is_done) || self.looks.finalizer.is_at(campaign) {
                    self.look_soon(campaign);
                }
            }
            Hint::Moved(campaign) => self.look_soon(campaign),
            Hint::Assigned => self.sweep_at = Instant::now(),
        }
    }

    fn look_soon(&mut self, campaign: CampaignId) {
        let soon = Instant::now() + Duration::from_millis(self.options.look_ms);
        let at = self.due.entry(campaign).or_insert(soon);
        *at = soon.min(*at);
    }

    async fn look_at_due(&mut self) -> Result<(), CompletionError> {
        let now = Instant::now();
        let due: Vec<CampaignId> = self.due.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
        for campaign in due {
            self.due.remove(&campaign);
            let again = match self.looks.look(&self.ports, campaign).await {
                Ok(again) => again,
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => {
                    tracing::warn!(%campaign, %error, "can't look at the campaign now");
                    if error.is_retriable() { Again::Soon } else { Again::WhenHeard }
                }
            };
            let after = match again {
                Again::WhenHeard => continue,
                Again::Soon => Duration::from_millis(self.options.again_ms),
                // The sweep comes by before a far one anyway.
                Again::After(left) => left.min(Duration::from_millis(self.options.sweep_ms)),
            };
            self.due.insert(campaign, Instant::now() + after);
        }
        Ok(())
    }

    /// Makes every campaign due that is here to be looked at and not at its end, and those whose end nobody may have
    /// heard of.
    async fn sweep(&mut self) -> Result<(), CompletionError> {
        self.sweep_at = Instant::now() + Duration::from_millis(self.options.sweep_ms);
        let partitions = self.ports.log.partitions(Topic::Progress);
        if self.owned.with(|owned| owned.is_empty()) {
            return Ok(());
        }
        let mut rows = match self.ports.store.unfinished().await {
            Ok(rows) => rows,
            Err(error) => {
                let error = CompletionError::from(error);
                if error.is_fatal() {
                    return Err(error);
                }
                tracing::warn!(%error, "can't look at the campaigns now");
                self.sweep_at = Instant::now() + Duration::from_millis(self.options.again_ms);
                return Ok(());
            }
        };
        self.looks.note_unfinished(&rows);
        let home = |id: CampaignId| Partition(partition_of(&id.0, partitions));
        rows.retain(|row| self.owned.with(|owned| owned.contains(&home(row.id))));
        let known: BTreeSet<CampaignId> = rows.iter().map(|row| row.id).collect();
        self.looks.retain(&known);
        let now = Instant::now();
        for row in rows.iter().filter(|row| !row.state.is_ended() || is_due(row)) {
            self.due.insert(row.id, now);
        }
        Ok(())
    }
}
