//! When a campaign will have ended. Pure.

use super::estimate::{Circumstances, Sends, estimate};
use super::stored::Stored;
use crate::page::retries::Retries;
use crate::view::moment::at;
use crate::view::numbers::counted;
use serde::{Deserialize, Serialize};
use sluice_core::ledger::{Held, LedgerHold};
use sluice_core::throttle::TemplateKey;
use sluice_core::{CampaignState, PageId};

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

/// When `target` will have ended; `None` where nobody can tell: it does not run, its audience is still being read, or
/// one of its pages, or its `template` there, waits for a person.
pub fn finish(
    target: &Stored,
    template: impl Fn(&PageId) -> TemplateKey,
    circumstances: &Circumstances,
    now_ms: i64,
) -> Option<Finish> {
    let row = &target.row;
    let runs = row.state == CampaignState::Running && row.seal.is_some();
    if !runs || waits_for_a_person(target, template, now_ms) {
        return None;
    }
    let sends = Sends::of(target);
    let found = estimate(&sends, circumstances, now_ms);
    let sent_ms = found.last().map_or(Some(now_ms), |(_, of)| of.ends_ms);
    // Nobody waits for a call any more by then, but for what became of some.
    let unanswered = target.unanswered().filter(|waits| sent_ms.is_some_and(|sent| sent < waits.until_ms));
    if let Some(waits) = unanswered {
        let (ends_ms, limited_by) = (Some(waits.until_ms), "webhooks".to_owned());
        return Some(Finish { ends_ms, limited_by, says: waits.says() });
    }
    let (page, of) = found.last()?;
    let (limited_by, says) = (of.limited_by.as_str().to_owned(), found.says_of_whole(of.limited_by, page));
    Some(Finish { ends_ms: found.forecast.whole.ends_ms, limited_by, says })
}

/// Whether the account of a page that has somebody left was refused, or the campaign's template there, as its ledger tells.
fn waits_for_a_person(target: &Stored, template: impl Fn(&PageId) -> TemplateKey, now_ms: i64) -> bool {
    let waits = |page: &PageId| {
        let Some(ledger) = target.ledgers.get(page) else { return false };
        let concerns = |held: &LedgerHold| match &held.what {
            Held::Page => true,
            Held::Template(refused) => refused.holds(target.row.id, &template(page)),
        };
        let mut held = ledger.body.held().iter().filter(|held| held.reason.needs_a_person());
        held.any(|held| held.waits(ledger.fence.control, now_ms) && concerns(held))
    };
    target.callable().keys().any(waits)
}

#[cfg(test)]
mod tests {
    use super::super::estimate::PageNow;
    use super::super::stored::tests::{booked, row, stored};
    use super::*;
    use crate::page::facts::PageLimits;
    use sluice_core::throttle::HoldReason;
    use sluice_core::{IndexSet, Seal};
    use std::collections::BTreeMap;

    /// 2026-06-01, a Monday.
    const NOON: i64 = 1_780_315_200_000;

    fn running(rate: &str, rules: &str, waiting: &[(&str, u32)]) -> Stored {
        let seal = Some(Seal { chunks: waiting.len() as u32, total: 0, not_expanded: 0 });
        stored(sluice_core::CampaignRow { seal, ..row(rate, rules) }, waiting)
    }

    /// Pages of these limits, with what the ledgers have.
    fn around(target: &Stored, limits: PageLimits, others: &[Stored]) -> Circumstances {
        let pages = target.row.page_ids().into_iter();
        let now = |page: &PageId| PageNow { limits, body: target.body(page).cloned(), ..PageNow::default() };
        let pages: BTreeMap<PageId, PageNow> = pages.map(|page| (page.clone(), now(&page))).collect();
        Circumstances { others: others.iter().map(Sends::of).collect(), pages, ..Circumstances::default() }
    }

    /// The messages of the campaign are made from no template.
    fn own(target: &Stored) -> impl Fn(&PageId) -> TemplateKey {
        let id = target.row.id;
        move |_| TemplateKey::new(None, id)
    }

    fn found(target: &Stored, others: &[Stored]) -> Finish {
        let limits = PageLimits { rate: "5/s".parse().ok(), daily: None };
        finish(target, own(target), &around(target, limits, others), NOON).unwrap()
    }

    #[test]
    fn a7_f5_the_end_follows_from_what_limits_the_last_page() {
        let own = found(&running(r#""2/s""#, "{}", &[("a", 3_600), ("b", 600)]), &[]);
        assert_eq!(own.sentence(None), "about 2026-06-01 13:00 UTC, limited by its 2/s");
        let paired =
            found(&running(r#""2/s""#, r#"{"pair_rate": "2/min"}"#, &[("a", 3_600), ("b", 600)]), &[]);
        let expected =
            "about 2026-06-01 13:00 UTC, limited by its 2/s; who waits for its pair rate is not counted";
        assert_eq!(paired.sentence(None), expected);
        let page = found(&running("null", "{}", &[("a", 18_000)]), &[]);
        assert_eq!(page.sentence(None), "about 2026-06-01 13:00 UTC, limited by page a's 5/s");
    }

    #[test]
    fn a7_nobody_can_tell_when_a_person_will_have_acted() {
        let ends = |page: &str, what: Held, now_ms| {
            let mut target = running("null", "{}", &[("a", 9_000)]);
            let mut ledger = booked(&target.row, NOON, 1);
            let reason = HoldReason::Account("190".to_owned());
            let held =
                LedgerHold { what, reason, since_ms: NOON, until_ms: NOON + 1, in_a_row: 1, control: 0 };
            ledger.body.hold(vec![held]);
            target.ledgers.insert(PageId::from(page), ledger);
            finish(&target, own(&target), &Circumstances::default(), now_ms).is_some()
        };
        let template = |name: &str| Held::Template(TemplateKey::Named(name.to_owned()));
        let its = Held::Template(TemplateKey::new(None, row("null", "{}").id));
        assert!(!ends("a", Held::Page, NOON) && ends("a", Held::Page, NOON + 1));
        assert!(!ends("a", its, NOON));
        assert!(ends("b", Held::Page, NOON), "nobody is left on that page");
        assert!(ends("a", template("another"), NOON), "of another campaign");
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
        let limits = PageLimits { rate: None, daily: "1000/day".parse().ok() };
        let target = running("null", "{}", &[("a", 1_500)]);
        let page = finish(&target, own(&target), &around(&target, limits, &[]), NOON);
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
        let estimate = |stored: &Stored| finish(stored, own(stored), &Circumstances::default(), NOON);
        let target = running("null", "{}", &[("a", 9)]);
        assert!(estimate(&target).is_some());
        let mut paused = target.clone();
        paused.row.state = CampaignState::Paused;
        let mut unsealed = target;
        unsealed.row.seal = None;
        assert_eq!((estimate(&paused), estimate(&unsealed)), (None, None));
    }
}
