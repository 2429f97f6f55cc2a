//! Hears of progress and commands; the looker does what is to be done about them.

use crate::error::CompletionError;
use crate::found::StalledCampaigns;
use crate::looker::{Hint, Looker, Owned};
use crate::metrics::CompletionStats;
use crate::options::CompletionOptions;
use sluice_core::{CampaignId, ChunkId};
use sluice_runtime::ports::log::{Delivery, Log, LogError, Membership, Partition, Position, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::{CampaignControl, CampaignProgress, decode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time::{Instant, MissedTickBehavior};

const PROGRESS_GROUP: &str = "completion";
const CONTROL_GROUP: &str = "completion-control";

/// Hints that wait for the looker at most.
const HINTS_WAITING_MAX: usize = 4_096;

/// How long the last commit may take when the process stops.
const LAST_COMMIT: Duration = Duration::from_secs(2);

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
    stalled: StalledCampaigns,
    stats: Arc<CompletionStats>,
}

impl Completion {
    /// A processor; nothing happens before [`Completion::run`].
    pub fn new(ports: CompletionPorts, options: CompletionOptions) -> Self {
        Self { ports, options, stalled: StalledCampaigns::default(), stats: Arc::default() }
    }

    /// The stalled campaigns that it finds.
    pub fn stalled(&self) -> StalledCampaigns {
        self.stalled.clone()
    }

    /// What it does.
    pub fn stats(&self) -> Arc<CompletionStats> {
        self.stats.clone()
    }

    /// Runs until it is stopped. Dropping the future at any point is a crash; several processes may run it.
    ///
    /// # Errors
    /// When the log or the storage fails; a store that does not answer is asked again instead.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), CompletionError> {
        let joined = async {
            let progress = self.ports.log.join(PROGRESS_GROUP, Topic::Progress).await?;
            Ok::<_, LogError>((progress, self.ports.log.join(CONTROL_GROUP, Topic::Control).await?))
        };
        let (progress, control) = tokio::select! {
            biased;
            () = shutdown.stopping() => return Ok(()),
            joined = joined => joined?,
        };
        let (sender, hints) = channel(HINTS_WAITING_MAX);
        let every = Duration::from_millis(self.options.sweep_ms.max(1));
        let owned = Owned::default();
        let mut ears = [
            Ear { membership: progress, source: Source::Progress, heard: BTreeMap::new() },
            Ear { membership: control, source: Source::Control, heard: BTreeMap::new() },
        ];
        let looker = Looker::new(self.ports, self.options, owned.clone(), (self.stalled, self.stats));
        // Looks wait for the store, at times for long; hearing never does, so that partitions can be given away.
        {
            let [progress, control] = &mut ears;
            tokio::select! {
                biased;
                () = shutdown.stopping() => {}
                ended = progress.hear(&sender, &owned, every) => return ended,
                ended = control.hear(&sender, &owned, every) => return ended,
                ended = looker.run(hints) => return ended,
            }
        }
        let commits = async {
            for ear in &mut ears {
                ear.commit().await?;
            }
            Ok(())
        };
        // Only hints: where the log is away, they are heard once more.
        tokio::time::timeout(LAST_COMMIT, commits).await.unwrap_or(Ok(()))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Progress,
    Control,
}

/// One group membership.
struct Ear {
    membership: Membership,
    source: Source,
    /// Positions to commit. What was heard is only a hint, so they follow at leisure.
    heard: BTreeMap<Partition, Position>,
}

impl Ear {
    async fn hear(
        &mut self,
        hints: &Sender<Hint>,
        owned: &Owned,
        commit_every: Duration,
    ) -> Result<(), CompletionError> {
        let mut tick = tokio::time::interval_at(Instant::now() + commit_every, commit_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = tick.tick() => self.commit().await?,
                delivery = self.membership.deliveries.next() => self.take(delivery?, hints, owned).await?,
            }
        }
    }

    async fn take(
        &mut self,
        delivery: Delivery,
        hints: &Sender<Hint>,
        owned: &Owned,
    ) -> Result<(), CompletionError> {
        let is_progress = self.source == Source::Progress;
        match delivery {
            Delivery::Assigned { partition, .. } => {
                if is_progress {
                    owned.with(|owned| owned.insert(partition));
                    tell(hints, Hint::Assigned);
                }
            }
            Delivery::Records { partition, records } => {
                for record in &records {
                    // One that can't be read costs a few seconds at most: the sweep looks anyway.
                    let hint = if is_progress { progress(&record.value) } else { moved(&record.value) };
                    hint.into_iter().for_each(|hint| tell(hints, hint));
                }
                if let Some(last) = records.last() {
                    self.heard.insert(partition, last.offset.next());
                }
            }
            Delivery::Revoking { partitions, done } => {
                self.forget(&partitions, owned);
                self.commit().await?;
                self.heard.retain(|partition, _| !partitions.contains(partition));
                drop(done);
            }
            Delivery::Lost { partitions } => {
                self.forget(&partitions, owned);
                self.heard.retain(|partition, _| !partitions.contains(partition));
            }
        }
        Ok(())
    }

    fn forget(&self, partitions: &[Partition], owned: &Owned) {
        if self.source == Source::Progress {
            owned.with(|owned| owned.retain(|partition| !partitions.contains(partition)));
        }
    }

    async fn commit(&mut self) -> Result<(), CompletionError> {
        for (partition, position) in std::mem::take(&mut self.heard) {
            match self.membership.committer.commit(partition, position).await {
                Ok(()) | Err(LogError::Fenced { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Beyond what may wait, the next sweep finds out by itself.
fn tell(hints: &Sender<Hint>, hint: Hint) {
    hints.try_send(hint).ok();
}

fn progress(value: &[u8]) -> Option<Hint> {
    match decode::<CampaignProgress>(value) {
        Ok(progress) => {
            let is_done = progress.size > 0 && progress.terminal >= progress.size;
            Some(Hint::Progress(ChunkId(*progress.chunk), is_done))
        }
        Err(error) => {
            tracing::warn!(%error, "progress can't be read");
            None
        }
    }
}

fn moved(value: &[u8]) -> Option<Hint> {
    match decode::<CampaignControl>(value) {
        Ok(control) => Some(Hint::Moved(CampaignId(*control.campaign))),
        Err(error) => {
            tracing::warn!(%error, "control can't be read");
            None
        }
    }
}
