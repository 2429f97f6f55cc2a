//! G4, G5, G7: whether calls kept the rules of their campaign, while persons changed them.
//!
//! Calls are known by when they arrived, rules hold for when they started. All clocks are those of one machine. A call
//! arrives within [`LATE_US`] of its start: so what arrives within a window that is so much shorter has started within
//! the window of the limit, and a call may arrive so much after its window has closed or its life has ended.

use super::rates::LATE_MS_MAX;
use super::{Line, Violation, Violations};
use sluice_simulator::{Channel, Kind, Outcome};
use sluice_tests::windows::{Breach, breaches};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longest way of a call to the provider's log.
pub const LATE_US: u64 = LATE_MS_MAX * 1_000;
/// Life of a grant: what was granted before an answer may still be called for so long.
pub const LIFE_US: u64 = 2_000_000;
/// A new limit holds alone so long after the answer.
pub const CHANGED_US: u64 = 1_000_000;
const SECOND_US: u64 = 1_000_000;

/// Over which calls a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Of the campaign, over all its pages.
    Campaign,
    /// From a page to a person.
    Pair,
    /// Of the campaign in 24 hours; without what the provider did not take for the page as a whole.
    Day,
}

/// A limit that somebody asked for; microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first time.
    pub asked_us: u64,
    /// When it was answered; `None`: nobody heard whether it was made.
    pub acknowledged_us: Option<u64>,
    /// `None`: no limit.
    pub count: Option<u64>,
    /// A request of it was not answered, and may be carried out at any later time.
    pub lingers: bool,
}

impl Change {
    /// What a campaign is launched with.
    pub fn launched(count: u64) -> Self {
        Self { asked_us: 0, acknowledged_us: Some(0), count: Some(count), lingers: false }
    }
}

/// How many calls any window may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Of which calls.
    pub scope: Scope,
    /// Length of the window.
    pub per_us: u64,
    /// Never empty, in the order in which they were asked for.
    pub history: Vec<Change>,
}

/// A time in which nothing may be called; microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// When the pause or the cancel was answered.
    pub acknowledged_us: u64,
    /// When it was asked to go on.
    pub until_us: Option<u64>,
}

/// All that the calls of a campaign had to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// Limits.
    pub limits: Vec<Limit>,
    /// When calls may start, half-open, in microseconds since 1970; empty: always.
    pub open_us: Vec<(u64, u64)>,
    /// When nothing may be called.
    pub held: Vec<Held>,
}

/// What was found beside breaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Most calls in a window of each limit.
    pub most: Vec<(Scope, u64, u64)>,
    /// Pauses and cancels.
    pub held: usize,
    /// The longest time from the answer to the last call that was granted before it.
    pub last_after_us: Option<u64>,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |us: u64| us as f64 / SECOND_US as f64;
        let most = self.most.iter().map(|(scope, per_us, most)| match scope {
            Scope::Campaign => format!("at most {most} in {} s", seconds(*per_us)),
            Scope::Pair => format!("at most {most} a person in {} s", seconds(*per_us)),
            Scope::Day => format!("{most} before its limit of the day was lifted"),
        });
        let held = (self.held > 0).then(|| match self.last_after_us {
            Some(after_us) => {
                format!("{} pauses and cancels: last call {:.2} s after", self.held, seconds(after_us))
            }
            None => format!("{} pauses and cancels: no call after", self.held),
        });
        f.write_str(&most.chain(held).collect::<Vec<_>>().join(", "))
    }
}

/// A call of the campaign.
struct Call<'a> {
    t_us: u64,
    page: &'a str,
    to: &'a str,
    is_throttled: bool,
}

/// Judges the calls to everybody of `audience`; `lines` are in order of time.
pub fn check(
    campaign: &str,
    channel: Channel,
    audience: &BTreeSet<String>,
    lines: &[Line],
    rules: &Rulebook,
) -> (Vec<Violation>, Kept) {
    let is_of_campaign = |line: &&Line| {
        let line = &line.line;
        line.kind == Kind::Call && line.channel == channel && audience.contains(&*line.to)
    };
    let calls: Vec<Call<'_>> = lines.iter().filter(is_of_campaign).map(call).collect();
    let mut violations = Violations::default();
    let mut kept = Kept { held: rules.held.len(), ..Kept::default() };
    for limit in &rules.limits {
        for widened in limit.widened() {
            exceeded(campaign, &calls, &widened, &mut violations);
            kept.most.push((limit.scope, widened.per_us, most(&calls, &widened)));
        }
    }
    for call in &calls {
        if !is_inside(call.t_us, &rules.open_us) {
            violations.add(
                "G5",
                format!("{campaign}: {} was called outside the window, at {}", call.to, call.t_us),
            );
        }
        for held in rules.held.iter().filter(|held| held.covers(call.t_us)) {
            let after_us = call.t_us - held.acknowledged_us;
            if after_us > LIFE_US + LATE_US {
                let after_ms = after_us / 1_000;
                let what =
                    format!("{campaign}: {} was called {after_ms} ms after a pause or cancel", call.to);
                violations.add("G7", what);
            }
            kept.last_after_us = kept.last_after_us.max(Some(after_us));
        }
    }
    (violations.into_parts().0, kept)
}

fn call(line: &Line) -> Call<'_> {
    let line = &line.line;
    let is_throttled = line.outcome == Outcome::Throttled;
    Call { t_us: line.t_us, page: &line.page, to: &line.to, is_throttled }
}

impl Held {
    fn covers(&self, t_us: u64) -> bool {
        t_us > self.acknowledged_us && self.until_us.is_none_or(|until_us| t_us < until_us)
    }
}

fn is_inside(t_us: u64, open_us: &[(u64, u64)]) -> bool {
    open_us.is_empty() || open_us.iter().any(|(from, to)| (*from..*to + LATE_US).contains(&t_us))
}

impl Limit {
    /// Itself, and where the window is short also ten in a row: what is too fast by little shows there.
    fn widened(&self) -> Vec<Limit> {
        let is_short = self.scope == Scope::Campaign && self.per_us <= SECOND_US;
        let times: &[u64] = if is_short { &[1, 10] } else { &[1] };
        let widen = |times: &u64| {
            let wider =
                |change: &Change| Change { count: change.count.map(|count| count * times), ..*change };
            let history = self.history.iter().map(wider).collect();
            Limit { scope: self.scope, per_us: self.per_us * times, history }
        };
        times.iter().map(widen).collect()
    }

    /// The widest that was in force at some time from `first_us` to `last_us`; `None`: no limit.
    fn widest(&self, first_us: u64, last_us: u64) -> Option<u64> {
        let is_over =
            |later: &Change| later.acknowledged_us.is_some_and(|at| at + CHANGED_US + LATE_US < first_us);
        let newest_alone = self.history.iter().rposition(is_over).unwrap_or(0);
        let in_force = self.history.iter().enumerate();
        let in_force = in_force.filter(|(place, change)| *place >= newest_alone || change.lingers);
        let in_force = in_force.filter(|(_, change)| change.asked_us <= last_us);
        in_force.map(|(_, change)| change.count).reduce(|left, right| Some(left?.max(right?))).flatten()
    }

    /// Times of calls by what they count for.
    fn groups(&self, calls: &[Call<'_>]) -> BTreeMap<String, Vec<u64>> {
        let mut groups: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for call in calls {
            let group = match self.scope {
                Scope::Day if call.is_throttled => continue,
                Scope::Campaign | Scope::Day => String::new(),
                Scope::Pair => format!("{} to {}", call.page, call.to),
            };
            groups.entry(group).or_default().push(call.t_us);
        }
        groups
    }
}

/// The windows that hold too many, each by its last call.
fn exceeded(campaign: &str, calls: &[Call<'_>], limit: &Limit, violations: &mut Violations) {
    let window_us = limit.per_us.saturating_sub(LATE_US);
    for (group, times) in limit.groups(calls) {
        for Breach { from, to, count, most } in
            breaches(&times, window_us, |first_us, last_us| limit.widest(first_us, last_us))
        {
            let (scope, per_s) = (limit.scope, limit.per_us / SECOND_US);
            violations.add(
                "G4",
                format!(
                    "{campaign}: {scope:?} {group}: {count} calls from {from} to {to}, {most} in {per_s} s allowed"
                ),
            );
        }
    }
}

/// Most calls in any window of the limit, as long as it was one.
fn most(calls: &[Call<'_>], limit: &Limit) -> u64 {
    let ends_us = limit.history.iter().find(|change| change.count.is_none()).map(|change| change.asked_us);
    let until_us = ends_us.unwrap_or(u64::MAX);
    let most = limit.groups(calls).into_values().map(|times| {
        let times: Vec<u64> = times.into_iter().filter(|t_us| *t_us < until_us).collect();
        super::rates::in_window(&times, limit.per_us)
    });
    most.max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
