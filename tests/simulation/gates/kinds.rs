//! How often the seeds have each kind of rule, and how often it mattered: none is to be lost by accident.

use super::person::Given;
use super::seeded::{Ruled, rulebook};
use crate::cluster::Scenario;
use crate::seeds::scenario;
use sluice_core::rate::Rate;
use sluice_schemas::WindowClock;
use std::collections::{BTreeMap, BTreeSet};

/// What every thousand seeds have of each kind, at least.
const SEEDS_MIN: u64 = 24;
/// In what every thousand seeds reach each limit, at least: faults and persons leave many of them unused.
const REACHED_MIN: u64 = 12;

/// The kinds of a scenario's rules: limits by the names that the judge gives them.
fn kinds(scenario: &Scenario) -> BTreeSet<&'static str> {
    let rules = rulebook(scenario, &Given::default());
    let limits: Vec<_> = rules.limits.iter().map(|limit| limit.name()).collect();
    let of_pages = scenario.page_rate.map(|rate| per_second(rate) * scenario.pages as f64);
    let is_above = scenario.ruled.rate.zip(of_pages).is_some_and(|(rate, pages)| per_second(rate) > pages);
    let hours = (!rules.hours.is_empty()).then(|| match scenario.ruled.open.clock() {
        WindowClock::Campaign => "hours by the campaign's clock",
        WindowClock::Recipient => "hours by the recipients' clocks",
    });
    let others = [
        is_above.then_some("rate of a campaign above its pages'"),
        hours,
        (limits.len() >= 3).then_some("three limits and more"),
        (limits.len() >= 2 && hours.is_some()).then_some("two limits and hours"),
        (scenario.ruled.quotas.len() >= 2).then_some("two quotas"),
        (scenario.ruled.commands > 0 && !limits.is_empty()).then_some("limits and persons"),
    ];
    limits.into_iter().chain(others.into_iter().flatten()).collect()
}

fn per_second(rate: &str) -> f64 {
    rate.parse::<Rate>().unwrap().per_second()
}

fn counted(seeds: impl Iterator<Item = BTreeSet<&'static str>>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    seeds.flatten().for_each(|kind| *counts.entry(kind).or_default() += 1);
    counts
}

const KINDS: [&str; 16] = [
    "rate of a page",
    "day of a page",
    "rate of a campaign",
    "rate of a campaign above its pages'",
    "day of a campaign",
    "rate of a pair",
    "rate of several pages",
    "day of several pages",
    "rate of a tenant",
    "day of a tenant",
    "hours by the campaign's clock",
    "hours by the recipients' clocks",
    "three limits and more",
    "two limits and hours",
    "two quotas",
    "limits and persons",
];

#[test]
fn g4_g5_each_kind_of_rule_is_in_some_dozens_of_a_thousand_seeds() {
    let scenarios: Vec<Scenario> = (0..1_000).map(scenario).collect();
    let counts = counted(scenarios.iter().map(kinds));
    for kind in KINDS {
        assert!(counts.get(kind).is_some_and(|seeds| *seeds >= SEEDS_MIN), "{kind}: {counts:#?}");
    }
    let ruled = scenarios.iter().filter(|scenario| scenario.ruled != Ruled::default()).count();
    assert!((700..800).contains(&ruled), "about three quarters have rules: {ruled}");
}

/// Whether what happened in the seeds of a run was worth judging. `seen`, of each seed: the limits that were reached,
/// and what persons changed.
pub(crate) fn assert_worth_judging(seen: impl Iterator<Item = BTreeSet<&'static str>>) {
    let counts = counted(seen);
    let limits = KINDS.into_iter().filter(|kind| kind.starts_with("rate of") || kind.starts_with("day of"));
    let reached = limits.filter(|kind| !kind.ends_with("its pages'"));
    for kind in reached.chain(CHANGED) {
        assert!(counts.get(kind).is_some_and(|seeds| *seeds >= REACHED_MIN), "{kind}: {counts:#?}");
    }
}

/// What persons changed, and their answers came.
const CHANGED: [&str; 7] = [
    "another rate of pages",
    "another quota",
    "another rate",
    "another day",
    "another pair",
    "other hours",
    "held",
];

/// Which of it became of a run.
pub(crate) fn changed(given: &Given) -> BTreeSet<&'static str> {
    let is_answered = [
        !given.page_rates.is_empty(),
        !given.quota_rates.is_empty(),
        given.rates.iter().any(|change| change.acknowledged.is_some()),
        given.daily.iter().any(|change| change.acknowledged.is_some()),
        given.pairs.iter().any(|change| change.acknowledged.is_some()),
        given.open.iter().any(|change| change.acknowledged.is_some()),
        !given.held.is_empty(),
    ];
    CHANGED
        .into_iter()
        .zip(is_answered)
        .filter_map(|(name, is_answered)| is_answered.then_some(name))
        .collect()
}
