//! A person tries failed recipients again.

use crate::command::{Answer, Taken, plan, take};
use crate::control::{bump_pages, enqueue_wake};
use crate::error::CommandError;
use crate::out::out;
use crate::processor::CompletionPorts;
use sluice_core::control::Command;
use sluice_core::{CampaignId, CampaignRow, Retried, Terms, Transition};

/// Starts another run for the recipients whose state says failed. `include_unknown`: also for those of whom nobody
/// knows whether they got the message; some of them get it twice (G1 holds no more for them), and who of them fails
/// now stays unknown, because the first message may have arrived (hazard 13). The completion processor opens them,
/// whatever becomes of the process that was asked. The answer tells who was where before.
///
/// # Errors
/// [`CommandError::WrongState`] unless the campaign is completed: a second click finds it running (hazard 25).
/// [`CommandError::NothingFailed`].
pub async fn retry_failed(
    ports: &CompletionPorts,
    campaign: CampaignId,
    include_unknown: bool,
) -> Result<Answer, CommandError> {
    let row = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
    let decided = |row: &CampaignRow, recipients: u64| {
        plan(row, Command::RetryFailed, |to| {
            let run = row.run + 1;
            let mut terms = Terms { retried: Some(Retried { run, recipients }), ..row.terms() };
            if include_unknown {
                terms.unknown_in_run = Some(run);
            }
            let step = Transition::of(row, to, None, ports.clock.wall_ms());
            Transition { terms: Some((row.terms_version, terms)), ..step }
        })
    };
    // Said before anything is counted.
    decided(&row, 0)?;
    let run = row.run;
    let out_before = out(ports, &row).await?;
    let unknown = out_before.counters.unknown;
    let recipients = out_before.counters.failed + if include_unknown { unknown } else { 0 };
    if recipients == 0 {
        // Or they are open again, because another click came in between.
        let now = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
        return Err(match now.run == run {
            true => CommandError::NothingFailed { name: row.launch.campaign, unknown },
            false => tried_already(&now),
        });
    }
    // Whoever lost against another click is refused: there is no second run for it.
    let Taken { before, row, already } = take(ports, campaign, |row| match row.run == run {
        true => decided(row, recipients),
        false => Err(tried_already(row)),
    })
    .await?;
    bump_pages(&*ports.store, &row).await?;
    // Nobody waits for it: the row is found without it, a little later.
    drop(enqueue_wake(&*ports.log, campaign, ports.clock.wall_ms()));
    tracing::info!(campaign = %row.launch.campaign, run = row.run, include_unknown, "failed recipients are tried again");
    Ok(Answer { row, before, already, out: out_before })
}

fn tried_already(row: &CampaignRow) -> CommandError {
    CommandError::wrong_state(row, "is tried again already")
}
