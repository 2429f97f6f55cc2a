//! A process that sends some campaigns only: others in the same directory wait for their own command, which may
//! mean another provider.

use sluice_core::rate::{PerDay, Rate};
use sluice_core::{CampaignId, PageId};
use sluice_runtime::ports::messages::{MessagePlan, Messages, PlanProblem};
use sluice_schemas::{CampaignLaunch, Channel};
use std::sync::Arc;

/// Compiles the messages of some campaigns.
pub(super) struct Only {
    inner: Arc<dyn Messages>,
    campaigns: Vec<CampaignId>,
}

impl Only {
    pub(super) fn new(inner: Arc<dyn Messages>, campaigns: Vec<CampaignId>) -> Self {
        Self { inner, campaigns }
    }
}

impl Messages for Only {
    fn plan(&self, launch: &CampaignLaunch, page: &PageId) -> Result<Arc<dyn MessagePlan>, PlanProblem> {
        if self.campaigns.contains(&CampaignId::of(&launch.tenant, &launch.campaign)) {
            return self.inner.plan(launch, page);
        }
        Err(PlanProblem {
            message: "another command sends this campaign".to_owned(),
            actionable: format!("run `sluice send` with the launch of {} to go on with it", launch.campaign),
        })
    }

    fn page_rate(&self, channel: Channel, page: &PageId) -> Option<Rate> {
        self.inner.page_rate(channel, page)
    }

    fn page_daily(&self, channel: Channel, page: &PageId) -> Option<PerDay> {
        self.inner.page_daily(channel, page)
    }
}
