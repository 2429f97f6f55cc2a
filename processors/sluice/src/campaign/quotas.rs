//! Limits above pages with their use, as their rows say it, whoever leases of them. Pure, apart from the reading.

use super::gates::GateLine;
use super::stored::Stored;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use sluice_core::quota::{Kind, Quota, Window};
use sluice_core::{PageId, QuotaBody};
use sluice_runtime::ports::store::Store;
use sluice_schemas::CampaignLaunch;
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
        let covered = stored.row.launch.pages.iter().filter(|page| self.covers(stored, page));
        covered.map(|page| stored.waiting_on(&PageId::from(page.as_str())).values().sum::<u64>()).sum()
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

    /// Calls a second that it leaves a page of the campaign for long, and its limit: an equal part of those of the
    /// campaign's pages that it covers. A day's limit counts where the campaign needs more than is free of it now.
    fn flow(&self, stored: &Stored, page: &PageId, now_ms: i64) -> Option<(f64, String)> {
        if !self.covers(stored, page.as_str()) {
            return None;
        }
        let covered = stored.row.launch.pages.iter().filter(|page| self.covers(stored, page)).count();
        let waiting = self.waiting(stored);
        let flow = |window: Window| {
            if window.kind == Kind::Daily && waiting <= self.body.free_of(&window, now_ms) {
                return None;
            }
            let says = match (window.kind, self.quota.rate, self.quota.daily) {
                (Kind::Rate, Some(rate), _) => rate.to_string(),
                (_, _, Some(daily)) => daily.to_string(),
                _ => return None,
            };
            Some((window.per_second() / covered.max(1) as f64, format!("quota {}'s {says}", self.name)))
        };
        self.quota.windows().filter_map(flow).min_by(|(left, _), (right, _)| left.total_cmp(right))
    }
}

/// The limits above the pages of a campaign that has started and not ended.
pub fn quota_gates(stored: &Stored, now_ms: i64) -> Vec<GateLine> {
    if stored.row.state.is_ended() || stored.row.awaits_start {
        return Vec::new();
    }
    stored.quotas.iter().map(|used| used.line(stored, now_ms)).collect()
}

/// What limits above a page leave it for this campaign, in calls a second, and which of them: the narrowest.
pub fn flow_above(stored: &Stored, page: &PageId, now_ms: i64) -> Option<(f64, String)> {
    let flows = stored.quotas.iter().filter_map(|used| used.flow(stored, page, now_ms));
    flows.min_by(|(left, _), (right, _)| left.total_cmp(right))
}

/// What the rates above a page of a launch let through on it in calls a second, and the name of the narrowest: an equal
/// part of those of its pages that the quota covers, as if nothing else used it. Of days nothing is said: what of them is
/// used shows when it runs.
pub fn rate_above(
    quotas: &BTreeMap<String, Quota>,
    launch: &CampaignLaunch,
    page: &PageId,
) -> Option<(f64, String)> {
    let covering = quotas.iter().filter(|(_, quota)| quota.covers(page.as_str(), &launch.tenant));
    let flow = |(name, quota): (&String, &Quota)| {
        let rate = quota.windows().find(|window| window.kind == Kind::Rate)?;
        let covered = launch.pages.iter().filter(|page| quota.covers(page, &launch.tenant)).count();
        Some((rate.per_second() / covered.max(1) as f64, format!("quota {name}")))
    };
    covering.filter_map(flow).min_by(|(left, _), (right, _)| left.total_cmp(right))
}

#[cfg(test)]
mod tests {
    use super::super::stored::tests::{row, stored};
    use super::*;

    const NOON: i64 = 1_780_315_200_000;

    fn used(rate: Option<&str>, daily: Option<&str>, count: u32) -> QuotaUse {
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

    #[test]
    fn a7_the_narrowest_quota_bounds_a_page_that_it_covers() {
        let mut stored = stored(row("null", "{}"), &[("a", 700), ("b", 500)]);
        stored.quotas = vec![used(Some("100/s"), Some("1000/day"), 97)];
        let (a, b) = (PageId::from("a"), PageId::from("b"));
        let (per_second, says) = flow_above(&stored, &a, NOON).unwrap();
        assert!((95.0..97.0).contains(&per_second), "{per_second}");
        assert_eq!((says.as_str(), flow_above(&stored, &b, NOON)), ("quota acme's 100/s", None));
        let quotas = BTreeMap::from([("acme".to_owned(), stored.quotas[0].quota.clone())]);
        let before = rate_above(&quotas, &stored.row.launch, &a).unwrap();
        assert_eq!((before.0, before.1.as_str()), (per_second, "quota acme"));
        assert_eq!(rate_above(&quotas, &stored.row.launch, &b), None);
        stored.quotas = vec![used(Some("100/s"), Some("1000/day"), 700)];
        let (per_second, says) = flow_above(&stored, &a, NOON).unwrap();
        assert!(per_second < 0.012 && says == "quota acme's 1000/day", "{per_second} {says}");
    }
}
