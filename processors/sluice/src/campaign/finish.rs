//! When a campaign will have ended, by the gate simulated forward with everything else that its pages send. Pure.

use super::preview::UNLIMITED_PER_SECOND;
use super::quotas::flow_above;
use super::stored::Stored;
use crate::page::facts::PageLimits;
use crate::page::retries::Retries;
use crate::view::moment::at;
use crate::view::numbers::{counted, thousands};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sluice_core::forecast::{CampaignLoad, ClassLoad, DailyLimit, Limit, PageLoad, forecast};
use sluice_core::gate::CampaignGate;
use sluice_core::ledger::Scope;
use sluice_core::rate::Rate;
use sluice_core::row::time_zone;
use sluice_core::share::ShareOptions;
use sluice_core::usage::DailyUse;
use sluice_core::window::Window;
use sluice_core::{CampaignState, PageId, moment};
use sluice_runtime::ports::store::LedgerRow;
use sluice_schemas::Channel;

/// An estimate of a campaign's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finish {
    /// ms since 1970; `None`: not within ten years.
    pub ends_ms: Option<i64>,
    /// What holds it up most, as a word.
    pub limited_by: String,
    /// The same for people: `its window`, `page shop's 80/s`.
    pub says: String,
}

impl Finish {
    /// `about 2026-11-26 14:05 UTC, limited by its window`.
    pub fn sentence(&self, zone: Option<&str>) -> String {
        match self.ends_ms {
            Some(ends_ms) => format!("about {}, limited by {}", at(ends_ms, zone), self.says),
            None => format!("not within ten years, limited by {}", self.says),
        }
    }

    /// Of a campaign of which nobody is called before the next of these retries.
    pub fn after_retries(self, retries: &Retries) -> Self {
        match (self.ends_ms, retries.next_at_ms) {
            (Some(ends_ms), Some(next_ms)) if ends_ms < next_ms => Self {
                ends_ms: Some(next_ms),
                limited_by: "retries".to_owned(),
                says: counted(
                    retries.later,
                    "recipient who is tried again",
                    "recipients who are tried again",
                ),
            },
            _ => self,
        }
    }
}

/// A campaign on one page, with all that its load borrows.
struct Part<'a> {
    stored: &'a Stored,
    gate: CampaignGate,
    classes: Vec<(u64, TimeZone, Option<Date>)>,
}

impl<'a> Part<'a> {
    fn of(stored: &'a Stored, page: &PageId) -> Option<Self> {
        let row = &stored.row;
        let place = row.launch.pages.iter().position(|name| name == page.as_str())?;
        let gate = CampaignGate::of(row, place).ok()?;
        let own = row.launch.time_zone.as_deref().and_then(time_zone).unwrap_or(TimeZone::UTC);
        let classes = stored.callable_on(page).into_iter().map(|(class, count)| {
            let zone = class.zone.as_deref().and_then(time_zone).unwrap_or_else(|| own.clone());
            (count, zone, class.day.as_deref().and_then(moment::date))
        });
        let classes: Vec<_> = classes.collect();
        (!classes.is_empty()).then_some(Self { stored, gate, classes })
    }

    fn load<'b>(
        &'b self,
        used: Option<&'b DailyUse>,
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
        CampaignLoad {
            campaign: self.stored.row.id,
            priority: self.gate.rules.priority,
            per_second: self.gate.rate.map(Rate::per_second),
            daily: self.gate.daily.map(|cap| DailyLimit { cap, used: used.unwrap_or(never) }),
            start_at_ms: self.gate.rules.start_at_ms,
            end_at_ms: self.gate.rules.end_at_ms,
            classes: self.classes.iter().map(class).collect(),
        }
    }
}

/// When `target` will have ended; `None` where nobody can tell: it does not run, its audience is still being read, or
/// one of its pages waits for a person.
/// `others`: campaigns that run on its pages as well. `limits_of`: the page's own.
pub fn finish(
    target: &Stored,
    others: &[Stored],
    shares: ShareOptions,
    limits_of: impl Fn(Channel, &PageId) -> PageLimits,
    now_ms: i64,
) -> Option<Finish> {
    let row = &target.row;
    if row.state != CampaignState::Running || row.seal.is_none() || waits_for_a_person(target, now_ms) {
        return None;
    }
    let (never, always) = (DailyUse::new(), Window::always());
    let channel = row.launch.channel;
    let pages: Vec<(PageId, Vec<Part<'_>>)> = row
        .launch
        .pages
        .iter()
        .map(|page| PageId::from(page.as_str()))
        .filter_map(|page| {
            let parts = [Part::of(target, &page)?].into_iter();
            let others = others.iter().filter_map(|other| Part::of(other, &page));
            let parts = parts.chain(others).collect();
            Some((page, parts))
        })
        .collect();
    let mut loads: Vec<PageLoad<'_>> = Vec::with_capacity(pages.len());
    for (page, parts) in &pages {
        let (body, limits) = (target.body(page), limits_of(channel, page));
        let used = body.and_then(|body| body.used(Scope::Page)).unwrap_or(&never);
        let campaigns = parts.iter().map(|part| {
            let used = body.and_then(|body| body.used(Scope::Campaign(part.stored.row.id)));
            part.load(used, &never, &always)
        });
        let own = limits.rate.map_or(UNLIMITED_PER_SECOND, Rate::per_second);
        loads.push(PageLoad {
            page: page.clone(),
            per_second: flow_above(target, page, now_ms).map_or(own, |(above, _)| above.min(own)),
            daily: limits.daily.map(|cap| DailyLimit { cap: cap.0.get(), used }),
            shares,
            campaigns: campaigns.collect(),
        });
    }
    let found = forecast(&loads, row.id, now_ms);
    let last = found.pages.iter().max_by_key(|(_, of)| of.ends_ms.unwrap_or(i64::MAX));
    let sent_ms = last.map_or(Some(now_ms), |(_, of)| of.ends_ms);
    // Nobody waits for a call any more by then, but for what became of some.
    let unanswered = target.unanswered().filter(|waits| sent_ms.is_some_and(|sent| sent < waits.until_ms));
    if let Some(waits) = unanswered {
        let (ends_ms, limited_by) = (Some(waits.until_ms), "webhooks".to_owned());
        return Some(Finish { ends_ms, limited_by, says: waits.says() });
    }
    let (page, limit) = last.map(|(page, of)| (page.clone(), of.limited_by))?;
    let limits = limits_of(channel, &page);
    let own = limits.rate.map_or(UNLIMITED_PER_SECOND, Rate::per_second);
    let above = flow_above(target, &page, now_ms).filter(|(above, _)| *above < own);
    let says = match (limit, above) {
        (Limit::PageRate, Some((_, quota))) => quota,
        _ => words(limit, row.rate(), row.rules().daily_send_limit, &page, limits),
    };
    Some(Finish { ends_ms: found.whole.ends_ms, limited_by: limit.as_str().to_owned(), says })
}

/// Whether the account or a template of a page was refused, as its ledger tells.
fn waits_for_a_person(target: &Stored, now_ms: i64) -> bool {
    let waits = |ledger: &LedgerRow| {
        let mut held = ledger.body.held().iter();
        held.any(|held| held.reason.needs_a_person() && held.waits(ledger.fence.control, now_ms))
    };
    target.ledgers.values().any(waits)
}

/// A limit for people: `its window`, `page shop's 80/s`. `rate`, `daily`: the campaign's own; `limits`: the page's.
pub(super) fn words(
    limit: Limit,
    rate: Option<&str>,
    daily: Option<i64>,
    page: &PageId,
    limits: PageLimits,
) -> String {
    match limit {
        Limit::Done => "nothing".to_owned(),
        Limit::StartAt => "its start".to_owned(),
        Limit::SendDate => "the days of its recipients".to_owned(),
        Limit::Window => "its window".to_owned(),
        Limit::CampaignRate => format!("its {}", rate.unwrap_or("rate")),
        Limit::CampaignDaily => {
            let cap = u64::try_from(daily.unwrap_or_default()).unwrap_or_default();
            format!("its {} in 24 h", thousands(cap))
        }
        Limit::PageRate => match limits.rate {
            Some(rate) => format!("page {page}'s {rate}"),
            None => format!("page {page}, of which {UNLIMITED_PER_SECOND}/s are assumed"),
        },
        Limit::PageDaily => match limits.daily {
            Some(cap) => format!("page {page}'s {cap}"),
            None => format!("page {page}'s daily limit"),
        },
        Limit::OtherCampaigns => format!("other campaigns of page {page}"),
        Limit::EndAt => "its end, which comes before all are called".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::tests::{booked, row, stored};
    use super::*;
    use sluice_core::ledger::{Held, LedgerHold};
    use sluice_core::throttle::HoldReason;
    use sluice_core::{IndexSet, Seal};

    /// 2026-06-01, a Monday.
    const NOON: i64 = 1_780_315_200_000;

    fn running(rate: &str, rules: &str, waiting: &[(&str, u32)]) -> Stored {
        let seal = Some(Seal { chunks: waiting.len() as u32, total: 0, not_expanded: 0 });
        stored(sluice_core::CampaignRow { seal, ..row(rate, rules) }, waiting)
    }

    fn found(target: &Stored, others: &[Stored]) -> Finish {
        let limits = |_: Channel, _: &PageId| PageLimits { rate: "5/s".parse().ok(), daily: None };
        finish(target, others, ShareOptions::default(), limits, NOON).unwrap()
    }

    #[test]
    fn a7_f5_the_end_follows_from_what_limits_the_last_page() {
        let own = found(&running(r#""2/s""#, "{}", &[("a", 3_600), ("b", 600)]), &[]);
        assert_eq!(own.sentence(None), "about 2026-06-01 13:00 UTC, limited by its 2/s");
        let page = found(&running("null", "{}", &[("a", 18_000)]), &[]);
        assert_eq!(page.sentence(None), "about 2026-06-01 13:00 UTC, limited by page a's 5/s");
    }

    #[test]
    fn a7_nobody_can_tell_when_a_person_will_have_acted() {
        let mut target = running("null", "{}", &[("a", 9_000)]);
        let mut ledger = booked(&target.row, NOON, 1);
        let reason = HoldReason::Account("190".to_owned());
        let held = LedgerHold {
            what: Held::Page,
            reason,
            since_ms: NOON,
            until_ms: NOON + 1,
            in_a_row: 1,
            control: 0,
        };
        ledger.body.hold(vec![held]);
        target.ledgers.insert(PageId::from("a"), ledger);
        let ends = |now_ms| {
            finish(&target, &[], ShareOptions::default(), |_, _| PageLimits::default(), now_ms).is_some()
        };
        assert!(!ends(NOON) && ends(NOON + 1));
    }

    #[test]
    fn a7_other_campaigns_of_the_page_and_what_is_used_of_the_day_count() {
        let target = running("null", "{}", &[("a", 9_000)]);
        let mut other = running("null", "{}", &[("a", 90_000)]);
        other.row.id = sluice_core::CampaignId::of("default", "other");
        let shared = found(&target, &[other]);
        let expected = "about 2026-06-01 13:00 UTC, limited by other campaigns of page a";
        assert_eq!(shared.sentence(None), expected);
        let mut capped = running("null", r#"{"daily_send_limit": 2000}"#, &[("a", 1_500)]);
        capped.ledgers.insert(PageId::from("a"), booked(&capped.row, NOON, 1_000));
        let tomorrow = found(&capped, &[]);
        assert_eq!(
            (tomorrow.limited_by.as_str(), tomorrow.says.as_str()),
            ("campaign_daily_limit", "its 2,000 in 24 h")
        );
        let limits = |_: Channel, _: &PageId| PageLimits { rate: None, daily: "1000/day".parse().ok() };
        let page =
            finish(&running("null", "{}", &[("a", 1_500)]), &[], ShareOptions::default(), limits, NOON);
        assert_eq!(page.unwrap().says, "page a's 1000/day");
        assert!(tomorrow.ends_ms.unwrap() > NOON + 2 * 86_400_000 - 3_600_000, "{tomorrow:?}");
    }

    #[test]
    fn a7_g8_the_end_waits_for_calls_whose_answer_is_unknown_and_does_not_move_on_with_now() {
        let mut target = running("null", "{}", &[("a", 9)]);
        let chunk = target.chunks[0].id;
        let mut ledger = booked(&target.row, NOON, 0);
        ledger.body.claim(chunk, 1, &IndexSet::full(9)).unwrap();
        ledger.body.doubt(chunk, 1, &IndexSet::full(4), NOON + 600_000);
        target.ledgers.insert(PageId::from("a"), ledger.clone());
        let some = found(&target, &[]);
        assert_eq!(
            (some.ends_ms, some.limited_by.as_str(), some.says.as_str()),
            (Some(NOON + 600_000), "webhooks", "4 calls whose answer is unknown")
        );
        ledger.body.doubt(chunk, 1, &IndexSet::full(9), NOON + 900_000);
        target.ledgers.insert(PageId::from("a"), ledger);
        assert_eq!(found(&target, &[]).ends_ms, Some(NOON + 900_000), "nobody is left to be called");
        let mut long = running("null", "{}", &[("a", 18_000)]);
        long.ledgers = target.ledgers;
        assert_eq!(found(&long, &[]).limited_by, "page_rate", "the others take longer");
    }

    #[test]
    fn a_campaign_that_does_not_run_or_is_still_read_has_no_estimate() {
        let rate = |_: Channel, _: &PageId| PageLimits::default();
        let estimate = |stored: &Stored| finish(stored, &[], ShareOptions::default(), rate, NOON);
        let target = running("null", "{}", &[("a", 9)]);
        assert!(estimate(&target).is_some());
        let mut paused = target.clone();
        paused.row.state = CampaignState::Paused;
        let mut unsealed = target;
        unsealed.row.seal = None;
        assert_eq!((estimate(&paused), estimate(&unsealed)), (None, None));
    }
}
