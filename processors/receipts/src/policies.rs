//! What campaign rows say, kept for a moment.

use crate::again::until_answered;
use crate::decide::Policy;
use crate::error::ReceiptError;
use sluice_core::CampaignId;
use sluice_runtime::ports::store::Store;
use sluice_schemas::Channel;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The part of a campaign row that receipts need.
#[derive(Debug)]
pub(crate) struct Campaign {
    pub(crate) policy: Policy,
    pub(crate) tenant: String,
    pub(crate) channel: Channel,
}

#[derive(Debug)]
pub(crate) struct Policies {
    rows: BTreeMap<CampaignId, (Duration, Option<Arc<Campaign>>)>,
    age_max: Duration,
    rows_max: usize,
}

impl Policies {
    pub(crate) fn new(age_max: Duration, rows_max: usize) -> Self {
        Self { rows: BTreeMap::new(), age_max, rows_max }
    }

    /// The campaign, `None` when nobody launched it. `now` is on the monotonic clock. Read anew when it is too old,
    /// when the caller needs what is true now, and when "not running" would drop a retry: a new run may have begun.
    pub(crate) async fn get(
        &mut self,
        store: &dyn Store,
        id: CampaignId,
        now: Duration,
        anew: bool,
    ) -> Result<Option<Arc<Campaign>>, ReceiptError> {
        if let Some((read, campaign)) = self.rows.get(&id) {
            let running = campaign.as_ref().is_some_and(|campaign| campaign.policy.goes_on);
            if !anew && running && now.saturating_sub(*read) < self.age_max {
                return Ok(campaign.clone());
            }
        }
        let row = until_answered("campaign", || store.campaign(id)).await?;
        let campaign = row.map(|row| {
            let policy = Policy::of(&row);
            Arc::new(Campaign { policy, tenant: row.launch.tenant, channel: row.launch.channel })
        });
        if self.rows.len() >= self.rows_max {
            self.rows.clear();
        }
        self.rows.insert(id, (now, campaign.clone()));
        Ok(campaign)
    }
}
