//! A person tries failed recipients again.

use crate::check::total_of;
use crate::control::{bump_pages, wake};
use crate::error::CommandError;
use crate::processor::CompletionPorts;
use crate::reopen::reopen;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_runtime::ports::store::Transition;

/// Starts another run for the recipients whose state says failed; unknown ones are not failed. If this process dies
/// after the step, the completion processor does the rest.
///
/// # Errors
/// [`CommandError::WrongState`] unless the campaign is completed: a second click finds it running (hazard 25).
/// [`CommandError::NothingFailed`].
pub async fn retry_failed(
    ports: &CompletionPorts,
    campaign: CampaignId,
) -> Result<CampaignRow, CommandError> {
    let row = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
    let refused = |row: &CampaignRow| CommandError::WrongState {
        campaign,
        state: row.state,
        run: row.run,
        needs: "only the failed recipients of a completed campaign can be tried again",
    };
    if row.state != CampaignState::Completed {
        return Err(refused(&row));
    }
    let chunks = ports.store.chunks(campaign).await?;
    if total_of(&chunks, &ports.store.counters(campaign).await?).failed == 0 {
        return Err(CommandError::NothingFailed(campaign));
    }
    let step = Transition {
        from: CampaignState::Completed,
        run: row.run,
        to: CampaignState::Running,
        reason: None,
        at_ms: ports.clock.wall_ms(),
        terms: None,
    };
    let Some(row) = ports.store.transition(campaign, step).await? else {
        let row = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
        return Err(refused(&row));
    };
    bump_pages(&*ports.store, &row).await?;
    reopen(ports, &row, &chunks).await?;
    wake(&*ports.log, campaign, ports.clock.wall_ms()).await?;
    tracing::info!(campaign = %row.launch.campaign, run = row.run, "failed recipients are tried again");
    Ok(row)
}
