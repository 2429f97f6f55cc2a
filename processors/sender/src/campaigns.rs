//! Campaigns as one page needs them: their rows, compiled messages and gates.

use crate::rows::CampaignRows;
use sluice_core::gate::{CampaignGate, Verdict, Waits};
use sluice_core::gcra::Gcra;
use sluice_core::{CampaignId, CampaignRow, CampaignState, PageId};
use sluice_runtime::ports::messages::{MessagePlan, Messages};
use sluice_runtime::ports::store::StoreError;
use sluice_schemas::{Channel, GateClass};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A campaign as it is sent from one page.
pub(crate) struct Campaign {
    pub(crate) row: Arc<CampaignRow>,
    pub(crate) plan: Arc<dyn MessagePlan>,
    pub(crate) gate: CampaignGate,
    /// The page's share of the campaign's limit.
    pub(crate) gcra: Option<Gcra>,
    /// What the gate said of each class, from when on and until when it says so.
    verdicts: BTreeMap<Arc<GateClass>, (i64, i64, Verdict)>,
}

/// Why a campaign can't be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CampaignProblem {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing of it is to be sent: it is unknown or has ended.
    #[error("not running")]
    NotRunning,
    /// Nothing of it is to be sent, and what was claimed is to be settled.
    #[error("being cancelled")]
    Cancelling {
        /// Says which limit the page has.
        channel: Channel,
        /// Whether webhooks may still settle what was claimed.
        settles_by_webhook: bool,
    },
    /// Configuration is missing or wrong; a person has to act.
    #[error("{0}")]
    Configuration(String),
}

impl Campaign {
    /// Reads the row and compiles the message (hazard 4: only a campaign that runs, or is paused, is opened). Nobody is
    /// called for it before `empty_bucket_at` and an interval of its limit; in a later run also not before `now` and an
    /// interval, because the run before may have ended a moment ago (G4).
    pub(crate) async fn open(
        rows: &CampaignRows,
        messages: &dyn Messages,
        id: CampaignId,
        page: &PageId,
        empty_bucket_at: Duration,
        now: Duration,
    ) -> Result<Self, CampaignProblem> {
        let row = rows.read(id).await?.ok_or(CampaignProblem::NotRunning)?;
        if row.state == CampaignState::Cancelling {
            let plan = messages.plan(&row.launch, page);
            return Err(CampaignProblem::Cancelling {
                channel: row.launch.channel,
                settles_by_webhook: plan.map_or(true, |plan| plan.correlation().settles_by_webhook),
            });
        }
        if !is_kept(row.state) {
            return Err(CampaignProblem::NotRunning);
        }
        let plan = messages.plan(&row.launch, page).map_err(|problem| {
            CampaignProblem::Configuration(format!("{}. {}", problem.message, problem.actionable))
        })?;
        let gate = gate(&row, page).map_err(CampaignProblem::Configuration)?;
        let empty_at = if row.run > 1 { empty_bucket_at.max(now) } else { empty_bucket_at };
        let gcra = gate.rate.map(|rate| Gcra::empty(rate, empty_at));
        Ok(Self { row, plan, gate, gcra, verdicts: BTreeMap::new() })
    }

    /// Its row has changed: other limits hold from now on, and are not exceeded while they change (G4).
    ///
    /// # Errors
    /// What is wrong with its terms; the former ones hold then.
    pub(crate) fn renew(
        &mut self,
        row: Arc<CampaignRow>,
        page: &PageId,
        now: Duration,
    ) -> Result<(), String> {
        let renewed = gate(&row, page);
        self.gate = renewed.clone().unwrap_or_else(|_| self.gate.in_state(row.state));
        self.row = row;
        self.verdicts.clear();
        Gcra::replace(&mut self.gcra, self.gate.rate, now);
        renewed.map(drop)
    }

    /// What the gate says of a class.
    pub(crate) fn verdict(&mut self, class: &Arc<GateClass>, now_ms: i64) -> Verdict {
        if let Some((from, until, verdict)) = self.verdicts.get(class)
            && (*from..*until).contains(&now_ms)
        {
            return *verdict;
        }
        let verdict = self.gate.verdict(class, now_ms);
        let turns = match verdict {
            Ok(closes_ms) => closes_ms,
            Err(Waits::Window { opens_ms }) => opens_ms,
            Err(Waits::State(_) | Waits::Ended) => None,
        };
        self.verdicts.insert(class.clone(), (now_ms, turns.unwrap_or(i64::MAX), verdict));
        verdict
    }

    /// When a class that was asked for turns next, in ms since 1970.
    pub(crate) fn next_turn_ms(&self, now_ms: i64) -> Option<i64> {
        self.verdicts.values().map(|(_, until, _)| *until).filter(|until| *until > now_ms).min()
    }
}

/// Whether a page keeps what it has of a campaign in this state.
pub(crate) fn is_kept(state: CampaignState) -> bool {
    state.goes_on()
}

fn gate(row: &CampaignRow, page: &PageId) -> Result<CampaignGate, String> {
    let position = row.launch.pages.iter().position(|known| known == page.as_str()).unwrap_or(0);
    CampaignGate::of(row, position).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("rules of the campaign: {}", problems.join("; "))
    })
}
