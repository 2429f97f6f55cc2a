//! G4 above pages: no quota is exceeded in any window, whoever makes the calls.

use super::Violation;
use super::rules::LATE_US;
use crate::quotas::Quota;
use sluice_tests::windows::{Breach, breaches};
use std::fmt;

const SECOND_US: u64 = 1_000_000;
const DAY_US: u64 = 24 * 60 * 60 * SECOND_US;

/// The calls that count for a quota, over all rounds.
#[derive(Debug, Clone)]
pub struct Used {
    /// The quota.
    pub quota: Quota,
    /// When they arrived, in microseconds since 1970, in order.
    times_us: Vec<u64>,
}

impl Used {
    /// Nothing yet.
    pub fn new(quota: Quota) -> Self {
        Self { quota, times_us: Vec::new() }
    }

    /// Counts calls: (page, arrival in microseconds since 1970), none of them earlier than one that was added before.
    pub fn add<'a>(&mut self, calls: impl IntoIterator<Item = (&'a str, u64)>) {
        let counted = calls.into_iter().filter(|(page, _)| self.quota.counts(page)).map(|(_, t_us)| t_us);
        self.times_us.extend(counted);
        self.times_us.sort_unstable();
    }

    /// Its windows: length and calls. A rate also as ten of its windows in a row, in which a little too fast adds up.
    fn limits(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let rate = self.quota.rate.map(|rate| (rate.per_s * SECOND_US, rate.count));
        let rates = rate.into_iter().flat_map(|(per_us, count)| [(per_us, count), (10 * per_us, 10 * count)]);
        rates.chain(self.quota.daily.map(|count| (DAY_US, count)))
    }

    /// The first window of each of its limits that holds too many. What arrives within a window so much shorter than the
    /// limit's as a call may be late has started within one of the limit's own.
    pub fn violations(&self) -> Vec<Violation> {
        let first = |(per_us, count): (u64, u64)| {
            let found = breaches(&self.times_us, per_us.saturating_sub(LATE_US), |_, _| Some(count));
            let Breach { from, to, count: called, .. } = *found.first()?;
            let (name, per_s, in_ms) = (self.quota.name, per_us / SECOND_US, (to - from) / 1_000);
            let what = format!("quota {name}: {called} calls in {in_ms} ms, {count} in {per_s} s allowed");
            Some(Violation { guarantee: "G4", what })
        };
        self.limits().filter_map(first).collect()
    }

    /// Most calls that arrived within a window of this length.
    fn most(&self, per_us: u64) -> u64 {
        super::rates::in_window(&self.times_us, per_us)
    }
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(per_us, count)| {
            format!("{count} in {} s allowed, at most {} called", per_us / SECOND_US, self.most(per_us))
        };
        let parts: Vec<String> = self.limits().map(part).collect();
        write!(f, "quota {}: {}", self.quota.name, parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quotas::Over;
    use crate::rules::Rate;

    const LATE_S: f64 = LATE_US as f64 / SECOND_US as f64;

    fn used(rate: Option<Rate>, daily: Option<u64>, calls: &[(&str, f64)]) -> Used {
        let quota = Quota { name: "q", over: Over::Pages(vec!["a", "b"]), rate, daily };
        let mut used = Used::new(quota);
        used.add(calls.iter().map(|(page, at_s)| (*page, (at_s * SECOND_US as f64) as u64)));
        used
    }

    #[test]
    fn g4_pages_that_call_too_often_together_are_found_in_a_window_of_any_position() {
        let rate = Some(Rate { count: 2, per_s: 1 });
        let at =
            |last: f64| used(rate, None, &[("a", 5.5), ("b", 5.6), ("c", 5.7), ("a", last)]).violations();
        assert_eq!(at(6.5 - LATE_S), []);
        assert_eq!(at(6.49 - LATE_S).len(), 1);
        let minute = Some(Rate { count: 2, per_s: 60 });
        assert_eq!(used(minute, None, &[("a", 1.0), ("b", 2.0), ("a", 60.0)]).violations().len(), 1);
    }

    #[test]
    fn g4_too_fast_by_little_is_found_over_ten_windows() {
        let calls = |every_s: f64| (0..60).map(move |n| ("a", f64::from(n) * every_s)).collect::<Vec<_>>();
        let rate = Some(Rate { count: 3, per_s: 1 });
        assert_eq!(used(rate, None, &calls(0.3334)).violations(), []);
        assert!(!used(rate, None, &calls(0.29)).violations().is_empty());
    }

    #[test]
    fn g4_a_day_counts_over_all_rounds() {
        let mut used = used(None, Some(3), &[("a", 1.0), ("b", 2.0)]);
        used.add([("a", 4_000 * SECOND_US), ("c", 4_001 * SECOND_US)]);
        assert_eq!(used.violations(), []);
        assert_eq!(used.to_string(), "quota q: 3 in 86400 s allowed, at most 3 called");
        used.add([("b", 80_000 * SECOND_US)]);
        assert_eq!(used.violations().len(), 1);
    }
}
