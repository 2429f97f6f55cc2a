//! The speed of a slowed page, as its owner leaves it to the next one.

use super::{Measured, Pace, Slowed, percent};
use std::time::Duration;

/// How fast a page goes that was slowed. It grows by itself with time, where it does: so it says the present speed as
/// long as nobody writes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarriedPace {
    /// Of the full speed, in thousandths, at least 1. More than 1,000 where a page without a configured rate looks for
    /// its provider's limit.
    pub level_permille: u32,
    /// What each second brings back, in thousandths of the full speed; 0: no call was taken since it was slowed.
    pub per_s_permille: u32,
    /// The full speed, in calls in 1,000 s, at least 1.
    pub full_per_1000_s: u64,
    /// When it was so, ms since 1970 on the owner's clock.
    pub at_ms: i64,
}

impl CarriedPace {
    /// Of the full speed, 1 is all of it. A clock that is behind the owner's makes it no faster.
    pub fn level(&self, now_ms: i64) -> f64 {
        let passed_s = now_ms.saturating_sub(self.at_ms).max(0) as f64 / 1_000.0;
        (f64::from(self.level_permille) + f64::from(self.per_s_permille) * passed_s) / 1_000.0
    }

    /// The speed in percent of the full one, for people, at least 1; `None`: it is not slow any more.
    pub fn percent(&self, now_ms: i64) -> Option<u32> {
        let level = self.level(now_ms);
        (level < 1.0).then(|| ((level * 100.0) as u32).max(1))
    }
}

impl Pace {
    /// What the next owner should know; `None`: the page is not slowed.
    pub fn carried(&self, now: Duration, now_ms: i64) -> Option<CarriedPace> {
        let reasons = [&self.throttled, &self.usage].into_iter().flatten();
        let level = |slowed: &Slowed| slowed.level(self.increase(), now);
        let slowest = reasons.min_by(|left, right| level(left).total_cmp(&level(right)))?;
        let full = self.configured.or(self.measured.map(|measured| measured.per_second))?;
        (level(slowest) < self.ceiling()).then(|| CarriedPace {
            level_permille: ((level(slowest) * 1_000.0) as u32).max(1),
            per_s_permille: slowest.recovers_from.map_or(0, |_| (self.increase() * 1_000.0) as u32),
            full_per_1000_s: ((full * 1_000.0) as u64).max(1),
            at_ms: now_ms,
        })
    }

    /// Goes on at the speed that another owner left.
    pub fn inherit(&mut self, carried: &CarriedPace, now: Duration, now_ms: i64) {
        let level = carried.level(now_ms).max(self.floor());
        if level < self.ceiling() {
            // What is measured is no less than 1.
            let per_second = (carried.full_per_1000_s as f64 / 1_000.0).max(1.0);
            let recovers_from = (carried.per_s_permille > 0).then_some(now);
            self.measured = Some(Measured { per_second, since: now });
            self.throttled = Some(Slowed { level, since: now, recovers_from });
        }
    }

    /// Whether the next owner would go faster than the page goes now, and by more than a little, as far as it was told.
    pub fn is_slower_than(&self, told: Option<&CarriedPace>, now: Duration, now_ms: i64) -> bool {
        let told = told.map_or(f64::INFINITY, |told| told.level(now_ms)).min(self.ceiling());
        self.level(now) < told * percent(TOLD_PERCENT)
    }
}

/// Less of a difference is not worth a write of its own, in percent.
const TOLD_PERCENT: u32 = 80;

#[cfg(test)]
mod tests {
    use super::super::PaceOptions;
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn throttled(rate: Option<&str>, answers: u64) -> Pace {
        let mut pace = Pace::new(PaceOptions::default(), rate.map(|rate| rate.parse().unwrap()));
        (0..40).for_each(|call| pace.answered(at(call), at(call)));
        for second in 1..=answers {
            pace.throttled(at(second * 1_000), at(second * 1_000));
        }
        pace
    }

    proptest! {
        #[test]
        fn b6_the_next_owner_goes_on_at_the_speed_that_the_last_one_left(
            rate in prop::option::of("[1-9][0-9]{0,2}/s"), answers in 1u64..6, is_taken: bool, later in 0u64..200_000,
            clock in 1_700_000_000_000i64..1_800_000_000_000,
        ) {
            let mut pace = throttled(rate.as_deref(), answers);
            if is_taken {
                pace.answered(at(8_000), at(8_000));
            }
            let now = at(9_000);
            let carried = pace.carried(now, clock).unwrap();
            // On another monotonic clock, some time later.
            let rate = rate.map(|rate| rate.parse().unwrap());
            let mut next = Pace::new(PaceOptions::default(), rate);
            next.inherit(&carried, at(77), clock + later as i64);
            let per_second = |limit: Option<Duration>| {
                let full = carried.full_per_1000_s as f64 / 1_000.0;
                limit.map_or(full * pace.ceiling(), |apart| 1.0 / apart.as_secs_f64())
            };
            let (was, is) = (per_second(pace.limit(now + at(later))), per_second(next.limit(at(77))));
            prop_assert!((was - is).abs() <= was / 40.0, "{was} {is}");
        }

        #[test]
        fn b6_whatever_is_stored_the_speed_is_within_its_bounds(
            level_permille: u32, per_s_permille: u32, full_per_1000_s: u64, at_ms: i64, now_ms: i64,
        ) {
            let carried = CarriedPace { level_permille, per_s_permille, full_per_1000_s, at_ms };
            let mut pace = Pace::new(PaceOptions::default(), None);
            pace.inherit(&carried, at(5), now_ms);
            prop_assert!(pace.factor(at(5)) >= 0.05);
            prop_assert!(pace.limit(at(5)).is_none_or(|apart| apart <= at(20_000)));
            prop_assert!(carried.percent(now_ms).is_none_or(|percent| (1..100).contains(&percent)));
        }
    }

    #[test]
    fn b6_a_page_at_full_speed_carries_nothing_and_one_that_no_call_was_taken_of_gets_no_faster() {
        let pace = throttled(Some("10/s"), 0);
        assert_eq!(pace.carried(at(1_000), 0), None);
        let pace = throttled(Some("10/s"), 1);
        let carried = pace.carried(at(2_000), 0).unwrap();
        assert_eq!(
            (carried.level_permille, carried.per_s_permille, carried.full_per_1000_s),
            (500, 0, 10_000)
        );
        assert_eq!((carried.percent(0), carried.percent(3_600_000)), (Some(50), Some(50)));
        let mut next = throttled(Some("10/s"), 0);
        next.inherit(&carried, at(100), 9_000);
        assert_eq!(next.recovers_at(at(100)), None);
        next.answered(at(1_000), at(1_000));
        assert_eq!(next.recovers_at(at(1_000)), Some(at(26_000)));
    }

    #[test]
    fn b6_what_got_slower_is_told_and_what_changed_a_little_is_not() {
        let pace = throttled(Some("10/s"), 1);
        assert!(pace.is_slower_than(None, at(1_000), 0));
        let told = pace.carried(at(1_000), 0);
        assert!(!pace.is_slower_than(told.as_ref(), at(1_000), 0));
        assert!(throttled(Some("10/s"), 2).is_slower_than(told.as_ref(), at(2_000), 1_000));
        assert!(!throttled(None, 0).is_slower_than(None, at(1_000), 0));
    }
}
