//! Every unfinished campaign: waiting, active or deferred, and why; and how those before ended (F7).

use super::lag::Lag;
use super::sight::Sight;
use crate::campaign::status::CampaignStatus;
use crate::error::Outcome;
use serde::{Deserialize, Serialize};
use sluice_core::{CampaignRow, CampaignState};

/// Where a campaign is in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// It sends, or is being cancelled and does not only wait for webhooks or for a process.
    Active,
    /// It has not begun: its start lies ahead, or nothing of its audience is read yet.
    Waiting,
    /// It has begun, and something holds all of it.
    Deferred,
    /// Everybody has an outcome.
    Completed,
    /// It was ended before everybody was called.
    Cancelled,
    /// It could not be expanded.
    Failed,
}

impl Place {
    /// The word used in the CLI and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Place::Active => "active",
            Place::Waiting => "waiting",
            Place::Deferred => "deferred",
            Place::Completed => "completed",
            Place::Cancelled => "cancelled",
            Place::Failed => "failed",
        }
    }

    fn of(status: &CampaignStatus, is_held: bool) -> Self {
        match status.state {
            CampaignState::Completed => Place::Completed,
            CampaignState::Cancelled => Place::Cancelled,
            CampaignState::Failed => Place::Failed,
            CampaignState::Scheduled => Place::Waiting,
            CampaignState::Running if status.recipients == 0 && !status.expanded => Place::Waiting,
            CampaignState::Cancelling if status.all_unanswered().is_none() && !status.waits_for_nobody() => {
                Place::Active
            }
            _ if is_held => Place::Deferred,
            _ => Place::Active,
        }
    }
}

/// A campaign in the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Its name.
    pub campaign: String,
    /// Whose it is.
    pub tenant: String,
    /// Where it is in the queue.
    pub place: Place,
    /// Where it is in its life.
    pub state: CampaignState,
    /// Rows of the audience, as far as it is read.
    pub recipients: u64,
    /// Those that need nothing any more.
    pub done: u64,
    /// What holds it, in the sentence of `sluice explain`; of an active one how far it is.
    pub why: String,
}

/// How many campaigns have ended, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Everybody had an outcome.
    pub completed: u64,
    /// Ended before everybody was called.
    pub cancelled: u64,
    /// Could not be expanded.
    pub failed: u64,
}

impl Ended {
    fn of<'a>(rows: impl IntoIterator<Item = &'a CampaignRow>) -> Self {
        let mut ended = Self::default();
        for row in rows {
            match row.state {
                CampaignState::Completed => ended.completed += 1,
                CampaignState::Cancelled => ended.cancelled += 1,
                CampaignState::Failed => ended.failed += 1,
                _ => {}
            }
        }
        ended
    }
}

/// Ended campaigns that are told one by one: who looks for an older one knows its name.
const ENDED_TOLD: usize = 10;

/// The queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Unfinished campaigns: active, waiting, deferred; oldest first.
    pub campaigns: Vec<Queued>,
    /// All that have ended.
    #[serde(default)]
    pub ended: Ended,
    /// Those that ended last, the latest first.
    #[serde(default)]
    pub last_ended: Vec<Queued>,
    /// What waits in the log, by topic.
    pub lags: Vec<Lag>,
}

/// One campaign of it.
pub fn queued(status: &CampaignStatus, now_ms: i64) -> Queued {
    let held = status.held(now_ms);
    Queued {
        campaign: status.campaign.clone(),
        tenant: status.tenant.clone(),
        place: Place::of(status, held.is_some()),
        state: status.state,
        recipients: status.recipients,
        done: status.done(),
        why: held.unwrap_or_else(|| status.sentence()),
    }
}

/// Looks at all of it.
pub async fn queue(sight: &Sight) -> Outcome<Queue> {
    sight.look_who_works().await;
    let mut campaigns = Vec::new();
    for row in sight.unfinished().await? {
        let stored = sight.read(&row).await?;
        campaigns.push(queued(&sight.status(&stored), sight.now_ms));
    }
    // Stable: oldest first within a place.
    campaigns.sort_by_key(|queued| queued.place);
    let (rows, mut last_ended) = (sight.ended().await?, Vec::new());
    for row in rows.iter().take(ENDED_TOLD) {
        last_ended.push(queued(&sight.status(&sight.read(row).await?), sight.now_ms));
    }
    Ok(Queue { campaigns, ended: Ended::of(&rows), last_ended, lags: sight.lags().await? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::gates::GateLine;
    use crate::campaign::status::derived;
    use crate::campaign::stored::tests::{row, stored};

    #[test]
    fn f7_c5_a_cancelled_campaign_that_waits_for_webhooks_alone_is_deferred() {
        let row = CampaignRow { state: CampaignState::Cancelling, ..row("null", "{}") };
        let mut status = derived(&stored(row, &[("a", 9)]), 5);
        let mut of = |holds| {
            status.gates.retain(|line| line.gate != "webhooks");
            let (gate, says) = ("webhooks".to_owned(), String::new());
            status.gates.push(GateLine { gate, says, holds, until_ms: Some(9), frees: None, zone: None });
            queued(&status, 5).place
        };
        assert_eq!((of(8), of(9)), (Place::Active, Place::Deferred));
    }

    #[test]
    fn f7_those_that_have_ended_are_counted_by_how() {
        let of = |state| CampaignRow { state, ..row("null", "{}") };
        let rows = [CampaignState::Completed, CampaignState::Failed, CampaignState::Completed].map(of);
        assert_eq!(Ended::of(&rows), Ended { completed: 2, cancelled: 0, failed: 1 });
        let failed = CampaignRow { reason: Some("no such file".to_owned()), ..of(CampaignState::Failed) };
        let failed = queued(&derived(&stored(failed, &[]), 5), 5);
        assert_eq!((failed.place, failed.why.as_str()), (Place::Failed, "spring failed: no such file"));
    }

    #[test]
    fn f7_a_campaign_is_active_waiting_or_deferred_and_says_why() {
        let of = |row: CampaignRow, waiting: &[(&str, u32)]| queued(&derived(&stored(row, waiting), 5), 5);
        let active = of(row("null", "{}"), &[("a", 9)]);
        assert_eq!(active.place, Place::Active);
        assert_eq!(active.why, "spring is running: 0 of 9 done, its audience is still being read.");
        let paused = of(CampaignRow { state: CampaignState::Paused, ..row("null", "{}") }, &[("a", 9)]);
        assert_eq!(paused.place, Place::Deferred);
        assert_eq!(paused.why, "spring is paused; to go on: sluice campaign resume spring. 0 of 9 done.");
        let mut alone = derived(&stored(row("null", "{}"), &[("a", 9)]), 5);
        alone.add_nobody();
        let alone = queued(&alone, 5);
        assert_eq!(alone.place, Place::Deferred);
        assert_eq!(alone.why, "spring stands still: nobody works on it; to go on: sluice run. 0 of 9 done.");
        let later = CampaignRow::scheduled(row("null", "{}").launch, 0, 1_000);
        assert_eq!(
            (of(later, &[]).place, of(row("null", "{}"), &[]).place),
            (Place::Waiting, Place::Waiting)
        );
    }
}
