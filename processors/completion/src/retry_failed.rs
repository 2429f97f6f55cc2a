//! A person tries failed recipients again.

use crate::command::{Answer, Plan, Taken, plan, take};
use crate::control::{bump_pages, enqueue_wake};
use crate::error::CommandError;
use crate::out::out;
use crate::processor::CompletionPorts;
use crate::terms::{as_named, named};
use serde::{Deserialize, Serialize};
use sluice_core::control::Command;
use sluice_core::{CampaignId, CampaignRow, Retried, Terms, Transition};

/// Whom another run is for, and until when it may call them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewRun {
    /// Also those of whom nobody knows whether they got the message: some of them get it twice (G1 holds no more for
    /// them), and who of them fails now stays unknown, because the first message may have arrived (hazard 13).
    pub include_unknown: bool,
    /// Another end for the campaign, whose own may be over; `null`: none.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub end_at: Option<Option<String>>,
}

/// Starts another run for the recipients whose state says failed. The completion processor opens them, whatever becomes of
/// the process that was asked. The answer tells who was where before. Given again while that run is under way it changes
/// nothing (hazard 25).
///
/// # Errors
/// [`CommandError::WrongState`] unless the campaign is completed, or in a run for others.
/// [`CommandError::NothingFailed`]. [`CommandError::NoTime`] where the campaign's end leaves nobody to call, and
/// [`CommandError::Terms`] where the new one does.
pub async fn retry_failed(
    ports: &CompletionPorts,
    campaign: CampaignId,
    new: &NewRun,
) -> Result<Answer, CommandError> {
    let row = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
    let decided = |row: &CampaignRow, recipients: u64| {
        if new.is_under_way(row) {
            return Ok(Plan::Already);
        }
        plan(row, Command::RetryFailed, |to| {
            let step = Transition::of(row, to, None, ports.clock.wall_ms());
            Transition { terms: Some((row.terms_version, terms(row, new, recipients))), ..step }
        })
    };
    // Said before anything is counted.
    let is_under_way = matches!(decided(&row, 0)?, Plan::Already);
    let run = row.run;
    let out_before = out(ports, &row).await?;
    let unknown = out_before.counters.unknown;
    let recipients = out_before.counters.failed + if new.include_unknown { unknown } else { 0 };
    let taken = take(ports, campaign, |row| match decided(row, recipients)? {
        Plan::Already => Ok(Plan::Already),
        // Whoever lost against another click whose run is over by now: there is no second run for it.
        Plan::Step(_) if is_under_way || row.run != run => {
            Err(CommandError::wrong_state(row, "was tried again already"))
        }
        Plan::Step(_) if recipients == 0 => {
            Err(CommandError::NothingFailed { name: row.launch.campaign.clone(), unknown })
        }
        step => in_time(row, new, ports.clock.wall_ms()).map(|()| step),
    });
    let Taken { before, row, already } = taken.await?;
    bump_pages(&*ports.store, &row).await?;
    // Nobody waits for it: the row is found without it, a little later.
    drop(enqueue_wake(&*ports.log, campaign, ports.clock.wall_ms()));
    let include_unknown = new.include_unknown;
    tracing::info!(campaign = %row.launch.campaign, run = row.run, include_unknown, already, "failed recipients are tried again");
    Ok(Answer { row, before, already, out: out_before })
}

impl NewRun {
    /// Whether `row` is in just this run: it was asked for before.
    fn is_under_way(&self, row: &CampaignRow) -> bool {
        let has_end = |end_at: &Option<String>| row.rules().end_at == *end_at;
        row.state.goes_on()
            && row.retried().is_some()
            && row.retries_unknown() == self.include_unknown
            && self.end_at.as_ref().is_none_or(has_end)
    }
}

/// The terms of the run that follows.
fn terms(row: &CampaignRow, new: &NewRun, recipients: u64) -> Terms {
    let run = row.run + 1;
    let mut terms = Terms { retried: Some(Retried { run, recipients }), ..row.terms() };
    if new.include_unknown {
        terms.unknown_in_run = Some(run);
    }
    if let Some(end_at) = &new.end_at {
        terms.rules.end_at.clone_from(end_at);
    }
    terms
}

/// Refuses a run whose end would cancel it before anybody is called: those who failed would stay so, and the campaign
/// would be cancelled for good instead of completed.
fn in_time(row: &CampaignRow, new: &NewRun, now_ms: i64) -> Result<(), CommandError> {
    let name = row.launch.campaign.clone();
    let terms = terms(row, new, 0);
    let late = match terms.check(&row.launch) {
        Ok(rules) => rules.too_late(&terms.rules, now_ms),
        Err(mistakes) if new.end_at.is_some() => mistakes,
        // Written by another version: it does not end by itself.
        Err(_) => Vec::new(),
    };
    match late.first() {
        None => Ok(()),
        Some(_) if new.end_at.is_some() => Err(CommandError::Terms { name, problems: as_named(late) }),
        Some(first) => Err(CommandError::NoTime { name, why: first.problem.clone() }),
    }
}
