//! What becomes of a scheduled campaign at its time. Every step is a compare-and-set on the row that it was decided on,
//! so that a second process, a former owner or a repetition after a crash changes nothing more.

use crate::ExpanderPorts;
use crate::error::StepError;
use crate::patience::until_answered;
use sluice_core::schedule::{Due, due};
use sluice_core::{CampaignRow, CampaignState, Terms, Transition};
use sluice_runtime::ports::store::{Created, StoreError};

/// Where a campaign is after this.
pub(crate) enum AtItsTime {
    /// It waits no more; perhaps it has ended.
    GoesOn(Box<CampaignRow>),
    /// It waits: for its start, or for the next occurrence.
    Waits,
}

/// Does what is due with a campaign as it was read. One that is not scheduled is given back.
pub(crate) async fn at_its_time(ports: &ExpanderPorts, mut row: CampaignRow) -> Result<AtItsTime, StepError> {
    let store = &ports.store;
    while row.state == CampaignState::Scheduled {
        let Some(step) = next_step(ports, &row).await? else { return Ok(AtItsTime::Waits) };
        let taken = until_answered("transition", || store.transition(row.id, step.clone())).await?;
        let Some(next) = taken else {
            // Moved or cancelled by a person meanwhile, or taken by another process.
            match until_answered("campaign", || store.campaign(row.id)).await? {
                Some(now) => row = now,
                None => return Ok(AtItsTime::Waits),
            }
            continue;
        };
        let (campaign, state) = (&next.launch.campaign, next.state.as_str());
        tracing::info!(campaign, state, next_ms = next.starts_at_ms, "its time has come");
        row = next;
    }
    Ok(AtItsTime::GoesOn(Box::new(row)))
}

/// The step that is due; `None` while it waits.
async fn next_step(ports: &ExpanderPorts, row: &CampaignRow) -> Result<Option<Transition>, StepError> {
    if let Some(at_ms) = row.booked_ms() {
        occur(ports, row).await?;
        return Ok(Some(row.cross_out(at_ms, ports.clock.wall_ms())));
    }
    let now_ms = ports.clock.wall_ms();
    let rules = match row.valid_rules() {
        Ok(rules) => rules,
        Err(problems) => {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let reason = Some(problems.join("; "));
            return Ok(Some(Transition::by_terms_of(row, CampaignState::Failed, reason, now_ms)));
        }
    };
    Ok(match due(row.starts_at_ms, &rules, now_ms) {
        Due::Wait { .. } => None,
        Due::Start => Some(Transition::by_terms_of(row, CampaignState::Running, None, now_ms)),
        Due::Occurrence { at_ms, next_ms } => Some(row.book(at_ms, next_ms, now_ms)),
        Due::Skip { next_ms } => {
            tracing::warn!(campaign = row.launch.campaign, "missed occurrences are left out");
            Some(next(row, next_ms, now_ms))
        }
        Due::Over => Some(next(row, None, now_ms)),
    })
}

/// The step of a campaign that waits for another time, or for none any more.
fn next(row: &CampaignRow, next_ms: Option<i64>, now_ms: i64) -> Transition {
    let Some(starts_at_ms) = next_ms else {
        return Transition::by_terms_of(row, row.over_state(), Some(row.end_reason()), now_ms);
    };
    let terms = Terms { starts_at_ms: Some(starts_at_ms), ..row.terms() };
    let step = Transition::of(row, CampaignState::Scheduled, None, now_ms);
    Transition { terms: Some((row.terms_version, terms)), ..step }
}

/// Launches an occurrence that is booked, unless it was launched before, or its place is taken because the schedule
/// was cancelled or got other terms meanwhile.
async fn occur(ports: &ExpanderPorts, row: &CampaignRow) -> Result<(), StepError> {
    let Some(occurrence) = row.booked_campaign(ports.clock.wall_ms()) else { return Ok(()) };
    let created = until_answered("create_campaign", || async {
        match ports.store.create_campaign(occurrence.clone()).await {
            Err(StoreError::Fenced(_)) => Ok(None),
            created => created.map(Some),
        }
    });
    let (campaign, of) = (&occurrence.launch.campaign, &row.launch.campaign);
    match created.await? {
        Some(Created::New(made)) => tracing::info!(campaign, of, state = made.state.as_str(), "launched"),
        // By us before a crash, by another process, or by the command that cancelled or changed the schedule.
        Some(Created::Existing(there)) => {
            tracing::info!(campaign, of, state = there.state.as_str(), "launched or cancelled before")
        }
        None => {
            tracing::error!(campaign, of, "another campaign has the same id: this occurrence is left out")
        }
    }
    Ok(())
}
