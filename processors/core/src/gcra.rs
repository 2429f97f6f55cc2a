//! The generic cell rate algorithm: when may the next call start?
//!
//! "At most N in any window W" is kept by spacing calls W/N apart, without a burst (G4, hazard 8).

use crate::rate::Rate;
use std::time::Duration;

/// How much later than planned a call may start. Spacing `(W + this) / N` keeps N in any window W in spite of it.
pub const START_JITTER: Duration = Duration::from_millis(5);

/// A limit and what of it is used. Times are monotonic, since an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    interval: Duration,
    next: Duration,
}

impl Gcra {
    /// An empty bucket: the first call may start one interval after `now`, because a former owner
    /// may just have made one.
    pub fn empty(rate: Rate, now: Duration) -> Self {
        Self { interval: spacing(rate), next: now + spacing(rate) }
    }

    /// A bucket nobody used before.
    pub fn fresh(rate: Rate) -> Self {
        Self { interval: spacing(rate), next: Duration::ZERO }
    }

    /// The earliest start of the next call.
    pub fn next(&self) -> Duration {
        self.next
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

    /// How many calls may start until `until`.
    pub fn capacity(&self, now: Duration, until: Duration) -> u64 {
        let first = self.next.max(now);
        if first > until {
            return 0;
        }
        1 + ((until - first).as_nanos() / self.interval.as_nanos().max(1)) as u64
    }

    /// Changes the limit. What is already used weighs as before, in the new interval.
    pub fn change(&mut self, rate: Rate, now: Duration) {
        let interval = spacing(rate);
        if let Some(debt) = self.next.checked_sub(now) {
            let scaled = debt.as_nanos() * interval.as_nanos() / self.interval.as_nanos().max(1);
            self.next = now + Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX));
        }
        self.interval = interval;
    }
}

fn spacing(rate: Rate) -> Duration {
    let nanos = (rate.per.window() + START_JITTER).as_nanos().div_ceil(u128::from(rate.count.get()));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn g4_late_starts_do_not_exceed_the_limit_either(count in 1u64..200, late in prop::collection::vec(0u64..5_000, 1..600)) {
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
            gcra.next() > now + Duration::from_secs(1) && gcra.next() < now + Duration::from_millis(1_010)
        );
    }
}
