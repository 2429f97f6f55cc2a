//! When sends will have been made: the gate simulated forward with everything else that their pages send. Pure.
//!
//! One way for what is launched ([`super::finish`]) and for what may be ([`super::preview`]), so that both say the same.

use super::quotas::QuotaUse;
use super::stored::{Stored, Waiting};
use crate::page::facts::PageLimits;
use crate::view::numbers::thousands;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sluice_core::forecast::{
    CampaignForecast, CampaignLoad, ClassLoad, DailyLimit, Forecast, Limit, PageLoad, PartAbove, forecast,
};
use sluice_core::gate::CampaignGate;
use sluice_core::ledger::Scope;
use sluice_core::quota::Kind;
use sluice_core::rate::Rate;
use sluice_core::row::time_zone;
use sluice_core::share::ShareOptions;
use sluice_core::usage::DailyUse;
use sluice_core::window::Window;
use sluice_core::{CampaignRow, LedgerBody, PageId, moment};
use std::collections::{BTreeMap, HashMap};

/// Calls a second of a page without a limit of its own: what a provider that answers within 100 ms takes over a
/// hundred connections. Said beside the estimate.
pub const UNLIMITED_PER_SECOND: f64 = 1_000.0;

/// A campaign and its sends that wait.
#[derive(Debug, Clone)]
pub struct Sends {
    /// As it is, or as it would be launched.
    pub row: CampaignRow,
    /// Those of each page that has some.
    pub waiting: BTreeMap<PageId, Waiting>,
}

impl Sends {
    /// Of a campaign that is there: who waits for a call.
    pub fn of(stored: &Stored) -> Self {
        Self { row: stored.row.clone(), waiting: stored.callable() }
    }

    fn waiting_on(&self, page: &PageId) -> u64 {
        self.waiting.get(page).map_or(0, |classes| classes.values().sum())
    }
}

/// A page as it is now.
#[derive(Debug, Clone, Default)]
pub struct PageNow {
    /// Its own limits.
    pub limits: PageLimits,
    /// What its ledger has: the use of its day.
    pub body: Option<LedgerBody>,
    /// Its provider wants nothing before, in ms since 1970.
    pub waits_until_ms: Option<i64>,
    /// It waits for a person, and why.
    pub held: Option<String>,
    /// Its speed while its provider wants it slower, in percent of the full one.
    pub speed_percent: Option<u32>,
}

impl PageNow {
    /// Calls a second.
    fn per_second(&self) -> f64 {
        let own = self.limits.rate.map(Rate::per_second);
        let Some(percent) = self.speed_percent else { return own.unwrap_or(UNLIMITED_PER_SECOND) };
        let measured =
            self.body.as_ref().and_then(|body| body.pace()).map(|pace| pace.full_per_1000_s as f64);
        let full = own.or(measured.map(|full| full / 1_000.0)).unwrap_or(UNLIMITED_PER_SECOND);
        full * f64::from(percent) / 100.0
    }

    /// `page shop's 80/s`.
    fn rate_says(&self, page: &PageId) -> String {
        match (self.speed_percent, self.limits.rate) {
            (Some(percent), Some(rate)) => format!("page {page}, slowed to {percent} % of its {rate}"),
            (Some(percent), None) => format!("page {page}, slowed to {percent} % of its speed"),
            (None, Some(rate)) => format!("page {page}'s {rate}"),
            (None, None) => format!("page {page}, of which {UNLIMITED_PER_SECOND}/s are assumed"),
        }
    }
}

/// What else there is on the pages of a campaign, and what limits them.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Campaigns that run on its pages as well.
    pub others: Vec<Sends>,
    /// Its pages; one that is missing has no limit.
    pub pages: BTreeMap<PageId, PageNow>,
    /// Limits above pages, with their use.
    pub quotas: Vec<QuotaUse>,
    /// What lower priorities keep of a page.
    pub shares: ShareOptions,
}

/// Sends with the places of their pages in the launch, of which there may be thousands.
struct Placed<'a> {
    of: &'a Sends,
    places: HashMap<&'a str, usize>,
}

impl<'a> Placed<'a> {
    fn new(of: &'a Sends) -> Self {
        let places = of.row.launch.pages.iter().enumerate().map(|(place, name)| (name.as_str(), place));
        Self { of, places: places.collect() }
    }
}

/// A campaign on one page, with all that its load borrows.
struct Part<'a> {
    row: &'a CampaignRow,
    gate: CampaignGate,
    classes: Vec<(u64, TimeZone, Option<Date>)>,
}

impl<'a> Part<'a> {
    fn of(sends: &Placed<'a>, page: &PageId) -> Option<Self> {
        let row = &sends.of.row;
        let (waiting, place) = (sends.of.waiting.get(page)?, *sends.places.get(page.as_str())?);
        let gate = CampaignGate::of(row, place).ok()?;
        let own = row.launch.time_zone.as_deref().and_then(time_zone).unwrap_or(TimeZone::UTC);
        let classes = waiting.iter().map(|(class, count)| {
            let zone = class.zone.as_deref().and_then(time_zone).unwrap_or_else(|| own.clone());
            (*count, zone, class.day.as_deref().and_then(moment::date))
        });
        let classes: Vec<_> = classes.collect();
        (!classes.is_empty()).then_some(Self { row, gate, classes })
    }

    fn load<'b>(
        &'b self,
        body: Option<&'b LedgerBody>,
        never: &'b DailyUse,
        always: &'b Window,
    ) -> CampaignLoad<'b> {
        let window = self.gate.rules.window.as_ref().unwrap_or(always);
        let class = |(remaining, zone, day): &'b (u64, TimeZone, Option<Date>)| ClassLoad {
            remaining: *remaining,
            window,
            zone,
            day: *day,
        };
        let used = body.and_then(|body| body.used(Scope::Campaign(self.row.id))).unwrap_or(never);
        let starts_ms = self.row.awaits_start.then_some(self.row.starts_at_ms);
        CampaignLoad {
            campaign: self.row.id,
            priority: self.gate.rules.priority,
            per_second: self.gate.rate.map(Rate::per_second),
            daily: self.gate.daily.map(|cap| DailyLimit { cap, used }),
            start_at_ms: starts_ms.or(self.gate.rules.start_at_ms),
            end_at_ms: self.gate.rules.end_at_ms,
            classes: self.classes.iter().map(class).collect(),
        }
    }
}

/// What of each quota the sends of each page get: as much as they are of all that it covers, so that pages end together
/// where a quota is what limits them.
struct Above<'a> {
    quotas: &'a [QuotaUse],
    /// By quota: the sends of all pages that it covers.
    waiting: Vec<u64>,
    tenant: &'a str,
    now_ms: i64,
}

impl<'a> Above<'a> {
    fn new(quotas: &'a [QuotaUse], target: &'a Sends, on: &BTreeMap<&PageId, u64>, now_ms: i64) -> Self {
        let tenant = target.row.launch.tenant.as_str();
        let all = |used: &QuotaUse| {
            let covered = on.iter().filter(|(page, _)| used.quota.covers(page.as_str(), tenant));
            covered.map(|(_, count)| count).sum()
        };
        Self { quotas, waiting: quotas.iter().map(all).collect(), tenant, now_ms }
    }

    /// One part for each quota, without limits where it does not cover the page.
    fn of(&self, page: &PageId, waiting: u64) -> Vec<PartAbove> {
        let part = |(used, all): (&QuotaUse, &u64)| match used.quota.covers(page.as_str(), self.tenant) {
            true => used.part(waiting as f64 / (*all).max(1) as f64, self.now_ms),
            false => PartAbove::default(),
        };
        self.quotas.iter().zip(&self.waiting).map(part).collect()
    }
}

/// When a campaign ends, on each page and as a whole.
#[derive(Debug)]
pub struct Estimate<'a> {
    /// By the gate.
    pub forecast: CampaignForecast,
    row: &'a CampaignRow,
    circumstances: &'a Circumstances,
}

/// When the sends of `target` will have been made; whoever runs beside it is in `circumstances`.
pub fn estimate<'a>(target: &'a Sends, circumstances: &'a Circumstances, now_ms: i64) -> Estimate<'a> {
    let (never, always, plain) = (DailyUse::new(), Window::always(), PageNow::default());
    let own = Placed::new(target);
    let others: Vec<Placed<'_>> = circumstances.others.iter().map(Placed::new).collect();
    let parts: BTreeMap<&PageId, Vec<Part<'_>>> = target
        .waiting
        .keys()
        .filter_map(|page| {
            let own = Part::of(&own, page)?;
            let others = others.iter().filter_map(|other| Part::of(other, page));
            Some((page, [own].into_iter().chain(others).collect()))
        })
        .collect();
    let waiting_on = |page: &PageId| {
        let others: u64 = circumstances.others.iter().map(|other| other.waiting_on(page)).sum();
        target.waiting_on(page) + others
    };
    let on: BTreeMap<&PageId, u64> = parts.keys().map(|page| (*page, waiting_on(page))).collect();
    let above = Above::new(&circumstances.quotas, target, &on, now_ms);
    let mut loads: Vec<PageLoad<'_>> = Vec::with_capacity(parts.len());
    for (&page, parts) in &parts {
        let now = circumstances.pages.get(page).unwrap_or(&plain);
        let used = now.body.as_ref().and_then(|body| body.used(Scope::Page)).unwrap_or(&never);
        loads.push(PageLoad {
            page: page.clone(),
            per_second: now.per_second(),
            waits_until_ms: now.waits_until_ms,
            daily: now.limits.daily.map(|cap| DailyLimit { cap: cap.0.get(), used }),
            above: above.of(page, on[page]),
            shares: circumstances.shares,
            campaigns: parts.iter().map(|part| part.load(now.body.as_ref(), &never, &always)).collect(),
        });
    }
    let forecast = forecast(&loads, target.row.id, now_ms);
    Estimate { forecast, row: &target.row, circumstances }
}

impl Estimate<'_> {
    /// The page that ends last.
    pub fn last(&self) -> Option<&(PageId, Forecast)> {
        self.forecast.pages.iter().max_by_key(|(_, of)| of.ends_ms.unwrap_or(i64::MAX))
    }

    /// The limit of the whole for people, with what the estimate does not know: who comes twice, and when the page called
    /// them last.
    pub fn says_of_whole(&self, limit: Limit, page: &PageId) -> String {
        let pairs = match self.row.rules().pair_rate {
            Some(_) => "; who waits for its pair rate is not counted",
            None => "",
        };
        format!("{}{pairs}", self.says(limit, page))
    }

    /// A limit for people: `its window`, `page shop's 80/s`, `quota acme's 100/s`.
    pub fn says(&self, limit: Limit, page: &PageId) -> String {
        let plain = PageNow::default();
        let now = self.circumstances.pages.get(page).unwrap_or(&plain);
        match limit {
            Limit::Done => "nothing".to_owned(),
            Limit::StartAt => "its start".to_owned(),
            Limit::SendDate => "the days of its recipients".to_owned(),
            Limit::Window => "its window".to_owned(),
            Limit::CampaignRate => format!("its {}", self.row.rate().unwrap_or("rate")),
            Limit::CampaignDaily => {
                let cap = self.row.rules().daily_send_limit.unwrap_or_default();
                format!("its {} in 24 h", thousands(u64::try_from(cap).unwrap_or_default()))
            }
            Limit::PageRate => now.rate_says(page),
            Limit::PageDaily => match now.limits.daily {
                Some(cap) => format!("page {page}'s {cap}"),
                None => format!("page {page}'s daily limit"),
            },
            Limit::PageWait => format!("page {page}, which waits as its provider asked"),
            Limit::AboveRate(place) => self.quota_says(place, Kind::Rate),
            Limit::AboveDaily(place) => self.quota_says(place, Kind::Daily),
            Limit::OtherCampaigns => format!("other campaigns of page {page}"),
            Limit::EndAt => "its end, which comes before all are called".to_owned(),
        }
    }

    fn quota_says(&self, place: usize, kind: Kind) -> String {
        let used = self.circumstances.quotas.get(place);
        used.map_or_else(|| "a quota".to_owned(), |used| used.limit_says(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::super::quotas::tests::used;
    use super::super::stored::tests::{row, stored};
    use super::*;

    /// 2026-06-01, a Monday.
    const NOON: i64 = 1_780_315_200_000;

    fn sends(rules: &str, waiting: &[(&str, u32)]) -> Sends {
        Sends::of(&stored(row("null", rules), waiting))
    }

    fn minutes(estimate: &Estimate<'_>) -> Option<i64> {
        estimate.forecast.whole.ends_ms.map(|ends_ms| (ends_ms - NOON + 30_000) / 60_000)
    }

    fn last_says(estimate: &Estimate<'_>) -> String {
        let (page, of) = estimate.last().unwrap();
        estimate.says(of.limited_by, page)
    }

    #[test]
    fn a7_b6_a_slowed_page_is_taken_at_its_present_speed_and_one_that_waits_goes_on_after_it() {
        let limits = PageLimits { rate: "10/s".parse().ok(), daily: None };
        let page = PageNow { limits, speed_percent: Some(50), ..PageNow::default() };
        let of = |page: PageNow| Circumstances {
            pages: BTreeMap::from([(PageId::from("a"), page)]),
            ..Circumstances::default()
        };
        let target = sends("{}", &[("a", 18_000)]);
        let slowed = of(page.clone());
        let slowed = estimate(&target, &slowed, NOON);
        assert_eq!(
            (minutes(&slowed), last_says(&slowed).as_str()),
            (Some(60), "page a, slowed to 50 % of its 10/s")
        );
        let waits = of(PageNow { waits_until_ms: Some(NOON + 7_200_000), speed_percent: None, ..page });
        let waits = estimate(&target, &waits, NOON);
        assert_eq!(
            (minutes(&waits), last_says(&waits).as_str()),
            (Some(150), "page a, which waits as its provider asked")
        );
    }

    #[test]
    fn a7_b2_the_pages_of_a_quota_get_their_parts_of_what_is_free_of_it() {
        let target = sends("{}", &[("a", 3_000), ("b", 6_000)]);
        let mut quota = used(Some("10/s"), None, 0);
        quota.quota.pages = vec!["a".to_owned(), "b".to_owned()];
        let under =
            |quota: &QuotaUse| Circumstances { quotas: vec![quota.clone()], ..Circumstances::default() };
        let rate = under(&quota);
        let found = estimate(&target, &rate, NOON);
        // 9,000 at nearly 10/s, on both pages to the end.
        assert_eq!((minutes(&found), last_says(&found).as_str()), (Some(16), "quota acme's 10/s"));
        let ends = |page: usize| found.forecast.pages[page].1.ends_ms.unwrap();
        assert!((ends(0) - ends(1)).abs() < 1_000);
        // 10,000 a day, 4,000 of which are used: the rest waits for the next day.
        let mut daily = used(None, Some("10000/day"), 4_000);
        daily.quota.pages = quota.quota.pages;
        let day = under(&daily);
        let found = estimate(&target, &day, NOON);
        assert_eq!(last_says(&found), "quota acme's 10000/day");
        assert!((24 * 60..24 * 60 + 20).contains(&minutes(&found).unwrap()), "{found:?}");
        let little = sends("{}", &[("a", 2_000), ("b", 4_000)]);
        assert!(minutes(&estimate(&little, &day, NOON)).unwrap() < 1, "enough of the day is free");
    }

    #[test]
    fn a7_b4_campaigns_beside_it_take_their_part_until_they_end() {
        let limits = PageLimits { rate: "10/s".parse().ok(), daily: None };
        let mut other = sends("{}", &[("a", 6_000)]);
        other.row.id = sluice_core::CampaignId::of("default", "other");
        let beside = Circumstances {
            others: vec![other],
            pages: BTreeMap::from([(PageId::from("a"), PageNow { limits, ..PageNow::default() })]),
            ..Circumstances::default()
        };
        let target = sends("{}", &[("a", 12_000)]);
        // 20 minutes half of the page, then all of it for 10.
        let found = estimate(&target, &beside, NOON);
        assert_eq!((minutes(&found), last_says(&found).as_str()), (Some(30), "other campaigns of page a"));
    }
}
