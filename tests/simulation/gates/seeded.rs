//! The rules of a seed, and what of them the judge is told.

use super::judge::{Change, Limit, Rulebook, Scope};
use super::person::Given;
use crate::cluster::Scenario;
use sluice_core::quota::Quota;
use sluice_core::rate::Rate;
use sluice_schemas::{OpenHours, Rules, SendWindow, WindowClock};
use std::collections::BTreeMap;
use std::time::Duration;

/// The timers of the runtime count in ms.
const TIMER: Duration = Duration::from_millis(2);

/// The pages that a quota is over; others have none.
pub(crate) const QUOTA_PAGES: [&str; 2] = ["page-1", "page-2"];

/// What a seed's campaign has to keep, beside the rate of its pages.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ruled {
    pub(crate) rate: Option<&'static str>,
    pub(crate) pair: Option<&'static str>,
    pub(crate) daily: Option<u64>,
    /// Of [`QUOTA_PAGES`] together.
    pub(crate) quota: Option<&'static str>,
    /// Minutes after the start of the world in which it is open; the last hours never end.
    pub(crate) open: Vec<(u64, u64)>,
    /// What persons do meanwhile.
    pub(crate) commands: u32,
}

/// So many minutes after the start of the world, which is at 09:00 UTC on a Monday.
fn clock(minutes: u64) -> String {
    let of_day = (9 * 60 + minutes).min(24 * 60);
    format!("{:02}:{:02}", of_day / 60, of_day % 60)
}

fn parsed(rate: &str) -> Rate {
    rate.parse().unwrap()
}

impl Ruled {
    /// Different combinations for different seeds.
    pub(crate) fn of(seed: u64) -> Self {
        let draw = seed / 4;
        let rates = ["3/s", "90/min", "40/min", "5/s"];
        let daily = 12 + draw % 11;
        let open = [vec![(0, 1), (2, 3), (4, 900)], vec![(1, 2), (3, 900)]];
        let open = &open[(draw % 2) as usize];
        let one_in = |of: u64, rest: u64| draw % of == rest;
        Self {
            rate: (!one_in(4, 3)).then_some(rates[(draw / 4 % 4) as usize]),
            pair: None,
            daily: one_in(5, 1).then_some(daily),
            quota: one_in(3, 2).then_some(["20/min", "1/s", "45/min"][(draw / 3 % 3) as usize]),
            open: if one_in(3, 1) { open.clone() } else { Vec::new() },
            commands: (draw % 7) as u32,
        }
    }

    /// As processes are configured whose clocks are off by up to `skew_ms_max`, to either side.
    pub(crate) fn quotas(&self, skew_ms_max: u64) -> BTreeMap<String, Quota> {
        let quota = |rate: &str| Quota {
            rate: Some(parsed(rate)),
            pages: QUOTA_PAGES.map(str::to_owned).to_vec(),
            clock_skew_ms: 2 * skew_ms_max,
            ..Quota::default()
        };
        self.quota.map(|rate| ("portfolio".to_owned(), quota(rate))).into_iter().collect()
    }

    /// As a launch says it.
    pub(crate) fn rules(&self) -> Rules {
        let hours =
            |(from, to): &(u64, u64)| OpenHours { days: Vec::new(), from: clock(*from), to: clock(*to) };
        let open: Vec<OpenHours> = self.open.iter().map(hours).collect();
        let window = SendWindow { open, clock: WindowClock::Campaign, closed_on: Vec::new() };
        Rules {
            window: (!self.open.is_empty()).then_some(window),
            daily_send_limit: self.daily.map(|limit| limit as i64),
            pair_rate: self.pair.map(str::to_owned),
            ..Rules::default()
        }
    }
}

/// What calls had to keep in a run in which persons did this.
pub(crate) fn rulebook(scenario: &Scenario, given: &Given) -> Rulebook {
    let constant = |scope, rate: &str| {
        let rate = parsed(rate);
        let history = vec![Change::launched(Some(rate.count.get()))];
        Limit { scope, per: rate.per.window(), history }
    };
    let ruled = &scenario.ruled;
    let mut limits: Vec<Limit> = scenario.page_rate.iter().map(|rate| constant(Scope::Page, rate)).collect();
    limits.extend(ruled.quota.iter().map(|rate| constant(Scope::Pages(&QUOTA_PAGES), rate)));
    limits.extend(ruled.pair.iter().map(|rate| constant(Scope::Pair, rate)));
    limits.extend(ruled.rate.iter().map(|rate| {
        let mut limit = constant(Scope::Campaign, rate);
        limit.history.extend(&given.rates);
        limit
    }));
    limits.extend(ruled.daily.map(|count| {
        let launched = Change::launched(Some(count));
        let history = std::iter::once(launched).chain(given.daily.iter().copied()).collect();
        Limit { scope: Scope::Day, per: Duration::from_secs(86_400), history }
    }));
    let minute = |minute: u64| Duration::from_secs(60 * minute);
    Rulebook {
        way: Duration::from_millis(scenario.provider.latency_ms_max) + TIMER,
        skew: Duration::from_millis(scenario.faults.skew_ms_max),
        limits,
        open: ruled.open.iter().map(|(from, to)| (minute(*from), minute(*to))).collect(),
        held: given.held.clone(),
    }
}
