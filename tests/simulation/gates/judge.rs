//! Whether a provider's list of calls keeps the rules that were in force: windows of any position, no counters.
//!
//! Times are since the start of the world. Rules change while calls are under way, so each has a history. A rule is
//! judged as in force from the moment its change was asked for, until the grants that stood on it have ended.

use sluice_simulation::TruthCall;
use sluice_tests::windows::{self, Breach};
use std::collections::BTreeMap;
use std::time::Duration;

/// Life of a grant: what was granted before an answer may still be called for so long (G7).
pub(crate) const LIFE: Duration = Duration::from_secs(2);

/// All that calls had to keep.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    /// Longest way of a call from its start to the provider's list.
    pub(crate) way: Duration,
    /// How far a process's wall clock may be from the true one.
    pub(crate) skew: Duration,
    pub(crate) limits: Vec<Limit>,
    /// When calls may start by the true clock, half-open; empty: always.
    pub(crate) open: Vec<(Duration, Duration)>,
    pub(crate) held: Vec<Held>,
}

/// How many calls any window of `per` may hold.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) scope: Scope,
    pub(crate) per: Duration,
    /// Never empty, in the order in which they were asked for.
    pub(crate) history: Vec<Change>,
}

/// Over which calls a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Of a page, whoever owns it.
    Page,
    /// Of the campaign, over all its pages.
    Campaign,
    /// Of these pages together, whoever owns them.
    Pages(&'static [&'static str]),
    /// From a page to a person.
    Pair,
    /// Of the campaign in any 24 hours, by the wall clock. Messages: a call that the provider asks to make later, as it
    /// is too fast, is no use of the day.
    Day,
}

/// A limit that somebody asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) asked: Duration,
    /// `None`: nobody heard whether it was made.
    pub(crate) acknowledged: Option<Duration>,
    /// `None`: no limit.
    pub(crate) count: Option<u64>,
}

/// A time in which nothing may be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) acknowledged: Duration,
    /// When it was asked to go on.
    pub(crate) until: Option<Duration>,
}

impl Change {
    /// What a campaign is launched with.
    pub(crate) fn launched(count: Option<u64>) -> Self {
        Self { asked: Duration::ZERO, acknowledged: Some(Duration::ZERO), count }
    }
}

impl Limit {
    /// The widest that was in force at some time from `first` to `last`; `None`: no limit.
    fn widest(&self, first: Duration, last: Duration) -> Option<u64> {
        let is_over = |later: &Change| later.acknowledged.is_some_and(|at| at + LIFE < first);
        let newest_alone = self.history.iter().rposition(is_over).unwrap_or(0);
        let in_force = self.history[newest_alone..].iter().filter(|change| change.asked <= last);
        in_force.map(|change| change.count).reduce(|left, right| Some(left?.max(right?))).flatten()
    }

    fn counts(&self, call: &TruthCall) -> bool {
        match self.scope {
            Scope::Day => call.is_accepted(),
            Scope::Pages(pages) => pages.contains(&call.page.as_str()),
            Scope::Page | Scope::Campaign | Scope::Pair => true,
        }
    }

    fn group(&self, call: &TruthCall) -> String {
        match self.scope {
            Scope::Campaign | Scope::Day | Scope::Pages(_) => String::new(),
            Scope::Page => call.page.to_string(),
            Scope::Pair => format!("{} {}", call.page, call.address.as_deref().unwrap_or_default()),
        }
    }
}

/// Calls under a limit in a time, as a part of those that it allows there for ever: how much of it is used.
pub(crate) fn used(calls: &[TruthCall], limit: &Limit, from: Duration, to: Duration) -> Option<f64> {
    let count = limit.widest(from, to)?;
    let inside = calls.iter().filter(|call| limit.counts(call) && (from..to).contains(&call.at));
    let allowed = count as f64 * (to - from).as_secs_f64() / limit.per.as_secs_f64();
    Some(inside.count() as f64 / allowed)
}

/// Every breach of a rule, as a sentence.
pub(crate) fn breaches(calls: &[TruthCall], rules: &Rulebook) -> Vec<String> {
    let limits = rules.limits.iter().flat_map(|limit| exceeded(calls, limit, rules));
    limits.chain(outside(calls, rules)).chain(while_held(calls, rules)).collect()
}

fn exceeded(calls: &[TruthCall], limit: &Limit, rules: &Rulebook) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for call in calls.iter().filter(|call| limit.counts(call)) {
        groups.entry(limit.group(call)).or_default().push(call.at);
    }
    let skew = if limit.scope == Scope::Day { 2 * rules.skew } else { Duration::ZERO };
    let window = limit.per.saturating_sub(rules.way + skew);
    let (scope, per) = (&limit.scope, limit.per);
    let of_group = |(group, times): (String, Vec<Duration>)| {
        let found = windows::breaches(&times, window, |first, last| limit.widest(first, last));
        found.into_iter().map(move |Breach { from, to, count, most }| {
            format!("{scope:?} {group}: {count} calls from {from:?} to {to:?}, {most} in {per:?} allowed")
        })
    };
    groups.into_iter().flat_map(of_group).collect()
}

fn outside<'a>(calls: &'a [TruthCall], rules: &'a Rulebook) -> impl Iterator<Item = String> + 'a {
    let is_inside = |at: Duration| {
        rules.open.is_empty()
            || rules
                .open
                .iter()
                .any(|(from, to)| at + rules.skew >= *from && at < *to + rules.skew + rules.way)
    };
    calls
        .iter()
        .filter(move |call| !is_inside(call.at))
        .map(|call| format!("called outside the window: {call:?}"))
}

fn while_held<'a>(calls: &'a [TruthCall], rules: &'a Rulebook) -> impl Iterator<Item = String> + 'a {
    let is_held = |at: Duration| {
        rules.held.iter().any(|held| {
            at > held.acknowledged + LIFE + rules.way && held.until.is_none_or(|until| at < until)
        })
    };
    calls
        .iter()
        .filter(move |call| is_held(call.at))
        .map(|call| format!("called while nothing may be: {call:?}"))
}
