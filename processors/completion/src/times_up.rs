//! Campaigns whose end has come: `rules.end_at`.

use crate::cancel::cancel;
use crate::error::{CommandError, CompletionError};
use crate::processor::CompletionPorts;
use sluice_core::CampaignRow;
use std::time::Duration;

/// How much time a campaign has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimesUp {
    /// As much as it needs.
    Never,
    /// So much.
    In(Duration),
    /// None any more: it was cancelled just now.
    Now,
}

/// Cancels a campaign that runs or is paused at its end; its reason says when that was. One that waits for its start
/// belongs to the expander.
pub(crate) async fn times_up(ports: &CompletionPorts, row: &CampaignRow) -> Result<TimesUp, CompletionError> {
    if !row.state.goes_on() || row.rules().end_at.is_none() {
        return Ok(TimesUp::Never);
    }
    let end_ms = match row.valid_rules() {
        Ok(rules) => rules.end_at_ms,
        Err(problems) => {
            let campaign = &row.launch.campaign;
            tracing::error!(
                campaign,
                ?problems,
                "the campaign's rules can't be read: it does not end by itself"
            );
            None
        }
    };
    let Some(end_ms) = end_ms else { return Ok(TimesUp::Never) };
    let left = end_ms.saturating_sub(ports.clock.wall_ms());
    if let Ok(left @ 1..) = u64::try_from(left) {
        return Ok(TimesUp::In(Duration::from_millis(left)));
    }
    match cancel(ports, row.id, Some(row.end_reason())).await {
        // It ended in this moment, or a person was faster.
        Ok(_) | Err(CommandError::WrongState { .. } | CommandError::NoCampaign(_)) => Ok(TimesUp::Now),
        Err(CommandError::Log(error)) => Err(error.into()),
        Err(CommandError::Store(error)) => Err(error.into()),
        // Not of a cancel.
        Err(CommandError::NothingFailed { .. } | CommandError::Terms { .. }) => Ok(TimesUp::Now),
    }
}
