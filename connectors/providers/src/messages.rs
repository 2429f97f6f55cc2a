//! The port [`Messages`] over the configured pages.

use crate::config::PagesConfig;
use crate::plan::{PagePlan, PlanError};
use sluice_core::PageId;
use sluice_core::rate::{PerDay, Rate};
use sluice_runtime::ports::messages::{MessagePlan, Messages, PlanProblem};
use sluice_schemas::{CampaignLaunch, Channel};
use std::sync::{Arc, PoisonError, RwLock};

/// Compiles messages with the configuration of their pages. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct ProviderMessages {
    pages: Arc<PagesConfig>,
    /// As they are now; of these only the limits count.
    limits: Arc<RwLock<Arc<PagesConfig>>>,
}

impl ProviderMessages {
    /// Over these pages.
    pub fn new(pages: PagesConfig) -> Self {
        let pages = Arc::new(pages);
        Self { limits: Arc::new(RwLock::new(pages.clone())), pages }
    }

    /// From now on pages have the limits that `pages` gives them. Nothing else of it is taken over: messages keep their
    /// address and their token.
    pub fn change_limits(&self, pages: PagesConfig) {
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pages);
    }

    fn limits(&self) -> Arc<PagesConfig> {
        self.limits.read().unwrap_or_else(PoisonError::into_inner).clone()
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
        self.limits().page(channel, page.as_str())?.rate
    }

    fn page_daily(&self, channel: Channel, page: &PageId) -> Option<PerDay> {
        self.limits().page(channel, page.as_str())?.daily
    }
}
