//! Campaigns whose end has come: `rules.end_at`.

use crate::command::{Answer, carry_out, plan, take};
use crate::error::{CommandError, CompletionError};
use crate::processor::CompletionPorts;
use sluice_core::control::Command;
use sluice_core::{CampaignId, CampaignRow, Transition};
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
    let left = match left(row, ports.clock.wall_ms()) {
        TimesUp::Now => cancel_at_its_end(ports, row.id).await,
        left => return Ok(left),
    };
    match left {
        // It ended in this moment, or a person was faster: ended it, or moved its end.
        Ok(_) | Err(CommandError::WrongState { .. } | CommandError::NoCampaign(_)) => Ok(TimesUp::Now),
        Err(CommandError::Log(error)) => Err(error.into()),
        Err(CommandError::Store(error)) => Err(error.into()),
        // Not of a cancel.
        Err(
            CommandError::NothingFailed { .. } | CommandError::NoTime { .. } | CommandError::Terms { .. },
        ) => Ok(TimesUp::Now),
    }
}

/// How much time the row gives at `now_ms`.
fn left(row: &CampaignRow, now_ms: i64) -> TimesUp {
    if !row.state.goes_on() || row.rules().end_at.is_none() {
        return TimesUp::Never;
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
    let Some(end_ms) = end_ms else { return TimesUp::Never };
    match u64::try_from(end_ms.saturating_sub(now_ms)) {
        Ok(left @ 1..) => TimesUp::In(Duration::from_millis(left)),
        _ => TimesUp::Now,
    }
}

/// Cancels it as the row is then: whoever moved the end meanwhile has an answer that says so (G7).
async fn cancel_at_its_end(ports: &CompletionPorts, campaign: CampaignId) -> Result<Answer, CommandError> {
    let taken = take(ports, campaign, |row| {
        let now_ms = ports.clock.wall_ms();
        if left(row, now_ms) != TimesUp::Now {
            return Err(CommandError::wrong_state(row, "has another end now"));
        }
        plan(row, Command::Cancel, |to| Transition::by_terms_of(row, to, Some(row.end_reason()), now_ms))
    });
    let taken = taken.await?;
    carry_out(ports, taken).await
}
