//! The loop: hears of progress and commands, decides whom to look at, and when.

use crate::announce::is_due;
use crate::error::CompletionError;
use crate::look::Looks;
use crate::options::CompletionOptions;
use sluice_core::{CampaignId, ChunkId};
use sluice_runtime::ports::log::{Committer, Delivery, Log, LogError, Partition, Position, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::{CampaignControl, CampaignProgress, decode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

const PROGRESS_GROUP: &str = "completion";
const CONTROL_GROUP: &str = "completion-control";

/// What completion and its commands stand on.
#[derive(Clone)]
pub struct CompletionPorts {
    /// Reads `campaign.progress` and `campaign.control`; writes `receipts`, `campaign.control`, `campaign.events`.
    pub log: Arc<dyn Log>,
    /// Campaigns, chunks, ledgers.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for CompletionPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompletionPorts")
    }
}

/// Ends campaigns.
#[derive(Debug)]
pub struct Completion {
    ports: CompletionPorts,
    options: CompletionOptions,
}

impl Completion {
    /// A processor; nothing happens before [`Completion::run`].
    pub fn new(ports: CompletionPorts, options: CompletionOptions) -> Self {
        Self { ports, options }
    }

    /// Runs until it is stopped. Dropping the future at any point is a crash; several processes may run it.
    ///
    /// # Errors
    /// When the log or the storage fails; a store that does not answer is asked again instead.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), CompletionError> {
        let mut progress = self.ports.log.join(PROGRESS_GROUP, Topic::Progress).await?;
        let mut control = self.ports.log.join(CONTROL_GROUP, Topic::Control).await?;
        let every = Duration::from_millis(self.options.sweep_ms.max(1));
        let mut sweep = tokio::time::interval_at(Instant::now() + every, every);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut worker = Worker {
            looks: Looks::new(self.options.chunks_max, Duration::from_millis(self.options.settle_ms)),
            ports: self.ports,
            options: self.options,
            due: BTreeMap::new(),
            heard: Default::default(),
        };
        worker.sweep().await?;
        loop {
            let next = worker.due.values().min().copied();
            tokio::select! {
                biased;
                () = shutdown.stopping() => {
                    worker.commit(0, &*progress.committer).await?;
                    return worker.commit(1, &*control.committer).await;
                }
                _ = sweep.tick() => {
                    worker.sweep().await?;
                    worker.commit(0, &*progress.committer).await?;
                    worker.commit(1, &*control.committer).await?;
                }
                () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    worker.look_at_due().await?;
                }
                delivery = progress.deliveries.next() => {
                    worker.take(0, delivery?, &*progress.committer).await?;
                }
                delivery = control.deliveries.next() => {
                    worker.take(1, delivery?, &*control.committer).await?;
                }
            }
        }
    }
}

struct Worker {
    ports: CompletionPorts,
    options: CompletionOptions,
    looks: Looks,
    /// Whom to look at, and when at the earliest.
    due: BTreeMap<CampaignId, Instant>,
    /// Positions to commit, of progress and of control. What was heard is only a hint, so they follow at leisure.
    heard: [BTreeMap<Partition, Position>; 2],
}

impl Worker {
    fn look_soon(&mut self, campaign: CampaignId) {
        self.due
            .entry(campaign)
            .or_insert_with(|| Instant::now() + Duration::from_millis(self.options.look_ms));
    }

    async fn take(
        &mut self,
        source: usize,
        delivery: Delivery,
        committer: &dyn Committer,
    ) -> Result<(), CompletionError> {
        match delivery {
            Delivery::Assigned { .. } => {}
            Delivery::Records { partition, records } => {
                for record in &records {
                    // A hint that can't be read costs a few seconds at most: the sweep looks anyway.
                    match source {
                        0 => match decode::<CampaignProgress>(&record.value) {
                            Ok(progress) => self.progress(&progress),
                            Err(error) => tracing::warn!(%error, "progress can't be read"),
                        },
                        _ => match decode::<CampaignControl>(&record.value) {
                            Ok(control) => self.look_soon(CampaignId(*control.campaign)),
                            Err(error) => tracing::warn!(%error, "control can't be read"),
                        },
                    }
                }
                if let Some(last) = records.last() {
                    self.heard[source].insert(partition, last.offset.next());
                }
            }
            Delivery::Revoking { partitions, done } => {
                self.commit(source, committer).await?;
                self.heard[source].retain(|partition, _| !partitions.contains(partition));
                drop(done);
            }
            Delivery::Lost { partitions } => {
                self.heard[source].retain(|partition, _| !partitions.contains(partition));
            }
        }
        Ok(())
    }

    fn progress(&mut self, progress: &CampaignProgress) {
        let chunk = ChunkId(*progress.chunk);
        let is_done = progress.size > 0 && progress.terminal >= progress.size;
        if self.looks.watched.note(chunk, is_done) || self.looks.finalizer.is_at(chunk.campaign()) {
            self.look_soon(chunk.campaign());
        }
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
                    error.is_retriable()
                }
            };
            if again {
                self.due.insert(campaign, Instant::now() + Duration::from_millis(self.options.again_ms));
            }
        }
        Ok(())
    }

    /// Looks at every campaign that is not at its end, and at those whose end nobody may have heard of.
    async fn sweep(&mut self) -> Result<(), CompletionError> {
        let rows = match self.ports.store.campaigns().await {
            Ok(rows) => rows,
            Err(error) => {
                let error = CompletionError::from(error);
                if error.is_fatal() {
                    return Err(error);
                }
                tracing::warn!(%error, "can't look at the campaigns now");
                return Ok(());
            }
        };
        let now = Instant::now();
        for row in rows {
            if !row.state.is_ended() || is_due(&row) {
                self.due.insert(row.id, now);
            }
        }
        self.look_at_due().await
    }

    async fn commit(&mut self, source: usize, committer: &dyn Committer) -> Result<(), CompletionError> {
        for (partition, position) in std::mem::take(&mut self.heard[source]) {
            match committer.commit(partition, position).await {
                Ok(()) | Err(LogError::Fenced { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
