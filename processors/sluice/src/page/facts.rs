//! A page as its ledger and its configuration know it, whoever has it now; and as its owner sees it, where that is this
//! process. Pure.

use crate::campaign::gates::frees;
use crate::campaign::status::PageLine;
use crate::campaign::unanswered::Unanswered;
use crate::view::moment::at;
use crate::view::numbers::{counted, duration, thousands};
use serde::{Deserialize, Serialize};
use sluice_core::PageId;
use sluice_core::ledger::Scope;
use sluice_core::rate::{PerDay, Rate};
use sluice_core::usage::DailyUse;
use sluice_runtime::ports::store::LedgerRow;
use sluice_sender::HeldTemplate;
use std::time::Duration;

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageFacts {
    /// Its id.
    pub page: String,
    /// Its partition of `chunks`.
    pub shard: u32,
    /// The process that has it, as its ledger says; `None`: it was handed over, nobody had it yet, or its owner is gone.
    pub owner: Option<String>,
    /// The process that had it last and is gone, without handing it over.
    #[serde(default)]
    pub last_owner: Option<String>,
    /// Grows with every owner; 0 before the first.
    pub epoch: u64,
    /// Claims without an outcome: calls that may be under way, and those whose outcome is not known yet.
    pub claims: u32,
    /// Some of these may have an outcome: not all that says so was looked at.
    #[serde(default)]
    pub claims_at_most: bool,
    /// Those of them whose answer is unknown: their webhooks are waited for.
    #[serde(default)]
    pub unanswered: u64,
    /// When the last of these is judged, in ms since 1970.
    #[serde(default)]
    pub unanswered_until_ms: Option<i64>,
    /// Whether its limits are known: no campaign says on which channel it is.
    #[serde(default)]
    pub limits_unknown: bool,
    /// Its own limit.
    pub rate: Option<String>,
    /// Calls in any 24 hours.
    pub daily: Option<u64>,
    /// Its calls of the last 24 hours, where they are counted for the whole page.
    pub in_24_h: Option<u64>,
    /// All of them are used: when how many are free again, in ms since 1970.
    pub frees: Option<(i64, u64)>,
    /// The limits above it that name it, each with its use.
    #[serde(default)]
    pub quotas: Vec<String>,
    /// What its owner does, where that is the process that was asked.
    pub live: Option<PageLine>,
    /// What it waits for as its ledger tells, where another process has it.
    #[serde(default)]
    pub told: Option<PageLine>,
    /// Templates that its provider does not take at present.
    pub templates: Vec<String>,
}

/// What the configuration lets a page do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageLimits {
    /// Its own limit.
    pub rate: Option<Rate>,
    /// Of any 24 hours.
    pub daily: Option<PerDay>,
}

impl PageFacts {
    /// Of what the store and the configuration have. `limits`: `None` where nobody knows on which channel it is.
    pub fn of(
        page: &PageId,
        shard: u32,
        ledger: Option<&LedgerRow>,
        limits: Option<PageLimits>,
        live: Option<PageLine>,
        now_ms: i64,
    ) -> Self {
        let limits_unknown = limits.is_none();
        let limits = limits.unwrap_or_default();
        let unanswered = ledger.and_then(|ledger| Unanswered::of(&ledger.body, None));
        let daily = limits.daily;
        let used = ledger.and_then(|ledger| ledger.body.used(Scope::Page));
        Self {
            page: page.to_string(),
            shard,
            owner: ledger.and_then(|ledger| ledger.owner.clone()),
            epoch: ledger.map_or(0, |ledger| ledger.fence.epoch),
            last_owner: None,
            claims: ledger.map_or(0, |ledger| ledger.body.len()),
            claims_at_most: false,
            unanswered: unanswered.map_or(0, |waits| waits.calls),
            unanswered_until_ms: unanswered.map(|waits| waits.until_ms),
            limits_unknown,
            rate: limits.rate.map(|rate| rate.to_string()),
            daily: daily.map(|cap| cap.0.get()),
            in_24_h: used.map(|used| used.used(now_ms)),
            frees: used.zip(daily).and_then(|(used, cap)| frees(used, cap.0.get(), now_ms)),
            quotas: Vec::new(),
            live,
            told: None,
            templates: Vec::new(),
        }
    }

    /// Without an owner that can't be there. `has_shard`: some process has the shard of the page.
    pub fn owned_by_those_there(self, has_shard: bool) -> Self {
        let is_there = has_shard || self.live.is_some();
        match self.owner {
            Some(_) if !is_there => Self { last_owner: self.owner, owner: None, ..self },
            _ => self,
        }
    }

    /// With the templates that wait on it at `now` on the clock of the board.
    pub fn with(self, templates: &[HeldTemplate], now: Duration) -> Self {
        let says = |held: &HeldTemplate| {
            let name = held.template.as_deref().unwrap_or("messages of one campaign");
            let left = duration(held.until.saturating_sub(now));
            format!("{name}: {}, tried again in {left}", held.reason.detail())
        };
        let held = templates.iter().filter(|held| held.until > now);
        Self { templates: held.map(says).collect(), ..self }
    }

    /// `sluice-host-4711, epoch 3, shard 17`.
    pub fn owned(&self) -> String {
        match (&self.owner, &self.last_owner) {
            (Some(owner), _) if self.live.is_some() => {
                format!("{owner}, epoch {}, shard {}", self.epoch, self.shard)
            }
            (Some(owner), _) => {
                format!("{owner} as its ledger says, epoch {}, shard {}", self.epoch, self.shard)
            }
            (None, Some(last)) => {
                format!("nobody at present, shard {}; {last} had it last, epoch {}", self.shard, self.epoch)
            }
            (None, None) if self.epoch == 0 => format!("nobody yet, shard {}", self.shard),
            (None, None) => format!("nobody since epoch {}, shard {}", self.epoch, self.shard),
        }
    }

    /// `80/s, 1,204 of 5,000 in 24 h; 12 claims without an outcome, 3 of them calls whose answer is unknown`.
    pub fn limits(&self) -> String {
        let day = self.daily.map(|cap| of_day(self.in_24_h.unwrap_or_default(), cap, self.frees, None));
        let limits: Vec<String> = self.rate.clone().into_iter().chain(day).collect();
        let limits = match limits.is_empty() {
            true if self.limits_unknown => "limits unknown, since no campaign names it".to_owned(),
            true => "no limit".to_owned(),
            false => limits.join(", "),
        };
        let at_most = if self.claims_at_most { "at most " } else { "" };
        let claims = match self.claims {
            0 => String::new(),
            claims => format!("; {at_most}{} without an outcome", counted(claims.into(), "claim", "claims")),
        };
        let unanswered = match self.unanswered {
            0 => String::new(),
            calls => format!(", {} of them calls whose answer is unknown", thousands(calls)),
        };
        format!("{limits}{claims}{unanswered}")
    }

    /// `38/s of 40/s, 3 calls in flight, 40 granted`: its limit and what of it is used.
    pub fn calls(&self, live: &PageLine) -> String {
        let of = self.rate.as_ref().map_or_else(String::new, |rate| format!(" of {rate}"));
        let calls = counted(live.in_flight as u64, "call", "calls");
        let per_second = thousands(live.calls_per_s.into());
        format!("{per_second}/s{of}, {calls} in flight, {} granted", live.granted)
    }

    /// What its provider lets through just now; `None` where its owner is another process and its ledger tells of
    /// nothing, or there is none.
    pub fn provider(&self) -> Option<String> {
        let live = self.live.as_ref().or(self.told.as_ref())?;
        let speed = live.speed_percent.map(|percent| format!("at {percent} % of its speed"));
        let page = match (live.why(), speed) {
            (Some(why), _) => why,
            (None, Some(speed)) => speed,
            (None, None) => "no back-off".to_owned(),
        };
        let templates = self.templates.iter().map(|held| format!("; holds template {held}"));
        Some(format!("{page}{}", templates.collect::<String>()))
    }
}

/// `1,000 of 1,000 in 24 h, 300 free at 2026-11-22 09:00 UTC`.
pub fn day_says(used: Option<&DailyUse>, cap: u64, zone: Option<&str>, now_ms: i64) -> String {
    let frees = used.and_then(|used| frees(used, cap, now_ms));
    of_day(used.map_or(0, |used| used.used(now_ms)), cap, frees, zone)
}

fn of_day(used: u64, cap: u64, frees: Option<(i64, u64)>, zone: Option<&str>) -> String {
    let frees = frees.map_or_else(String::new, |(at_ms, count)| {
        format!(", {} free at {}", thousands(count), at(at_ms, zone))
    });
    format!("{} of {} in 24 h{frees}", thousands(used), thousands(cap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::stored::tests::{booked, row};

    #[test]
    fn g3_a_page_tells_its_owner_its_limit_and_its_claims_whoever_is_asked() {
        let page = PageId::from("a");
        let none = Some(PageLimits::default());
        let nobody = PageFacts::of(&page, 7, None, none, None, 0);
        assert_eq!(
            (nobody.owned(), nobody.limits()),
            ("nobody yet, shard 7".to_owned(), "no limit".to_owned())
        );
        assert_eq!(nobody.provider(), None);
        let unknown = PageFacts::of(&page, 7, None, None, None, 0);
        assert_eq!(unknown.limits(), "limits unknown, since no campaign names it");
        let mut ledger = booked(&row("null", "{}"), 0, 3);
        ledger.body.book(Scope::Page, 0, 1_204);
        let chunk = sluice_core::ChunkId::new(row("null", "{}").id, 0, 1, 1);
        ledger.body.claim(chunk, 1, &sluice_core::IndexSet::full(12)).unwrap();
        let limits = PageLimits { rate: "80/s".parse().ok(), daily: "5000/day".parse().ok() };
        let facts = PageFacts::of(&page, 7, Some(&ledger), Some(limits), None, 5);
        assert_eq!(facts.owned(), "sluice-1 as its ledger says, epoch 3, shard 7");
        assert_eq!(facts.limits(), "80/s, 1,204 of 5,000 in 24 h; 12 claims without an outcome");
        let alone = facts.clone().owned_by_those_there(false);
        assert_eq!(
            (alone.owned(), alone.owner),
            ("nobody at present, shard 7; sluice-1 had it last, epoch 3".to_owned(), None)
        );
        assert_eq!(facts.clone().owned_by_those_there(true), facts);
        ledger.body.doubt(chunk, 1, &sluice_core::IndexSet::full(3), 60_000);
        let doubted = PageFacts::of(&page, 7, Some(&ledger), none, None, 5);
        let doubted = PageFacts { claims_at_most: true, ..doubted };
        assert_eq!(
            (doubted.limits(), doubted.unanswered_until_ms),
            (
                "no limit; at most 12 claims without an outcome, 3 of them calls whose answer is unknown"
                    .to_owned(),
                Some(60_000)
            )
        );
        let full = PageLimits { daily: "1204/day".parse().ok(), rate: None };
        let full = PageFacts::of(&page, 7, Some(&ledger), Some(full), None, 5).limits();
        assert!(full.starts_with("1,204 of 1,204 in 24 h, 1,204 free at 1970-01-02 00:15 UTC"), "{full}");
        ledger.owner = None;
        assert_eq!(
            PageFacts::of(&page, 7, Some(&ledger), none, None, 5).owned(),
            "nobody since epoch 3, shard 7"
        );
    }

    #[test]
    fn b6_a_page_tells_what_its_provider_asks_for() {
        let line = PageLine {
            held: 0,
            page: "a".to_owned(),
            open: 0,
            in_flight: 0,
            granted: 0,
            claims: 0,
            waits: Some("throttled".to_owned()),
            detail: Some("429".to_owned()),
            for_ms: Some(12_000),
            calls_per_s: 38,
            speed_percent: Some(50),
            page_rate_for_ms: 0,
            rate_for_ms: None,
            pairs_for_ms: None,
            pairs_unknown: false,
        };
        let facts = |line| PageFacts::of(&PageId::from("a"), 0, None, None, Some(line), 0);
        let waits = facts(line.clone());
        assert_eq!(waits.provider().unwrap(), "throttled (429), tried again in 12.0 s");
        let slow = PageLine { waits: None, detail: None, for_ms: None, ..line };
        assert_eq!(facts(slow.clone()).provider().unwrap(), "at 50 % of its speed");
        let limited = PageFacts { rate: Some("40/s".to_owned()), ..facts(slow.clone()) };
        assert_eq!(limited.calls(&slow), "38/s of 40/s, 0 calls in flight, 0 granted");
        let free = PageLine { speed_percent: None, ..slow };
        let free = facts(free);
        assert_eq!(free.provider().unwrap(), "no back-off");
        let held = HeldTemplate {
            template: Some("spring/pt_BR".to_owned()),
            campaigns: Vec::new(),
            until: Duration::from_secs(70),
            reason: sluice_core::throttle::HoldReason::Template("132015: paused".to_owned()),
        };
        let held = free.with(&[held], Duration::from_secs(10));
        let expected = "no back-off; holds template spring/pt_BR: 132015: paused, tried again in 1 min 0 s";
        assert_eq!(held.provider().unwrap(), expected);
    }

    #[test]
    fn b3_the_day_of_a_campaign_on_a_page_says_when_how_much_is_free() {
        let day = booked(&row("null", "{}"), 0, 40);
        let used = day.body.used(Scope::Campaign(row("null", "{}").id));
        assert_eq!(day_says(used, 100, None, 5), "40 of 100 in 24 h");
        assert_eq!(day_says(used, 40, None, 5), "40 of 40 in 24 h, 40 free at 1970-01-02 00:15 UTC");
        assert_eq!(day_says(None, 40, None, 5), "0 of 40 in 24 h");
    }
}
