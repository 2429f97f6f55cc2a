//! The generic cell rate algorithm: when may the next call start?
//!
//! "At most N in any window W" is kept by spacing calls W/N apart, without a burst (G4, hazard 8).

use crate::rate::Rate;
use std::time::Duration;

/// How much later than its slot a call may start: a hundredth of the window, 10 to 250 ms.
///
/// With slots spaced `(W + tolerance) / N`, the starts of a call and of the N-th after it lie at least W apart when
/// none is later than this, so no window W of any position holds more than N. A start that is later still would
/// break that: such a call is given back, however many slots a stall costs. A hundredth is what is paid for it in
/// speed; 10 ms is what timers and a busy machine need, 250 ms what a connection that is made first needs.
fn tolerance(window: Duration) -> Duration {
    (window / 100).clamp(Duration::from_millis(10), Duration::from_millis(250))
}

/// A limit and what of it is used. Times are monotonic, since an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    interval: Duration,
    tolerance: Duration,
    next: Duration,
}

impl Gcra {
    /// An empty bucket: the first call may start one interval after `now`, because a former owner
    /// may just have made one.
    pub fn empty(rate: Rate, now: Duration) -> Self {
        Self { next: now + spacing(rate), ..Self::fresh(rate) }
    }

    /// A bucket nobody used before.
    pub fn fresh(rate: Rate) -> Self {
        Self { interval: spacing(rate), tolerance: tolerance(rate.per.window()), next: Duration::ZERO }
    }

    /// The earliest start of the next call.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// Calls a second.
    pub fn per_second(&self) -> f64 {
        1.0 / self.interval.as_secs_f64().max(1e-9)
    }

    /// How much later than its slot a call may start.
    pub fn tolerance(&self) -> Duration {
        self.tolerance
    }

    /// Starts a call at `now`, or says from when on one may start.
    ///
    /// # Errors
    /// The time to wait for.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.next {
            return Err(self.next);
        }
        self.next = now + self.interval;
        Ok(())
    }

    /// Uses the slot that begins at `start`, which must not lie before [`Gcra::next`].
    pub fn reserve(&mut self, start: Duration) {
        self.next = start.max(self.next) + self.interval;
    }

    /// The call of the slot that begins at `start` was certainly not made. The slot can be used again unless a later
    /// one is given out already; otherwise it is lost. Without this, a limit whose calls each need a new connection
    /// would never make one.
    pub fn release(&mut self, start: Duration) {
        if self.next == start + self.interval {
            self.next = start;
        }
    }

    /// How many calls may start until `until`.
    pub fn capacity(&self, now: Duration, until: Duration) -> u64 {
        let first = self.next.max(now);
        if first > until {
            return 0;
        }
        1 + ((until - first).as_nanos() / self.interval.as_nanos().max(1)) as u64
    }

    /// Changes a limit that may come and go: a new one is an empty bucket.
    pub fn replace(limit: &mut Option<Self>, rate: Option<Rate>, now: Duration) {
        match (limit, rate) {
            (Some(gcra), Some(rate)) => gcra.change(rate, now),
            (gcra, rate) => *gcra = rate.map(|rate| Self::empty(rate, now)),
        }
    }

    /// Changes the limit. What is already used weighs as before, in the new interval.
    pub fn change(&mut self, rate: Rate, now: Duration) {
        let interval = spacing(rate);
        if let Some(debt) = self.next.checked_sub(now) {
            let scaled = debt.as_nanos() * interval.as_nanos() / self.interval.as_nanos().max(1);
            self.next = now + Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX));
        }
        self.interval = interval;
        self.tolerance = tolerance(rate.per.window());
    }
}

fn spacing(rate: Rate) -> Duration {
    let nanos =
        (rate.per.window() + tolerance(rate.per.window())).as_nanos().div_ceil(u128::from(rate.count.get()));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn g4_late_starts_do_not_exceed_the_limit_either(count in 1u64..200, late in prop::collection::vec(0u64..10_000, 1..600)) {
            let mut gcra = Gcra::fresh(format!("{count}/s").parse().unwrap());
            let mut starts: Vec<Duration> = late.into_iter().map(|late| {
                let slot = gcra.next();
                gcra.reserve(slot);
                slot + Duration::from_micros(late)
            }).collect();
            starts.sort();
            for (position, start) in starts.iter().enumerate() {
                let inside = starts[position..].iter().take_while(|call| **call < *start + Duration::from_secs(1)).count();
                prop_assert!(inside as u64 <= count);
            }
        }

        #[test]
        fn g4_no_window_of_any_position_holds_more_than_the_limit(
            count in 1u64..40, asks in prop::collection::vec(0u64..80, 1..300),
        ) {
            let rate: Rate = format!("{count}/s").parse().unwrap();
            let mut gcra = Gcra::fresh(rate);
            let mut now = Duration::from_secs(5);
            let mut calls: Vec<Duration> = Vec::new();
            for pause in asks {
                now += Duration::from_millis(pause);
                if gcra.take(now).is_ok() {
                    calls.push(now);
                }
            }
            for (position, start) in calls.iter().enumerate() {
                let inside = calls[position..].iter().filter(|call| **call < *start + Duration::from_secs(1)).count();
                prop_assert!(inside as u64 <= count);
            }
        }

        #[test]
        fn whoever_waits_as_told_may_call(count in 1u64..1_000, at in 0u64..100_000) {
            let mut gcra = Gcra::fresh(format!("{count}/min").parse().unwrap());
            let now = Duration::from_millis(at);
            prop_assert!(gcra.take(now).is_ok());
            let until = gcra.take(now).unwrap_err();
            prop_assert!(gcra.take(until).is_ok());
        }
    }

    #[test]
    fn g4_a_slot_that_was_not_used_is_used_again_unless_a_later_one_is_given_out() {
        let at = |ms| Duration::from_millis(ms);
        let mut gcra = Gcra::fresh("10/min".parse().unwrap());
        gcra.reserve(at(0));
        let second = gcra.next();
        gcra.reserve(second);
        gcra.release(at(0));
        assert!(gcra.next() > second, "the second slot stands");
        gcra.release(second);
        assert_eq!(gcra.next(), second);
    }

    #[test]
    fn a_new_owner_starts_with_an_empty_bucket() {
        let now = Duration::from_secs(9);
        let mut gcra = Gcra::empty("10/min".parse().unwrap(), now);
        assert!(gcra.take(now).unwrap_err() >= now + Duration::from_secs(6));
    }

    #[test]
    fn a_slower_rate_stretches_what_is_left_to_wait() {
        let now = Duration::from_secs(1);
        let mut gcra = Gcra::empty("10/s".parse().unwrap(), now);
        gcra.change("1/s".parse().unwrap(), now);
        assert!(
            gcra.next() > now + Duration::from_secs(1) && gcra.next() < now + Duration::from_millis(1_020)
        );
    }
}
