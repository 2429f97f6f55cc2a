//! Limits above pages with their use, as their rows say it, whoever leases of them. Pure, apart from the reading.

use super::gates::GateLine;
use super::stored::Stored;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use sluice_core::QuotaBody;
use sluice_core::forecast::{DailyPart, PartAbove};
use sluice_core::quota::{Kind, Quota, Window};
use sluice_runtime::ports::store::Store;
use std::collections::BTreeMap;

/// A quota of which nothing is free for longer than this, in ms, holds its campaigns; for less it only limits them.
const HOLDS_FROM_MS: i64 = 10_000;

/// A quota and its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    /// Its name in the configuration.
    pub name: String,
    /// Its limits and members.
    pub quota: Quota,
    /// What is leased of it.
    pub body: QuotaBody,
}

impl QuotaUse {
    /// Reads those that are asked for.
    pub async fn read(
        store: &dyn Store,
        quotas: &BTreeMap<String, Quota>,
        is_asked: impl Fn(&Quota) -> bool,
    ) -> Outcome<Vec<Self>> {
        let mut uses = Vec::new();
        for (name, quota) in quotas.iter().filter(|(_, quota)| is_asked(quota)) {
            let body = store.quota(name).await?.map(|row| row.body).unwrap_or_default();
            uses.push(Self { name: name.clone(), quota: quota.clone(), body });
        }
        Ok(uses)
    }

    /// `100/s, 97 used; 20 of 1,000 in 24 h`.
    pub fn says(&self, now_ms: i64) -> String {
        let says = |window: Window| {
            let used = thousands(self.body.used(&window, now_ms));
            match (window.kind, self.quota.rate) {
                (Kind::Rate, Some(rate)) => format!("{rate}, {used} used"),
                _ => format!("{used} of {} in 24 h", thousands(window.cap)),
            }
        };
        self.quota.windows().map(says).collect::<Vec<_>>().join("; ")
    }

    fn covers(&self, stored: &Stored, page: &str) -> bool {
        self.quota.covers(page, &stored.row.launch.tenant)
    }

    fn waiting(&self, stored: &Stored) -> u64 {
        stored.waiting_where(|page| self.covers(stored, page.as_str())).values().sum()
    }

    /// The rule, and whom of the campaign it holds now.
    fn line(&self, stored: &Stored, now_ms: i64) -> GateLine {
        let frees_ms = self.body.frees_at_ms(&self.quota, now_ms);
        let is_held = frees_ms.saturating_sub(now_ms) >= HOLDS_FROM_MS;
        GateLine {
            gate: format!("quota {}", self.name),
            says: self.says(now_ms),
            holds: if is_held { self.waiting(stored) } else { 0 },
            until_ms: is_held.then_some(frees_ms),
            frees: is_held.then(|| self.body.free(&self.quota, frees_ms)),
            zone: stored.row.launch.time_zone.clone(),
        }
    }

    /// A part of what it lets through and of what is used of it.
    pub fn part(&self, part: f64, now_ms: i64) -> PartAbove {
        let window = |kind| self.quota.windows().find(|window| window.kind == kind);
        let daily = |window: Window| {
            let ending = self.body.ending(&window, now_ms);
            let ending = ending.map(|(ends_ms, calls)| (ends_ms, calls as f64 * part));
            DailyPart { cap: window.cap as f64 * part, ending: ending.collect() }
        };
        PartAbove {
            per_second: window(Kind::Rate).map(|window| window.per_second() * part),
            daily: window(Kind::Daily).map(daily),
        }
    }

    /// One of its limits for people: `quota acme's 100/s`.
    pub fn limit_says(&self, kind: Kind) -> String {
        let limit = match kind {
            Kind::Rate => self.quota.rate.map(|rate| rate.to_string()),
            Kind::Daily => self.quota.daily.map(|daily| daily.to_string()),
        };
        format!("quota {}'s {}", self.name, limit.unwrap_or_else(|| "limit".to_owned()))
    }
}

/// The limits above the pages of a campaign that has started and not ended.
pub fn quota_gates(stored: &Stored, now_ms: i64) -> Vec<GateLine> {
    if stored.row.state.is_ended() || stored.row.awaits_start {
        return Vec::new();
    }
    stored.quotas.iter().map(|used| used.line(stored, now_ms)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::stored::tests::{row, stored};
    use super::*;

    const NOON: i64 = 1_780_315_200_000;

    pub(in crate::campaign) fn used(rate: Option<&str>, daily: Option<&str>, count: u32) -> QuotaUse {
        let quota = Quota {
            rate: rate.map(|rate| rate.parse().unwrap()),
            daily: daily.map(|daily| daily.parse().unwrap()),
            pages: vec!["a".to_owned()],
            ..Quota::default()
        };
        let mut body = QuotaBody::new();
        body.book(&quota, count, NOON);
        QuotaUse { name: "acme".to_owned(), quota, body }
    }

    #[test]
    fn g3_a_quota_says_its_use_and_holds_whom_it_lets_wait_for_long() {
        let mut stored = stored(row("null", "{}"), &[("a", 7), ("b", 5)]);
        stored.quotas = vec![used(Some("100/s"), Some("1000/day"), 97)];
        let [line] = quota_gates(&stored, NOON).try_into().unwrap();
        assert_eq!(
            (line.gate.as_str(), line.says.as_str()),
            ("quota acme", "100/s, 97 used; 97 of 1,000 in 24 h")
        );
        assert_eq!((line.holds, line.until_ms), (0, None));
        stored.quotas = vec![used(Some("100/s"), None, 100)];
        assert_eq!(quota_gates(&stored, NOON)[0].holds, 0, "it only limits");
        stored.quotas = vec![used(None, Some("97/day"), 97)];
        let [line] = quota_gates(&stored, NOON).try_into().unwrap();
        assert_eq!((line.says.as_str(), line.holds, line.frees), ("97 of 97 in 24 h", 7, Some(97)));
        assert!(line.until_ms.is_some_and(|at_ms| (23..25).contains(&((at_ms - NOON) / 3_600_000))));
    }
}
