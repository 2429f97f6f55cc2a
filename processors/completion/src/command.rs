//! How every command of a person is carried out.
//!
//! 1. The step on the campaign's row, by compare-and-set, decided by [`sluice_core::control`].
//! 2. `control` of each of its pages is raised: what was decided on the old row is granted no more (G7). The occurrence
//!    that it was about to launch is launched under the new terms or, cancelled, not any more.
//! 3. The answer. The log is waited for only a moment: a command counts although it is away, and whoever looks at the
//!    campaign next tells what is untold.
//!
//! A process may die between any two of these. So whoever asks again for what is so already has 2 and 3 done again.

use crate::announce::announce_if_due;
use crate::control::{bump_pages, enqueue_wake};
use crate::error::{CommandError, CompletionError};
use crate::out::{Out, out};
use crate::processor::CompletionPorts;
use sluice_core::control::{Command, Decision, decide};
use sluice_core::{CampaignId, CampaignRow, CampaignState, Transition};
use sluice_runtime::ports::store::StoreError;
use std::time::Duration;

/// How long an answer waits for the event to be durable.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// What a command came to. From the moment of this answer on it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The campaign.
    pub row: CampaignRow,
    /// As it was before; the same where nothing was changed.
    pub before: CampaignRow,
    /// It was so before: nothing was changed.
    pub already: bool,
    /// Who had been reached by then.
    pub out: Out,
}

/// A step that was taken, or that was not needed.
pub(crate) struct Taken {
    pub(crate) before: CampaignRow,
    pub(crate) row: CampaignRow,
    /// It was so before.
    pub(crate) already: bool,
}

/// What a command wants of a row.
pub(crate) enum Plan {
    Step(Box<Transition>),
    Already,
}

/// What the table says to `command`, as a plan; `step` makes the transition.
pub(crate) fn plan(
    row: &CampaignRow,
    command: Command,
    step: impl FnOnce(CampaignState) -> Transition,
) -> Result<Plan, CommandError> {
    match decide(row.state, command) {
        Decision::Step(to) => Ok(Plan::Step(Box::new(step(to)))),
        Decision::Already => Ok(Plan::Already),
        Decision::Refused(why) => Err(CommandError::wrong_state(row, why)),
    }
}

/// Takes the step that `decide` wants; looks again whenever somebody else took one in between.
pub(crate) async fn take(
    ports: &CompletionPorts,
    campaign: CampaignId,
    decide: impl Fn(&CampaignRow) -> Result<Plan, CommandError>,
) -> Result<Taken, CommandError> {
    loop {
        let before = ports.store.campaign(campaign).await?.ok_or(CommandError::NoCampaign(campaign))?;
        let step = match decide(&before)? {
            Plan::Already => return Ok(Taken { row: before.clone(), before, already: true }),
            Plan::Step(step) => step,
        };
        if let Some(row) = ports.store.transition(campaign, *step).await? {
            return Ok(Taken { before, row, already: false });
        }
    }
}

/// Makes a step hold everywhere, and says what had left by then.
pub(crate) async fn carry_out(
    ports: &CompletionPorts,
    Taken { before, row, already }: Taken,
) -> Result<Answer, CommandError> {
    bump_pages(&*ports.store, &row).await?;
    take_its_place(ports, &row).await?;
    let out = out(ports, &row).await?;
    match tokio::time::timeout(TOLD_WITHIN, announce_if_due(ports, &row)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => not_told(&row, &error),
        Err(_) => tracing::debug!(campaign = %row.launch.campaign, "its event follows later"),
    }
    // After the event, which whoever wakes would tell as well; nobody waits for it.
    drop(enqueue_wake(&*ports.log, row.id, ports.clock.wall_ms()));
    Ok(Answer { row, before, already, out })
}

/// The occurrence that the campaign had booked was launched before, or becomes what the row makes of it now: whoever was
/// about to launch it as the row was before finds its place taken.
async fn take_its_place(ports: &CompletionPorts, row: &CampaignRow) -> Result<(), CommandError> {
    let Some(place) = row.booked_campaign(ports.clock.wall_ms()) else { return Ok(()) };
    match ports.store.create_campaign(place).await {
        // Another campaign has its id, and it can't be launched.
        Ok(_) | Err(StoreError::Fenced(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn not_told(row: &CampaignRow, error: &CompletionError) {
    tracing::warn!(campaign = %row.launch.campaign, %error, "its event could not be told now, and is told later");
}
