//! The rules of a launch: when its sends may be called, and how fast.

use super::{LaunchProblem, Problems, nearest, shown};
use crate::moment::{self, NotAMoment};
use crate::pairs;
use crate::rate::Rate;
use crate::recurrence::Recurrence;
use crate::window::Window;
use jiff::tz::TimeZone;
use sluice_schemas::{CampaignLaunch, Missed, Priority, WindowClock};

/// Rules that were checked. Times in ms since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidRules {
    /// Among the campaigns of a page.
    pub priority: Priority,
    /// When calls may start; without one always.
    pub window: Option<Window>,
    /// Calls in any 24 hours over all pages; at least one a page. A page's part: [`crate::usage::share_of`].
    pub daily_send_limit: Option<u64>,
    /// Calls from one page to one person.
    pub pair_rate: Option<Rate>,
    /// No call starts before it.
    pub start_at_ms: Option<i64>,
    /// No call starts at or after it.
    pub end_at_ms: Option<i64>,
    /// When it comes back, and what happens to occurrences that were missed.
    pub recurrence: Option<(Recurrence, Missed)>,
    /// The campaign's zone.
    pub zone: TimeZone,
}

impl ValidRules {
    /// The rules of a launch, on their own: for one that was validated before and comes from a store.
    ///
    /// # Errors
    /// Everything that is wrong with its rules, its rate and its time zone.
    pub fn of(launch: &CampaignLaunch) -> Result<Self, Vec<LaunchProblem>> {
        let mut problems = Problems::default();
        let zone = check_time_zone(launch, &mut problems).and_then(crate::row::time_zone);
        check_rate(launch, &mut problems);
        let rules = check(launch, &zone.unwrap_or(TimeZone::UTC), &mut problems);
        if problems.0.is_empty() { Ok(rules) } else { Err(problems.0) }
    }
}

/// What is wrong is left out of the rules.
pub(super) fn check(launch: &CampaignLaunch, zone: &TimeZone, problems: &mut Problems) -> ValidRules {
    let rules = &launch.rules;
    let window = rules.window.as_ref().map(Window::check);
    let window = window.and_then(|checked| problems.keep(checked));
    let moment = |name: &str, text: &Option<String>, problems: &mut Problems| {
        let text = text.as_deref()?;
        moment::parse(text, zone).map_err(|error| no_moment(problems, name, text, error)).ok()
    };
    let start_at_ms = moment("rules.start_at", &rules.start_at, problems);
    let end_at_ms = moment("rules.end_at", &rules.end_at, problems);
    let recurrence = rules.recurring.as_ref().and_then(|recurring| {
        let checked = Recurrence::check(&recurring.cron, zone.clone()).map_err(|problem| vec![problem]);
        Some((problems.keep(checked)?, recurring.missed))
    });
    let checked = ValidRules {
        priority: rules.priority,
        window,
        daily_send_limit: check_daily_limit(launch, problems),
        pair_rate: check_pair_rate(launch, problems),
        start_at_ms,
        end_at_ms,
        recurrence,
        zone: zone.clone(),
    };
    check_order(&checked, zone, problems);
    checked
}

/// Start, end, window and occurrences have to leave something to do.
fn check_order(rules: &ValidRules, zone: &TimeZone, problems: &mut Problems) {
    let (Some(start_ms), Some(end_ms)) = (rules.start_at_ms, rules.end_at_ms) else { return };
    if end_ms <= start_ms {
        problems.add("rules.end_at", "it is not after start_at", "write a later moment, or leave it out");
        return;
    }
    // In the recipients' zones it may be open; the campaign's says nothing about them.
    let own_clock = rules.window.as_ref().filter(|window| window.clock() == WindowClock::Campaign);
    if own_clock.is_some_and(|window| !window.opens_between(zone, start_ms, end_ms)) {
        let hint = "move start_at or end_at, or open it longer";
        problems.add("rules.window", "it does not open between start_at and end_at", hint);
    }
    let comes =
        |recurrence: &Recurrence| recurrence.next_after(start_ms - 1).is_some_and(|next| next < end_ms);
    if rules.recurrence.as_ref().is_some_and(|(recurrence, _)| !comes(recurrence)) {
        let hint = "move start_at or end_at, or let it come more often";
        problems.add("rules.recurring.cron", "it never comes between start_at and end_at", hint);
    }
}

fn no_moment(problems: &mut Problems, field: &str, text: &str, error: NotAMoment) {
    let hint = match error {
        NotAMoment::NoTime => "add the time, for example 2026-12-01T09:00",
        NotAMoment::Unreadable | NotAMoment::OutOfRange => {
            "write it as 2026-12-01T09:00 in the campaign's time zone, or with an offset: 2026-12-01T09:00:00-03:00"
        }
    };
    problems.add(field, format!("`{}`: {error}", shown(text)), hint);
}

fn check_daily_limit(launch: &CampaignLaunch, problems: &mut Problems) -> Option<u64> {
    let limit = launch.rules.daily_send_limit?;
    let field = "rules.daily_send_limit";
    let pages = launch.pages.len();
    match u64::try_from(limit) {
        Ok(limit) if limit > 0 && limit >= pages as u64 => return Some(limit),
        Ok(limit) if limit > 0 => {
            let hint = "raise it to one a page at least, or name fewer pages";
            problems.add(field, format!("{limit} cannot be split over {pages} pages"), hint);
        }
        _ => {
            let hint = "write how many calls 24 hours may hold, or leave it out";
            problems.add(field, format!("{limit} lets nothing through"), hint);
        }
    }
    None
}

fn check_pair_rate(launch: &CampaignLaunch, problems: &mut Problems) -> Option<Rate> {
    let hint = "for example 1/min, which is the slowest; leave it out for no such limit";
    match launch.rules.pair_rate.as_deref()?.parse::<Rate>() {
        Ok(rate) if pairs::interval(rate) <= pairs::INTERVAL_MAX => Some(rate),
        Ok(rate) => {
            let problem = format!("{rate} asks to remember people for longer than a minute");
            problems.add("rules.pair_rate", problem, hint);
            None
        }
        Err(error) => {
            problems.add("rules.pair_rate", error.to_string(), hint);
            None
        }
    }
}

pub(super) fn check_rate(launch: &CampaignLaunch, problems: &mut Problems) -> Option<Rate> {
    let text = launch.rate.as_deref()?;
    match text.parse::<Rate>() {
        Err(error) => {
            problems.add("rate", error.to_string(), "leave it out for the page's own limit");
            None
        }
        Ok(rate) => {
            let pages = launch.pages.len() as u64;
            if rate.count.get() < pages {
                let hint = "raise the rate, use a longer window (10/min instead of 1/s), or name fewer pages";
                problems.add("rate", format!("{rate} cannot be split over {pages} pages"), hint);
            }
            Some(rate)
        }
    }
}

pub(super) fn check_time_zone(launch: &CampaignLaunch, problems: &mut Problems) -> Option<&'static str> {
    let Some(name) = launch.time_zone.as_deref() else { return Some("UTC") };
    let zone = crate::row::known_zone(name);
    if zone.is_none() {
        let names: Vec<String> = crate::row::zone_names().collect();
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("perhaps `{near}` is meant"),
            None => "use an IANA name such as America/Sao_Paulo, or leave it out for UTC".to_owned(),
        };
        problems.add("time_zone", format!("`{}` is not a time zone", shown(name)), hint);
    }
    zone
}
