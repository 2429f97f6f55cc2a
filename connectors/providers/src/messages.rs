//! The port [`Messages`] over the configured pages.

use crate::config::PagesConfig;
use crate::plan::{PagePlan, PlanError};
use sluice_core::PageId;
use sluice_core::rate::{PerDay, Rate};
use sluice_runtime::ports::messages::{MessagePlan, Messages, PlanProblem};
use sluice_schemas::{CampaignLaunch, Channel};
use std::sync::Arc;

/// Compiles messages with the configuration of their pages.
#[derive(Debug, Clone, Default)]
pub struct ProviderMessages {
    pages: PagesConfig,
}

impl ProviderMessages {
    /// Over these pages.
    pub fn new(pages: PagesConfig) -> Self {
        Self { pages }
    }
}

impl Messages for ProviderMessages {
    fn plan(&self, launch: &CampaignLaunch, page: &PageId) -> Result<Arc<dyn MessagePlan>, PlanProblem> {
        let channel = launch.channel;
        let config = self.pages.page(channel, page.as_str()).ok_or_else(|| PlanProblem {
            message: format!("page {page} of {channel} is not configured"),
            actionable: format!(
                "add the page to the pages of {channel} in the configuration, or a page `*` for all"
            ),
        })?;
        let plan = PagePlan::compile(launch, page, config).map_err(|error| PlanProblem {
            message: error.to_string(),
            actionable: match error {
                PlanError::Page { .. } => "correct the page's configuration",
                _ => "correct the launch",
            }
            .to_owned(),
        })?;
        Ok(Arc::new(plan))
    }

    fn page_rate(&self, channel: Channel, page: &PageId) -> Option<Rate> {
        self.pages.page(channel, page.as_str())?.rate
    }

    fn page_daily(&self, channel: Channel, page: &PageId) -> Option<PerDay> {
        self.pages.page(channel, page.as_str())?.daily
    }
}
