//! The rows of the page's campaigns, read again after a command.

use super::Page;
use crate::campaigns::is_kept;
use crate::shard::SenderError;
use sluice_core::CampaignId;
use sluice_runtime::ports::store::StoreError;

impl Page {
    /// Drops the lanes of campaigns that have ended or are being cancelled, and what is granted of those that are
    /// paused (G7).
    pub(super) async fn look_at_campaigns(&mut self) -> Result<(), SenderError> {
        if !self.look_at_campaigns {
            return Ok(());
        }
        let ids: Vec<CampaignId> = self.lanes.keys().copied().collect();
        for id in ids {
            let row = loop {
                match self.context.rows.read(id).await {
                    Err(StoreError::Unavailable(reason)) => self.wait_for_store(reason).await,
                    answer => break answer?,
                }
            };
            let row = match row {
                Some(row) if is_kept(row.state) => {
                    self.renew(id, row);
                    continue;
                }
                row => row,
            };
            self.ungrant(id);
            if let Some(state) = self.lanes.remove(&id) {
                let records: Vec<u64> =
                    state.lane.works().flat_map(|work| work.records.iter().copied()).collect();
                match row {
                    Some(row) if !row.state.is_ended() => {
                        let settles = state.campaign.plan.correlation().settles_by_webhook;
                        self.close(id, row.launch.channel, settles, records);
                    }
                    _ => self.shard.finish(&records),
                }
            }
        }
        self.look_at_campaigns = false;
        Ok(())
    }
}
