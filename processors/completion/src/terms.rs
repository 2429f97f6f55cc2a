//! A person changes the terms of a campaign that has not ended: its limits, its hours, its start and its end.

use crate::command::{Answer, Plan, carry_out, plan, take};
use crate::error::CommandError;
use crate::processor::CompletionPorts;
use serde::{Deserialize, Deserializer, Serialize};
use sluice_core::control::Command;
use sluice_core::launch::{LaunchProblem, ValidRules};
use sluice_core::schedule::starts_ms;
use sluice_core::{CampaignId, CampaignRow, CampaignState, Terms, Transition};
use sluice_schemas::{OpenHours, Priority, Recurring, SendWindow, WindowClock};

/// The start of what is to wait for none.
const NOW: &str = "now";

/// New limits. What is not named stays; `null` takes a limit away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewLimits {
    /// Of the campaign over all its pages: `80/s`.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub rate: Option<Option<String>>,
    /// Which campaigns of a page go first; `null`: the usual one.
    #[serde(deserialize_with = "named_or_none", skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Calls in any 24 hours.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub daily_send_limit: Option<Option<i64>>,
    /// Of calls from one page to one person.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub pair_rate: Option<Option<String>>,
}

/// New times. What is not named stays; `null` takes one away.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewTimes {
    /// Not before: only while the campaign has not started; `now` and `null`: at once. A moment that is over is refused.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Option<String>>,
    /// No call starts at or after it.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub end_at: Option<Option<String>>,
    /// The hours in which calls may start.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub window: Option<Option<NewWindow>>,
    /// Can't be changed; taken in so that the refusal says why.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub recurring: Option<Option<Recurring>>,
}

/// New hours, on the clock that the launch chose. What is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NewWindow {
    /// At least one; needed where it has none.
    #[serde(deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    pub open: Option<Vec<OpenHours>>,
    /// Whose local time; only the launch's can be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<WindowClock>,
    /// Dates on which it does not open, instead of those so far; none and `null`: it opens on all days.
    #[serde(deserialize_with = "named_or_none", skip_serializing_if = "Option::is_none")]
    pub closed_on: Option<Vec<String>>,
}

/// Tells `null` from a field that is not there.
pub(crate) fn named<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The same, where `null` says what is so when nothing is said.
fn named_or_none<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<T>::deserialize(deserializer).map(|named| Some(named.unwrap_or_default()))
}

/// Changes limits and priority. When this returns, nothing is granted under the old ones. Doing it again is harmless.
///
/// # Errors
/// [`CommandError::Terms`] with all that is wrong; [`CommandError::WrongState`] when it has ended or is being
/// cancelled.
pub async fn set_limits(
    ports: &CompletionPorts,
    campaign: CampaignId,
    new: &NewLimits,
) -> Result<Answer, CommandError> {
    change(ports, campaign, |row| Ok(with_limits(row.terms(), new))).await
}

/// Changes hours, end, and, before it has started, the start. When this returns, nothing is granted under the old
/// ones. Doing it again is harmless.
///
/// # Errors
/// [`CommandError::Terms`] with all that is wrong, also for what the campaign's chunks depend on: whose clock the
/// hours mean, and when it recurs. [`CommandError::WrongState`] when it has ended or is being cancelled.
pub async fn reschedule(
    ports: &CompletionPorts,
    campaign: CampaignId,
    new: &NewTimes,
) -> Result<Answer, CommandError> {
    change(ports, campaign, |row| with_times(row, new)).await
}

async fn change(
    ports: &CompletionPorts,
    campaign: CampaignId,
    make: impl Fn(&CampaignRow) -> Result<Terms, Vec<LaunchProblem>>,
) -> Result<Answer, CommandError> {
    let taken = take(ports, campaign, |row| {
        let step = |to| Transition::of(row, to, None, ports.clock.wall_ms());
        let step = match plan(row, Command::ChangeTerms, step)? {
            Plan::Step(step) => step,
            Plan::Already => return Ok(Plan::Already),
        };
        let refused = |problems| CommandError::Terms { name: row.launch.campaign.clone(), problems };
        let mut terms = make(row).map_err(refused)?;
        if terms == row.terms() {
            return Ok(Plan::Already);
        }
        let rules = terms.check(&row.launch).map_err(|problems| refused(as_named(problems)))?;
        let late = too_late(row, &terms, &rules, ports.clock.wall_ms());
        if !late.is_empty() {
            return Err(refused(late));
        }
        if row.state == CampaignState::Scheduled && terms.rules.start_at != row.rules().start_at {
            let now_ms = ports.clock.wall_ms();
            terms.starts_at_ms = Some(starts_ms(&rules, now_ms).unwrap_or(now_ms));
        }
        Ok(Plan::Step(Box::new(Transition { terms: Some((row.terms_version, terms)), ..*step })))
    });
    let taken = taken.await?;
    carry_out(ports, taken).await
}

/// What keeps the campaign from calling anybody more under other times: a slip in a date would cancel everybody who is
/// left, for good. Nor does it start people by a slip. Times that stay as they are were decided before.
fn too_late(row: &CampaignRow, terms: &Terms, rules: &ValidRules, now_ms: i64) -> Vec<LaunchProblem> {
    let (old, new) = (row.rules(), &terms.rules);
    if (&old.start_at, &old.end_at, &old.window) == (&new.start_at, &new.end_at, &new.window) {
        return Vec::new();
    }
    if old.start_at != new.start_at && rules.start_at_ms.is_some_and(|start_ms| start_ms <= now_ms) {
        let hint = "write a later moment, or `now` to start at once";
        return vec![problem("start_at", "it is over already", hint)];
    }
    let is_over = rules.end_at_ms.is_some_and(|end_ms| end_ms <= now_ms);
    match (rules.recurrence.is_some(), old.end_at != new.end_at) {
        (recurs, true) if is_over => {
            let hint = match recurs {
                true => "write a later moment; `sluice campaign unschedule` ends it now",
                false => "write a later moment; `sluice campaign cancel` ends it now",
            };
            vec![problem("end_at", "it is over already", hint)]
        }
        // Before its next occurrence it only ends: those that have started are campaigns of their own.
        (true, true) => Vec::new(),
        // It is about to be cancelled, whatever its hours are.
        (_, false) if is_over => Vec::new(),
        _ => as_named(rules.too_late(new, now_ms)),
    }
}

/// A change names the fields without the part of the launch that they are in.
pub(crate) fn as_named(problems: Vec<LaunchProblem>) -> Vec<LaunchProblem> {
    let named = |problem: LaunchProblem| {
        let field = problem.field.strip_prefix("rules.").unwrap_or(&problem.field).to_owned();
        LaunchProblem { field, ..problem }
    };
    problems.into_iter().map(named).collect()
}

fn with_limits(mut terms: Terms, new: &NewLimits) -> Terms {
    let set = |limit: &mut Option<String>, new: &Option<Option<String>>| {
        if let Some(new) = new {
            limit.clone_from(new);
        }
    };
    set(&mut terms.rate, &new.rate);
    set(&mut terms.rules.pair_rate, &new.pair_rate);
    terms.rules.daily_send_limit = new.daily_send_limit.unwrap_or(terms.rules.daily_send_limit);
    terms.rules.priority = new.priority.unwrap_or(terms.rules.priority);
    terms
}

fn problem(field: &str, problem: &str, hint: &str) -> LaunchProblem {
    LaunchProblem { field: field.to_owned(), problem: problem.to_owned(), hint: hint.to_owned() }
}

fn with_times(row: &CampaignRow, new: &NewTimes) -> Result<Terms, Vec<LaunchProblem>> {
    let mut terms = row.terms();
    let mut problems = Vec::new();
    if let Some(end_at) = &new.end_at {
        terms.rules.end_at.clone_from(end_at);
    }
    if let Some(start_at) = &new.start_at {
        terms.rules.start_at = start_at.clone().filter(|start_at| start_at != NOW);
        if row.state != CampaignState::Scheduled {
            let hint = "leave it out; its end and its hours can be moved";
            problems.push(problem("start_at", "the campaign has started", hint));
        }
    }
    if let Some(new) = &new.window {
        let old = terms.rules.window.take();
        terms.rules.window = new.as_ref().map(|new| with_window(row, old, new));
        if new.as_ref().is_some_and(|new| new.open.is_none()) && row.rules().window.is_none() {
            let hint = "name its hours as well; 00:00 to 24:00 is the whole day";
            problems.push(problem("window.open", "it has no hours so far", hint));
        }
    }
    if terms.rules.window.as_ref().is_some_and(|window| window.clock != frozen_clock(row)) {
        let hint = "keep the clock of the launch, or launch the rest as a new campaign";
        problems.push(problem("window.clock", "its recipients are divided by it already", hint));
    }
    if new.recurring.as_ref().is_some_and(|new| *new != row.launch.rules.recurring) {
        let hint = "cancel it and launch it under another name";
        problems.push(problem("recurring", "its occurrences are named by it", hint));
    }
    if problems.is_empty() { Ok(terms) } else { Err(problems) }
}

/// The hours of `row` where these are named.
fn with_window(row: &CampaignRow, old: Option<SendWindow>, new: &NewWindow) -> SendWindow {
    let (open, closed_on) = old.map(|old| (old.open, old.closed_on)).unwrap_or_default();
    SendWindow {
        open: new.open.clone().unwrap_or(open),
        clock: new.clock.unwrap_or_else(|| frozen_clock(row)),
        closed_on: new.closed_on.clone().unwrap_or(closed_on),
    }
}

/// The clock that decided in which chunk a recipient is (hazard 1). Without a window the zones were not looked at.
fn frozen_clock(row: &CampaignRow) -> WindowClock {
    row.launch.rules.window.as_ref().map_or(WindowClock::Campaign, |window| window.clock)
}
