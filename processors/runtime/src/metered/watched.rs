//! What passes through the store about campaigns and grants.

use crate::metrics::Metrics;
use crate::metrics::campaigns::{CampaignMetrics, EndState, LaunchResult, OpenState, RowKind};
use crate::metrics::grants::{GrantMetrics, GrantResult, TakenFrom};
use crate::ports::store::{Created, ExpansionLease, Granted, Predecessor, Taken};
use sluice_core::{CampaignId, CampaignRow, CampaignState, ChunkRow};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Expansions remembered at most: those that were given up are never sealed.
const EXPANSIONS_MAX: usize = 1_024;

/// An expansion that this process has leased.
#[derive(Debug, Clone, Copy)]
struct Expansion {
    created_at_ms: i64,
    has_chunks: bool,
}

/// Counts campaigns and grants.
#[derive(Debug)]
pub(super) struct Watched {
    campaigns: CampaignMetrics,
    grants: GrantMetrics,
    expansions: Mutex<BTreeMap<CampaignId, Expansion>>,
}

impl Watched {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self {
            campaigns: CampaignMetrics::new(metrics),
            grants: GrantMetrics::new(metrics),
            expansions: Mutex::default(),
        }
    }

    pub(super) fn created(&self, created: &Created) {
        let result = match created {
            Created::New(_) => LaunchResult::New,
            Created::Existing(_) => LaunchResult::Existing,
        };
        self.campaigns.launches.at([result as usize]).inc();
    }

    /// All campaigns, or all that are not finished.
    pub(super) fn listed(&self, rows: &[CampaignRow]) {
        let mut counts = [0_u64; 6];
        for row in rows.iter().filter(|row| row.is_unfinished()) {
            let state = match row.state {
                CampaignState::Scheduled => OpenState::Scheduled,
                CampaignState::Paused => OpenState::Paused,
                CampaignState::Running if row.seal.is_none() => OpenState::Expanding,
                CampaignState::Running => OpenState::Sending,
                CampaignState::Cancelling => OpenState::Cancelling,
                CampaignState::Completed | CampaignState::Cancelled | CampaignState::Failed => {
                    OpenState::Ending
                }
            };
            counts[state as usize] += 1;
        }
        for (place, count) in counts.into_iter().enumerate() {
            self.campaigns.unfinished.at([place]).set(count as f64);
        }
    }

    pub(super) fn leased(&self, lease: &ExpansionLease) {
        let mut expansions = self.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        if expansions.len() >= EXPANSIONS_MAX {
            expansions.clear();
        }
        let expansion =
            Expansion { created_at_ms: lease.row.created_at_ms, has_chunks: !lease.chunks.is_empty() };
        expansions.insert(lease.row.id, expansion);
    }

    pub(super) fn committed(&self, row: &ChunkRow, now_ms: i64) {
        let metrics = &self.campaigns;
        metrics.chunks.at([]).inc();
        metrics
            .expanded
            .at([RowKind::Sendable as usize])
            .inc_by(u64::from(row.size.saturating_sub(row.skipped)));
        metrics.expanded.at([RowKind::Skipped as usize]).inc_by(u64::from(row.skipped));
        let mut expansions = self.expansions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(expansion) = expansions.get_mut(&row.id.campaign())
            && !std::mem::replace(&mut expansion.has_chunks, true)
        {
            metrics.first_chunk_seconds.at([]).observe(seconds_between(expansion.created_at_ms, now_ms));
        }
    }

    pub(super) fn sealed(&self, id: CampaignId, now_ms: i64) {
        let expansion = self.expansions.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(expansion) = expansion {
            let seconds = seconds_between(expansion.created_at_ms, now_ms);
            self.campaigns.expansion_seconds.at([]).observe(seconds);
        }
    }

    /// A campaign made a step.
    pub(super) fn stepped(&self, row: &CampaignRow, now_ms: i64) {
        let state = match row.state {
            CampaignState::Completed => EndState::Completed,
            CampaignState::Cancelled => EndState::Cancelled,
            CampaignState::Failed => EndState::Failed,
            CampaignState::Scheduled
            | CampaignState::Running
            | CampaignState::Paused
            | CampaignState::Cancelling => return,
        };
        self.campaigns.ended.at([state as usize]).inc();
        // A later run says nothing about how long the audience took.
        if row.run == 1 {
            let seconds = seconds_between(row.created_at_ms, now_ms);
            self.campaigns.campaign_seconds.at([]).observe(seconds);
        }
    }

    pub(super) fn announced(&self) {
        self.campaigns.announced.at([]).inc();
    }

    pub(super) fn granted(&self, granted: &Granted) {
        let result = match granted {
            Granted::Yes(_) => GrantResult::Granted,
            Granted::No(_) => GrantResult::Refused,
        };
        self.grants.grants.at([result as usize]).inc();
    }

    pub(super) fn taken(&self, taken: &Taken) {
        let from = match taken.predecessor {
            Predecessor::HandedOver => TakenFrom::HandedOver,
            Predecessor::Gone => TakenFrom::Gone,
            Predecessor::MayRun => TakenFrom::MayRun,
        };
        self.grants.takes.at([from as usize]).inc();
    }

    pub(super) fn released(&self) {
        self.grants.releases.at([]).inc();
    }
}

/// Between two times of walls' clocks, which may disagree.
fn seconds_between(from_ms: i64, to_ms: i64) -> f64 {
    to_ms.saturating_sub(from_ms).max(0) as f64 / 1_000.0
}
