//! A person ends a campaign.

use crate::control::{bump_pages, wake};
use crate::error::CommandError;
use crate::processor::CompletionPorts;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_runtime::ports::store::Transition;

/// Ends a campaign before its time. When this returns, nothing more is granted for it (G7); its recipients are
/// counted as cancelled in the background and the campaign ends as `cancelled`. Doing it again is harmless.
///
/// # Errors
/// [`CommandError::WrongState`] when it has ended already.
pub async fn cancel(
    ports: &CompletionPorts,
    campaign: CampaignId,
    reason: Option<String>,
) -> Result<CampaignRow, CommandError> {
    let row = loop {
        let row = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
        match row.state {
            // Asked before; perhaps by a process that died before it told the pages.
            CampaignState::Cancelling => break row,
            CampaignState::Running => {}
            state => {
                let needs = "only a running campaign can be cancelled";
                return Err(CommandError::WrongState { campaign, state, run: row.run, needs });
            }
        }
        let step = Transition {
            from: CampaignState::Running,
            run: row.run,
            to: CampaignState::Cancelling,
            reason: reason.clone(),
            at_ms: ports.clock.wall_ms(),
            terms: None,
        };
        // Refused: it moved meanwhile, look again.
        if let Some(row) = ports.store.transition(campaign, step).await? {
            break row;
        }
    };
    bump_pages(&*ports.store, &row).await?;
    wake(&*ports.log, campaign, ports.clock.wall_ms()).await?;
    tracing::info!(campaign = %row.launch.campaign, "cancelling");
    Ok(row)
}
