//! The life of a campaign.
//!
//! ```text
//!            ┌────────── retry failed ◄─────────┐
//!            ▼                                  │
//!  launch ► running ──── all terminal ────► completed
//!            │    └───── no way to expand ► failed
//!            └─ cancel ► cancelling ──────► cancelled
//! ```

use crate::ids::{CampaignId, ChunkId, PageId};
use serde::{Deserialize, Serialize};
use sluice_schemas::{CampaignEventKind, CampaignLaunch, GateClass, Span};

/// Where a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignState {
    /// Expanding or sending.
    Running,
    /// Nothing more is granted; what is out is settled.
    Cancelling,
    /// Every recipient is in a final state.
    Completed,
    /// Ended by a person before its time.
    Cancelled,
    /// It could not be expanded; the reason says why.
    Failed,
}

impl CampaignState {
    /// The word used in the CLI, the API, metrics and dashboards.
    pub fn as_str(self) -> &'static str {
        match self {
            CampaignState::Running => "running",
            CampaignState::Cancelling => "cancelling",
            CampaignState::Completed => "completed",
            CampaignState::Cancelled => "cancelled",
            CampaignState::Failed => "failed",
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_ended(self) -> bool {
        matches!(self, CampaignState::Completed | CampaignState::Cancelled | CampaignState::Failed)
    }

    /// Whether sends may be granted (hazard 4: a lane opens only if the row says so).
    pub fn may_send(self) -> bool {
        self == CampaignState::Running
    }

    /// Whether the step is one of those drawn above.
    pub fn may_become(self, next: CampaignState) -> bool {
        use CampaignState::{Cancelled, Cancelling, Completed, Failed, Running};
        matches!(
            (self, next),
            (Running, Cancelling | Completed | Failed) | (Cancelling, Cancelled) | (Completed, Running)
        )
    }

    /// What downstream systems are told when a campaign gets here.
    pub fn event(self) -> Option<CampaignEventKind> {
        match self {
            CampaignState::Running => Some(CampaignEventKind::Started),
            CampaignState::Cancelling => None,
            CampaignState::Completed => Some(CampaignEventKind::Completed),
            CampaignState::Cancelled => Some(CampaignEventKind::Cancelled),
            CampaignState::Failed => Some(CampaignEventKind::Failed),
        }
    }
}

/// What an expansion made in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Committed chunks.
    pub chunks: u32,
    /// Rows of the audience: those in chunks and those counted only because the campaign was cancelled.
    pub total: u64,
    /// Rows that are in no chunk because the campaign was cancelled before they were expanded.
    pub not_expanded: u64,
}

/// A campaign as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CampaignRow {
    /// Derived from tenant and name.
    pub id: CampaignId,
    /// As validated.
    pub launch: CampaignLaunch,
    /// Where it is.
    pub state: CampaignState,
    /// From 1; another with every retry of failed recipients.
    pub run: u32,
    /// Of the expansion: the fence against a former expander.
    pub exp_epoch: u32,
    /// Size and digest of the audience; a changed one is refused.
    pub source_pin: Option<String>,
    /// Set when the expansion is complete.
    pub seal: Option<Seal>,
    /// ms since 1970.
    pub created_at_ms: i64,
    /// ms since 1970.
    pub ended_at_ms: Option<i64>,
    /// Why it failed or was cancelled.
    pub reason: Option<String>,
    /// Id of the newest event that is durable in `campaign.events`; the transition's own event is
    /// produced again until it stands here (hazard 22).
    pub announced: Option<String>,
}

impl CampaignRow {
    /// A campaign that has just been launched.
    pub fn launched(launch: CampaignLaunch, now_ms: i64) -> Self {
        Self {
            id: CampaignId::of(&launch.tenant, &launch.campaign),
            launch,
            state: CampaignState::Running,
            run: 1,
            exp_epoch: 0,
            source_pin: None,
            seal: None,
            created_at_ms: now_ms,
            ended_at_ms: None,
            reason: None,
            announced: None,
        }
    }

    /// Whether something is still to be done for it: it goes on, or nobody was told of its end yet.
    pub fn is_unfinished(&self) -> bool {
        let told = self.announced.as_ref().is_some_and(|event| *event == self.event_id());
        !self.state.is_ended() || !told
    }

    /// The deterministic id of the event that belongs to the present state: the same transition, the same id.
    pub fn event_id(&self) -> String {
        format!("{}-{}-{}", self.id, self.run, self.state.as_str())
    }
}

/// A committed chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRow {
    /// Its name.
    pub id: ChunkId,
    /// The page that sends it.
    pub page: PageId,
    /// Rows, skipped ones included.
    pub size: u32,
    /// Position of its first row among the rows of its class, in source order. A second expansion
    /// passes over the committed prefix of each class and can't give a row to two chunks (hazard 1).
    pub first_in_class: u64,
    /// Partition of `sends` and `chunks`.
    pub shard: u32,
    /// Offsets in that partition of `sends`.
    pub spans: Vec<Span>,
    /// Rows of it that are never sent.
    pub skipped: u32,
    /// What its gate looks at besides page and campaign.
    #[serde(default)]
    pub class: GateClass,
}

#[cfg(test)]
mod tests {
    use super::*;
    use CampaignState::*;

    #[test]
    fn only_the_drawn_transitions_are_possible() {
        let all = [Running, Cancelling, Completed, Cancelled, Failed];
        let possible: Vec<_> = all
            .iter()
            .flat_map(|from| all.iter().filter(|to| from.may_become(**to)).map(move |to| (*from, *to)))
            .collect();
        assert_eq!(
            possible,
            [
                (Running, Cancelling),
                (Running, Completed),
                (Running, Failed),
                (Cancelling, Cancelled),
                (Completed, Running)
            ]
        );
    }
}
