//! One page, simulated from one change to the next.

use super::daily::{DailyFlow, NOTHING};
use super::flow::{Wish, divide};
use super::{CampaignLoad, ClassLoad, Forecast, HORIZON_MS, Limit, PageLoad};
use crate::ids::CampaignId;
use crate::moment;
use crate::window::Opening;
use std::collections::BTreeMap;

mod blocks;

use blocks::Blocks;

/// Steps at most: some years of a page on which something changes each hour.
const STEPS_MAX: u32 = 50_000;

/// The end of a campaign's part on a page.
pub(super) fn forecast(load: &PageLoad<'_>, campaign: CampaignId, now_ms: i64) -> Forecast {
    let mut page = Page::new(load, now_ms);
    let Some(target) = load.campaigns.iter().position(|of| of.campaign == campaign) else {
        return Forecast::by(Limit::Done, Some(now_ms));
    };
    // A start that is far ahead is no wait without an end.
    let starts_ms = load.campaigns[target].start_at_ms.unwrap_or(now_ms).max(now_ms);
    let horizon_ms = starts_ms.saturating_add(HORIZON_MS);
    let mut blocks = Blocks::new(&page, horizon_ms);
    for _ in 0..STEPS_MAX {
        page.look();
        let end_at_ms = page.campaigns[target].load.end_at_ms;
        if page.campaigns[target].is_done() {
            return page.ends(page.now_ms);
        }
        if let Some(end_ms) = end_at_ms.filter(|end_ms| *end_ms <= page.now_ms) {
            return Forecast::by(Limit::EndAt, Some(end_ms.max(now_ms)));
        }
        let limit = page.limit_of(target);
        let Some(turns_ms) = page.turns_ms() else { return Forecast::by(limit, None) };
        page.flow(turns_ms.min(blocks.end_ms()), limit);
        if page.now_ms >= blocks.end_ms() && !blocks.finish(&mut page) || page.now_ms > horizon_ms {
            return Forecast::by(limit, None);
        }
    }
    Forecast::by(page.limit_of(target), None)
}

/// A page on its way. Times in ms since 1970, rates in calls a ms.
#[derive(Debug)]
struct Page<'a> {
    load: &'a PageLoad<'a>,
    now_ms: i64,
    /// The least of its own rate and those above it.
    per_ms: f64,
    /// Which of them that is.
    narrowest: Limit,
    /// Its own limit of 24 hours and those above it.
    daily: Vec<(Limit, DailyFlow)>,
    campaigns: Vec<Campaign<'a>>,
    /// What each campaign has of the page, in their order.
    rates: Vec<f64>,
    wishes: Vec<Wish>,
    /// How long the campaign in question waited for what, in ms.
    held: BTreeMap<Limit, i64>,
}

#[derive(Debug)]
struct Campaign<'a> {
    load: &'a CampaignLoad<'a>,
    daily: Option<DailyFlow>,
    classes: Vec<Class<'a>>,
}

#[derive(Debug)]
struct Class<'a> {
    load: &'a ClassLoad<'a>,
    remaining: f64,
    opening: Opening,
    /// Whether its day lies ahead.
    waits_for_day: bool,
}

impl Class<'_> {
    fn has_more(&self) -> bool {
        self.remaining > NOTHING
    }

    fn may_call(&self) -> bool {
        self.has_more() && self.opening.is_open()
    }
}

impl Campaign<'_> {
    fn is_done(&self) -> bool {
        !self.classes.iter().any(Class::has_more)
    }

    fn calling(&self) -> usize {
        self.classes.iter().filter(|class| class.may_call()).count()
    }

    /// Its own limits.
    fn rate_max(&self, now_ms: i64) -> f64 {
        let own = self.load.per_second.map_or(f64::INFINITY, |per_second| per_second / 1_000.0);
        own.min(self.daily_max(now_ms).unwrap_or(f64::INFINITY))
    }

    fn daily_max(&self, now_ms: i64) -> Option<f64> {
        self.daily.as_ref()?.inflow_max(now_ms)
    }
}

impl<'a> Page<'a> {
    fn new(load: &'a PageLoad<'a>, now_ms: i64) -> Self {
        let class = |load: &'a ClassLoad<'a>| Class {
            load,
            remaining: load.remaining as f64,
            opening: Opening::Closed { opens_ms: Some(now_ms) },
            waits_for_day: false,
        };
        let campaign = |load: &'a CampaignLoad<'a>| Campaign {
            load,
            daily: load.daily.map(|limit| DailyFlow::new(&limit, now_ms)),
            classes: load.classes.iter().map(class).collect(),
        };
        let mut rate = (load.per_second, Limit::PageRate);
        let own = load.daily.map(|limit| (Limit::PageDaily, DailyFlow::new(&limit, now_ms)));
        let mut daily: Vec<(Limit, DailyFlow)> = own.into_iter().collect();
        for (place, part) in load.above.iter().enumerate() {
            if let Some(per_second) = part.per_second.filter(|per_second| *per_second < rate.0) {
                rate = (per_second, Limit::AboveRate(place));
            }
            daily.extend(part.daily.iter().map(|part| (Limit::AboveDaily(place), DailyFlow::of(part))));
        }
        Self {
            load,
            now_ms,
            per_ms: rate.0 / 1_000.0,
            narrowest: rate.1,
            daily,
            campaigns: load.campaigns.iter().map(campaign).collect(),
            rates: Vec::new(),
            wishes: Vec::new(),
            held: BTreeMap::new(),
        }
    }

    /// Finds out what may be called now and how fast.
    fn look(&mut self) {
        let now_ms = self.now_ms;
        for campaign in &mut self.campaigns {
            let starts_ms = campaign.load.start_at_ms.unwrap_or(now_ms);
            let is_over = campaign.load.end_at_ms.is_some_and(|end_ms| end_ms <= now_ms);
            for class in campaign.classes.iter_mut().filter(|class| class.has_more()) {
                if is_over {
                    class.opening = Opening::Closed { opens_ms: None };
                } else if now_ms < starts_ms {
                    class.opening = Opening::Closed { opens_ms: Some(starts_ms) };
                } else if class.opening.turns_ms().is_some_and(|turns_ms| turns_ms <= now_ms) {
                    let ClassLoad { window, zone, day, .. } = class.load;
                    class.opening = window.at_day(zone, *day, now_ms);
                    class.waits_for_day = day.is_some_and(|day| now_ms < moment::day_start_ms(day, zone));
                }
            }
        }
        self.wishes.clear();
        self.wishes.extend(self.campaigns.iter().map(|campaign| Wish {
            priority: campaign.load.priority,
            max: if campaign.calling() > 0 { campaign.rate_max(now_ms) } else { 0.0 },
        }));
        divide(self.rate_max(), self.load.shares, &self.wishes, &mut self.rates);
    }

    fn rate_max(&self) -> f64 {
        if self.waits_until_ms().is_some() {
            return 0.0;
        }
        self.per_ms.min(self.daily_max().map_or(f64::INFINITY, |(_, max)| max)).max(0.0)
    }

    /// Its provider lets nothing through until then.
    fn waits_until_ms(&self) -> Option<i64> {
        self.load.waits_until_ms.filter(|until_ms| *until_ms > self.now_ms)
    }

    /// The limit of 24 hours that lets the least through, where one is used up.
    fn daily_max(&self) -> Option<(Limit, f64)> {
        let full =
            self.daily.iter().filter_map(|(limit, flow)| Some((*limit, flow.inflow_max(self.now_ms)?)));
        full.min_by(|(_, left), (_, right)| left.total_cmp(right))
    }

    /// The first change ahead; `None`: nothing changes any more.
    fn turns_ms(&self) -> Option<i64> {
        let now_ms = self.now_ms;
        let after = |wait_ms: f64| now_ms.saturating_add((wait_ms.ceil() as i64).max(1));
        let mut turns_ms = self.waits_until_ms();
        let mut earliest = |turn_ms: Option<i64>| {
            turns_ms = [turns_ms, turn_ms].into_iter().flatten().min();
        };
        for (_, daily) in &self.daily {
            earliest(daily.turns_ms(self.rates.iter().sum(), now_ms));
        }
        for (campaign, rate) in self.campaigns.iter().zip(&self.rates) {
            let each = rate / campaign.calling().max(1) as f64;
            for class in campaign.classes.iter().filter(|class| class.has_more()) {
                earliest(class.opening.turns_ms());
                earliest((class.may_call() && each > 0.0).then(|| after(class.remaining / each)));
            }
            if !campaign.is_done() {
                earliest(campaign.daily.as_ref().and_then(|daily| daily.turns_ms(*rate, now_ms)));
                earliest(campaign.load.end_at_ms.filter(|end_ms| *end_ms > now_ms));
            }
        }
        turns_ms
    }

    /// Goes on to `to_ms`, which is not after the next change.
    fn flow(&mut self, to_ms: i64, limit: Limit) {
        let (now_ms, passed_ms) = (self.now_ms, to_ms - self.now_ms);
        for (_, daily) in &mut self.daily {
            daily.flow(self.rates.iter().sum(), now_ms, to_ms);
        }
        for (campaign, rate) in self.campaigns.iter_mut().zip(&self.rates) {
            if let Some(daily) = &mut campaign.daily {
                daily.flow(*rate, now_ms, to_ms);
            }
            let each = rate / campaign.calling().max(1) as f64;
            for class in campaign.classes.iter_mut().filter(|class| class.may_call()) {
                class.remaining = (class.remaining - each * passed_ms as f64).max(0.0);
            }
        }
        *self.held.entry(limit).or_default() += passed_ms;
        self.now_ms = to_ms;
    }

    /// What holds a campaign up just now.
    fn limit_of(&self, at: usize) -> Limit {
        let campaign = &self.campaigns[at];
        if campaign.calling() == 0 {
            let mut waiting = campaign.classes.iter().filter(|class| class.has_more());
            return match campaign.load.start_at_ms {
                Some(start_ms) if self.now_ms < start_ms => Limit::StartAt,
                _ if waiting.all(|class| class.waits_for_day) => Limit::SendDate,
                _ => Limit::Window,
            };
        }
        if self.waits_until_ms().is_some() {
            return Limit::PageWait;
        }
        let reaches = |max: Option<f64>| max.is_some_and(|max| self.rates[at] >= max * (1.0 - 1e-9));
        let others: f64 = self.rates.iter().sum::<f64>() - self.rates[at];
        if reaches(campaign.daily_max(self.now_ms)) {
            Limit::CampaignDaily
        } else if reaches(campaign.load.per_second.map(|per_second| per_second / 1_000.0)) {
            Limit::CampaignRate
        } else if let Some((limit, _)) = self.daily_max() {
            limit
        } else if others > NOTHING / 1_000.0 {
            Limit::OtherCampaigns
        } else {
            self.narrowest
        }
    }

    fn ends(&self, ends_ms: i64) -> Forecast {
        let most = |counts: fn(Limit) -> bool| {
            let held = self.held.iter().filter(|(limit, _)| counts(**limit));
            let most = held.max_by_key(|(limit, held_ms)| (**held_ms, std::cmp::Reverse(**limit)));
            most.map_or(Limit::Done, |(limit, _)| *limit)
        };
        let (limited_by, then_limited_by) = (most(|_| true), most(|limit| limit != Limit::StartAt));
        Forecast { ends_ms: Some(ends_ms), limited_by, then_limited_by }
    }
}
