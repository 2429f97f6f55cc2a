//! The rules of a seed, and what of them the judge is told.

use super::history::Change;
use super::judge::{DAY, Limit, Rulebook, Scope};
use super::open::OpenTimes;
use super::person::Given;
use crate::cluster::{CAMPAIGN, Scenario, TENANT};
use sluice_core::CampaignId;
use sluice_core::quota::Quota;
use sluice_core::rate::{PerDay, Rate};
use sluice_schemas::{Rules, WindowClock};
use sluice_simulation::{ProviderFaults, Random};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

/// The timers of the runtime count in ms.
const TIMER: Duration = Duration::from_millis(2);

/// The pages that a quota is over; others have none.
pub(crate) const QUOTA_PAGES: [&str; 2] = ["page-1", "page-2"];

/// What a seed's campaign has to keep, beside the limits of its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ruled {
    pub(crate) rate: Option<&'static str>,
    /// Calls in a minute.
    pub(crate) pair: Option<u64>,
    pub(crate) daily: Option<u64>,
    pub(crate) quotas: Vec<QuotaRule>,
    pub(crate) open: OpenTimes,
    /// What persons do meanwhile.
    pub(crate) commands: u32,
}

/// A limit above pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuotaRule {
    pub(crate) over: Over,
    pub(crate) rate: Option<&'static str>,
    pub(crate) daily: Option<u64>,
}

/// What a quota is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// [`QUOTA_PAGES`].
    Pages,
    /// [`TENANT`].
    Tenant,
}

impl Default for Ruled {
    fn default() -> Self {
        Self { rate: None, pair: None, daily: None, quotas: Vec::new(), open: OpenTimes::Always, commands: 0 }
    }
}

fn parsed(rate: &str) -> Rate {
    rate.parse().unwrap()
}

fn one_of<T: Clone>(random: &mut Random, of: &[T]) -> T {
    of[random.below(of.len() as u64) as usize].clone()
}

impl QuotaRule {
    /// Calls of several pages.
    pub(crate) fn of_pages(rate: &'static str) -> Self {
        Self { over: Over::Pages, rate: Some(rate), daily: None }
    }

    fn drawn(random: &mut Random, over: Over) -> Self {
        let rate = one_of(random, &["8/min", "10/min", "12/min", "1/s"]);
        let daily = random.between(6, 20);
        let (rate, daily) = match random.below(5) {
            0 | 1 => (Some(rate), None),
            2 | 3 => (None, Some(daily)),
            _ => (Some(rate), Some(daily)),
        };
        Self { over, rate, daily }
    }

    fn scope(&self) -> Scope {
        match self.over {
            Over::Pages => Scope::Pages(&QUOTA_PAGES),
            Over::Tenant => Scope::Tenant(CampaignId::of(TENANT, CAMPAIGN)),
        }
    }

    /// As processes are configured whose clocks are off by up to `skew_ms_max`, to either side.
    fn configured(&self, skew_ms_max: u64) -> Quota {
        let (pages, tenants) = match self.over {
            Over::Pages => (QUOTA_PAGES.map(str::to_owned).to_vec(), Vec::new()),
            Over::Tenant => (Vec::new(), vec![TENANT.to_owned()]),
        };
        Quota {
            rate: self.rate.map(parsed),
            daily: self.daily.and_then(NonZeroU64::new).map(PerDay),
            pages,
            tenants,
            clock_skew_ms: 2 * skew_ms_max,
        }
    }
}

/// The same world with rules, and persons who change them: other combinations for other draws.
pub(crate) fn ruled(free: Scenario, random: &mut Random) -> Scenario {
    // The judge sees when calls arrive: the longer their way, the more it has to let pass.
    let latency_ms_max = one_of(random, &[0, 20, 0, 300]);
    let mut one_in = |of: u64| random.below(of) == 0;
    let (is_page_capped, is_capped, is_paired) = (one_in(6), one_in(5), one_in(4));
    let quotas: &[Over] = match random.below(20) {
        0..3 => &[Over::Pages],
        3..6 => &[Over::Tenant],
        6 => &[Over::Pages, Over::Tenant],
        _ => &[],
    };
    let open = |clock: WindowClock, random: &mut Random| OpenTimes::chosen(clock, random.below(4), 0);
    let ruled = Ruled {
        rate: one_of(random, &[Some("3/s"), Some("90/min"), Some("40/min"), Some("5/s"), Some("30/s"), None]),
        pair: is_paired.then(|| one_of(random, &[1, 2, 6])),
        daily: is_capped.then(|| random.between(6, 14)),
        quotas: quotas.iter().map(|over| QuotaRule::drawn(random, *over)).collect(),
        open: match random.below(7) {
            0 | 1 => open(WindowClock::Campaign, random),
            2 => open(WindowClock::Recipient, random),
            _ => OpenTimes::Always,
        },
        commands: random.below(7) as u32,
    };
    Scenario {
        provider: ProviderFaults { latency_ms_max, ..free.provider },
        page_rate: one_of(random, &[Some("20/s"), Some("4/s"), Some("70/min"), None, None]),
        page_daily: is_page_capped.then(|| random.between(3, 9)),
        // Enough for every limit, few enough for a thousand seeds.
        rows: 20 + random.below(30),
        nodes: one_of(random, &[1, 1, 2, 2, 2, 2, 2, 3]),
        ruled,
        ..free
    }
}

/// What the quota of this place is configured as.
pub(crate) fn quota_name(place: usize) -> String {
    format!("portfolio-{place}")
}

impl Ruled {
    /// As processes are configured whose clocks are off by up to `skew_ms_max`, to either side.
    pub(crate) fn configured(&self, skew_ms_max: u64) -> BTreeMap<String, Quota> {
        let named = |(place, quota): (usize, &QuotaRule)| (quota_name(place), quota.configured(skew_ms_max));
        self.quotas.iter().enumerate().map(named).collect()
    }

    /// As a launch says it.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            window: self.open.window(),
            daily_send_limit: self.daily.map(|limit| limit as i64),
            pair_rate: self.pair.map(|count| format!("{count}/min")),
            ..Rules::default()
        }
    }
}

/// Whether a limit that persons can't lift may keep a scenario's campaign from its end.
pub(crate) fn is_capped_for_good(scenario: &Scenario) -> bool {
    scenario.page_daily.is_some() || scenario.ruled.quotas.iter().any(|quota| quota.daily.is_some())
}

fn constant(scope: Scope, rate: &str) -> Limit {
    let rate = parsed(rate);
    Limit { scope, per: rate.per.window(), history: vec![Change::launched(Some(rate.count.get()))] }
}

fn of_day(scope: Scope, count: u64) -> Limit {
    Limit { scope, per: DAY, history: vec![Change::launched(Some(count))] }
}

/// What calls had to keep in a run in which persons did this.
pub(crate) fn rulebook(scenario: &Scenario, given: &Given) -> Rulebook {
    let ruled = &scenario.ruled;
    let changed = |mut limit: Limit, changes: &[Change<Option<u64>>]| {
        limit.history.extend_from_slice(changes);
        limit
    };
    let pair = (ruled.pair.is_some() || !given.pairs.is_empty()).then(|| {
        let history = vec![Change::launched(ruled.pair)];
        changed(Limit { scope: Scope::Pair, per: Duration::from_secs(60), history }, &given.pairs)
    });
    let of_page = scenario.page_rate.map(|rate| changed(constant(Scope::Page, rate), &given.page_rates));
    let mut limits: Vec<Limit> = of_page.into_iter().collect();
    limits.extend(scenario.page_daily.map(|count| of_day(Scope::PageDay, count)));
    for (place, quota) in ruled.quotas.iter().enumerate() {
        let changes = given.quota_rates.get(&place).map_or(&[][..], Vec::as_slice);
        limits.extend(quota.rate.map(|rate| changed(constant(quota.scope(), rate), changes)));
        limits.extend(quota.daily.map(|count| of_day(quota.scope(), count)));
    }
    limits.extend(pair);
    limits.extend(ruled.rate.map(|rate| changed(constant(Scope::Campaign, rate), &given.rates)));
    limits.extend(ruled.daily.map(|count| changed(of_day(Scope::Day, count), &given.daily)));
    let open = (ruled.open != OpenTimes::Always || !given.open.is_empty())
        .then(|| [&[Change::launched(ruled.open.clone())], &given.open[..]].concat());
    let judged = |change: Change<OpenTimes>| Change {
        asked: change.asked,
        acknowledged: change.acknowledged,
        to: change.to.judged(scenario.rows),
    };
    Rulebook {
        way: Duration::from_millis(scenario.provider.latency_ms_max) + TIMER,
        skew: Duration::from_millis(scenario.faults.skew_ms_max),
        limits,
        hours: open.into_iter().flatten().map(judged).collect(),
        held: given.held.clone(),
    }
}
