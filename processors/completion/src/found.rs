//! Campaigns that were found standing still without a reason: each is told once, until it goes on.

use crate::metrics::CompletionStats;
use sluice_core::{CampaignId, CampaignRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

sluice_runtime::label_words! {
    /// Why a campaign stands still, as far as is known.
    Cause, CAUSES:
    Lost = "lost",
    NoSender = "no_sender",
    NoExpander = "no_expander",
    Audience = "audience",
    Seal = "seal",
}

impl Cause {
    /// The word of metrics and statuses.
    pub fn as_str(self) -> &'static str {
        CAUSES[self as usize]
    }

    /// What is the matter, and what comes of it.
    fn says(self) -> &'static str {
        match self {
            Self::Lost => "the campaign does not move without a reason: its lost chunks are asked for again",
            Self::NoSender => {
                "the campaign stands still: no process sends for its shards; start one with the role sender"
            }
            Self::NoExpander => {
                "the campaign stands still: no process reads its audience; start one with the role expander"
            }
            Self::Audience => "the campaign stands still: its audience gives nothing; look at its source",
            Self::Seal => "the campaign can't end: its chunks and its seal differ; sluice verify tells where",
        }
    }
}

/// A campaign that stands still without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalled {
    /// When it was found, in ms since 1970.
    pub found_ms: i64,
    /// Since when it stands still, as far as this process has looked, in ms since 1970.
    pub since_ms: i64,
    /// Why, as far as is known.
    pub cause: Cause,
    /// Recipients that wait; of lost chunks those whom nobody would have called; of a seal those by which it differs.
    pub recipients: u64,
}

/// The stalled campaigns that this process has found and that have not moved since.
#[derive(Debug, Clone, Default)]
pub struct StalledCampaigns(Arc<Mutex<BTreeMap<CampaignId, Stalled>>>);

impl StalledCampaigns {
    /// Whether `campaign` is one of them.
    pub fn get(&self, campaign: CampaignId) -> Option<Stalled> {
        self.with(|known| known.get(&campaign).copied())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<CampaignId, Stalled>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Tells of stalled campaigns, and counts them.
#[derive(Debug)]
pub(crate) struct Reports {
    found: StalledCampaigns,
    stats: Arc<CompletionStats>,
}

impl Reports {
    pub(crate) fn new(found: StalledCampaigns, stats: Arc<CompletionStats>) -> Self {
        Self { found, stats }
    }

    /// Tells of it, unless that was done since it moved last.
    pub(crate) fn found(&self, row: &CampaignRow, stalled: Stalled) {
        let is_known = |known: &Stalled| known.cause == stalled.cause;
        if self.found.get(row.id).as_ref().is_some_and(is_known) {
            return;
        }
        self.change(|found| found.insert(row.id, stalled));
        self.stats.stalled.at([stalled.cause as usize]).inc();
        let (campaign, recipients, reason) =
            (&row.launch.campaign, stalled.recipients, stalled.cause.as_str());
        tracing::warn!(%campaign, reason, recipients, since_ms = stalled.since_ms, "{}", stalled.cause.says());
    }

    /// What was told of it, and holds still.
    pub(crate) fn cause(&self, id: CampaignId) -> Option<Cause> {
        self.found.get(id).map(|stalled| stalled.cause)
    }

    /// It moves, or has a reason.
    pub(crate) fn goes_on(&self, row: &CampaignRow) {
        if self.change(|found| found.remove(&row.id)).is_some() {
            tracing::info!(campaign = %row.launch.campaign, "the stalled campaign goes on");
        }
    }

    pub(crate) fn forget(&self, id: CampaignId) {
        self.change(|found| found.remove(&id));
    }

    pub(crate) fn retain(&self, known: &BTreeSet<CampaignId>) {
        self.change(|found| found.retain(|id, _| known.contains(id)));
    }

    /// Records that were produced again.
    pub(crate) fn asked_again(&self, count: u64) {
        self.stats.asked_again.at([]).inc_by(count);
    }

    fn change<T>(&self, act: impl FnOnce(&mut BTreeMap<CampaignId, Stalled>) -> T) -> T {
        let (done, standing) = self.found.with(|found| {
            let done = act(found);
            let count =
                |cause: usize| found.values().filter(|stalled| stalled.cause as usize == cause).count();
            (done, std::array::from_fn::<_, { CAUSES.len() }, _>(count))
        });
        for (cause, count) in standing.into_iter().enumerate() {
            self.stats.standing.at([cause]).set(count as f64);
        }
        done
    }
}
