//! A person holds a campaign, and lets it go on.

use crate::command::{Answer, carry_out, plan, take};
use crate::error::CommandError;
use crate::processor::CompletionPorts;
use sluice_core::control::Command;
use sluice_core::{CampaignId, Transition};

/// Sends nothing more for now. When this returns, nothing more is granted (G7); what was granted before is called
/// within a grant's life or not at all. Its audience is still expanded. Doing it again is harmless, and the first reason
/// stays.
///
/// # Errors
/// [`CommandError::WrongState`] unless it runs or is paused.
pub async fn pause(
    ports: &CompletionPorts,
    campaign: CampaignId,
    reason: Option<String>,
) -> Result<Answer, CommandError> {
    hold(ports, campaign, Command::Pause, reason).await
}

/// Goes on with a paused campaign where it stood. Doing it again is harmless.
///
/// # Errors
/// [`CommandError::WrongState`] unless it is paused or runs.
pub async fn resume(
    ports: &CompletionPorts,
    campaign: CampaignId,
    reason: Option<String>,
) -> Result<Answer, CommandError> {
    hold(ports, campaign, Command::Resume, reason).await
}

async fn hold(
    ports: &CompletionPorts,
    campaign: CampaignId,
    command: Command,
    reason: Option<String>,
) -> Result<Answer, CommandError> {
    let taken = take(ports, campaign, |row| {
        plan(row, command, |to| Transition::of(row, to, reason.clone(), ports.clock.wall_ms()))
    });
    let taken = taken.await?;
    carry_out(ports, taken).await
}
