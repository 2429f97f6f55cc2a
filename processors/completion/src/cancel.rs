//! A person ends a campaign.

use crate::command::{Answer, carry_out, plan, take};
use crate::error::CommandError;
use crate::processor::CompletionPorts;
use sluice_core::control::Command;
use sluice_core::{CampaignId, Transition};

/// Ends a campaign before its time, whether it waits for its start, runs or is paused. When this returns, nothing
/// more is granted for it (G7); its recipients are counted as cancelled in the background and the campaign ends as
/// `cancelled`. Doing it again is harmless.
///
/// # Errors
/// [`CommandError::WrongState`] when it has ended in another way.
pub async fn cancel(
    ports: &CompletionPorts,
    campaign: CampaignId,
    reason: Option<String>,
) -> Result<Answer, CommandError> {
    let taken = take(ports, campaign, |row| {
        let at_ms = ports.clock.wall_ms();
        plan(row, Command::Cancel, |to| Transition::of(row, to, reason.clone(), at_ms))
    });
    let taken = taken.await?;
    let answer = carry_out(ports, taken).await?;
    tracing::info!(campaign = %answer.row.launch.campaign, state = answer.row.state.as_str(), "cancelled by command");
    Ok(answer)
}

/// The reason of a campaign that was taken back before its start.
pub const UNSCHEDULED: &str = "cancelled before its start";

/// Cancels a campaign that waits for its start, and only such a one: nobody is called. Doing it again is harmless.
///
/// # Errors
/// [`CommandError::WrongState`] when it has started.
pub async fn unschedule(ports: &CompletionPorts, campaign: CampaignId) -> Result<Answer, CommandError> {
    let taken = take(ports, campaign, |row| match row.awaits_start {
        false => Err(CommandError::wrong_state(row, "has started; pause or cancel it")),
        true => plan(row, Command::Cancel, |to| {
            let reason = Some(UNSCHEDULED.to_owned());
            Transition::of(row, to, reason, ports.clock.wall_ms())
        }),
    });
    let taken = taken.await?;
    carry_out(ports, taken).await
}
