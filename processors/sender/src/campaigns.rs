//! Campaign rows and compiled messages, as one page needs them.

use sluice_core::gcra::Gcra;
use sluice_core::rate::Rate;
use sluice_core::{CampaignId, CampaignRow, CampaignState, PageId};
use sluice_runtime::ports::messages::{MessagePlan, Messages};
use sluice_runtime::ports::store::{Store, StoreError};
use sluice_schemas::Channel;
use std::sync::Arc;

/// A campaign ready to be sent from one page.
pub(crate) struct Campaign {
    pub(crate) row: CampaignRow,
    pub(crate) plan: Arc<dyn MessagePlan>,
    /// The page's share of the campaign's limit.
    pub(crate) gcra: Option<Gcra>,
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
    /// Reads the row and compiles the message (hazard 4: only a running campaign is opened).
    pub(crate) async fn open(
        store: &dyn Store,
        messages: &dyn Messages,
        id: CampaignId,
        page: &PageId,
        empty_bucket_at: std::time::Duration,
    ) -> Result<Self, CampaignProblem> {
        let row = store.campaign(id).await?.ok_or(CampaignProblem::NotRunning)?;
        if row.state == CampaignState::Cancelling {
            let plan = messages.plan(&row.launch, page);
            return Err(CampaignProblem::Cancelling {
                channel: row.launch.channel,
                settles_by_webhook: plan.map_or(true, |plan| plan.correlation().settles_by_webhook),
            });
        }
        if !row.state.may_send() {
            return Err(CampaignProblem::NotRunning);
        }
        let plan = messages.plan(&row.launch, page).map_err(|problem| {
            CampaignProblem::Configuration(format!("{}. {}", problem.message, problem.actionable))
        })?;
        let gcra = share(&row, page)?.map(|rate| Gcra::empty(rate, empty_bucket_at));
        Ok(Self { row, plan, gcra })
    }
}

/// The page's share of the campaign's limit (hazard 9).
fn share(row: &CampaignRow, page: &PageId) -> Result<Option<Rate>, CampaignProblem> {
    let Some(text) = &row.launch.rate else { return Ok(None) };
    let rate: Rate = text
        .parse()
        .map_err(|problem| CampaignProblem::Configuration(format!("rate of the campaign: {problem}")))?;
    let pages = &row.launch.pages;
    let position = pages.iter().position(|known| known == page.as_str()).unwrap_or(0);
    rate.share(position, pages.len()).map(Some).ok_or_else(|| {
        CampaignProblem::Configuration(format!("rate {rate} is too small for {} pages", pages.len()))
    })
}
