//! Whether a provider's list of calls keeps the rules that were in force: windows of any position, no counters.
//!
//! Times are since the start of the world. Rules change while calls are under way, so each has a history. A rule is
//! judged as in force from the moment its change was asked for, until the grants that stood on it have ended.

use super::history::{Change, LIFE, in_force};
use super::hours::Hours;
use sluice_core::CampaignId;
use sluice_simulation::{TruthCall, Verdict};
use sluice_tests::windows::{self, Breach};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// All that calls had to keep.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    /// Longest way of a call from its start to the provider's list.
    pub(crate) way: Duration,
    /// How far a process's wall clock may be from the true one.
    pub(crate) skew: Duration,
    pub(crate) limits: Vec<Limit>,
    /// In the order in which they were asked for; empty: calls may start at any time.
    pub(crate) hours: Vec<Change<Hours>>,
    pub(crate) held: Vec<Held>,
}

/// How many calls any window of `per` may hold.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) scope: Scope,
    pub(crate) per: Duration,
    /// Never empty, in the order in which they were asked for. `None`: no limit.
    pub(crate) history: Vec<Change<Option<u64>>>,
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
    /// Of this campaign, as the only one of a tenant.
    Tenant(CampaignId),
    /// From a page to a person.
    Pair,
    /// Of the campaign in any 24 hours, by the wall clock. A call that the provider asks to make later, as the page or the
    /// template has to wait, is no use of the day.
    Day,
    /// The same of a page, for whatever campaign.
    PageDay,
}

/// A time in which nothing may be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) acknowledged: Duration,
    /// When it was asked to go on.
    pub(crate) until: Option<Duration>,
}

impl Limit {
    /// As people would say it.
    pub(crate) fn name(&self) -> &'static str {
        match (self.scope, self.per == DAY) {
            (Scope::Page, _) => "rate of a page",
            (Scope::PageDay, _) => "day of a page",
            (Scope::Campaign, _) => "rate of a campaign",
            (Scope::Day, _) => "day of a campaign",
            (Scope::Pair, _) => "rate of a pair",
            (Scope::Pages(_), false) => "rate of several pages",
            (Scope::Pages(_), true) => "day of several pages",
            (Scope::Tenant(_), false) => "rate of a tenant",
            (Scope::Tenant(_), true) => "day of a tenant",
        }
    }

    /// The widest that was in force at some time from `first` to `last`; `None`: no limit.
    fn widest(&self, first: Duration, last: Duration) -> Option<u64> {
        let in_force = in_force(&self.history, first, last).copied();
        in_force.reduce(|left, right| Some(left?.max(right?))).flatten()
    }

    fn counts(&self, call: &TruthCall) -> bool {
        match self.scope {
            Scope::Day | Scope::PageDay => call.verdict != Verdict::Deferred,
            Scope::Pages(pages) => pages.contains(&call.page.as_str()),
            Scope::Tenant(campaign) => call.send.chunk.campaign() == campaign,
            Scope::Page | Scope::Campaign | Scope::Pair => true,
        }
    }

    fn group(&self, call: &TruthCall) -> String {
        match self.scope {
            Scope::Campaign | Scope::Day | Scope::Pages(_) | Scope::Tenant(_) => String::new(),
            Scope::Page | Scope::PageDay => call.page.to_string(),
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
    let limits = rules.limits.iter().flat_map(|limit| exceeded(calls, limit, rules, 0));
    limits.chain(outside(calls, rules)).chain(while_held(calls, rules)).collect()
}

/// The limits that held calls back: one call less, and they would have been exceeded. Whoever makes one call reaches a
/// limit of one, so those say nothing.
pub(crate) fn reached(calls: &[TruthCall], rules: &Rulebook) -> BTreeSet<&'static str> {
    let is_reached = |limit: &&Limit| !exceeded(calls, limit, rules, 1).is_empty();
    rules.limits.iter().filter(is_reached).map(Limit::name).collect()
}

/// The windows that hold more than is allowed, less `strictness`.
fn exceeded(calls: &[TruthCall], limit: &Limit, rules: &Rulebook, strictness: u64) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for call in calls.iter().filter(|call| limit.counts(call)) {
        groups.entry(limit.group(call)).or_default().push(call.at);
    }
    let is_by_wall_clock = matches!(limit.scope, Scope::Day | Scope::PageDay);
    let skew = if is_by_wall_clock { 2 * rules.skew } else { Duration::ZERO };
    let window = limit.per.saturating_sub(rules.way + skew);
    let (name, per) = (limit.name(), limit.per);
    // The first call may have started before it arrived.
    let widest = |first: Duration, last| {
        let widest = limit.widest(first.saturating_sub(rules.way), last)?;
        (strictness == 0 || widest > strictness).then(|| widest - strictness)
    };
    let of_group = |(group, times): (String, Vec<Duration>)| {
        let found = windows::breaches(&times, window, widest);
        found.into_iter().map(move |Breach { from, to, count, most }| {
            format!("{name} {group}: {count} calls from {from:?} to {to:?}, {most} in {per:?} allowed")
        })
    };
    groups.into_iter().flat_map(of_group).collect()
}

fn outside<'a>(calls: &'a [TruthCall], rules: &'a Rulebook) -> impl Iterator<Item = String> + 'a {
    let is_inside = |call: &TruthCall| {
        let person = call.address.as_deref().unwrap_or_default();
        let mut hours = in_force(&rules.hours, call.at.saturating_sub(rules.way), call.at);
        rules.hours.is_empty() || hours.any(|hours| hours.allow(person, call.at, rules.way, rules.skew))
    };
    calls
        .iter()
        .filter(move |call| !is_inside(call))
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
