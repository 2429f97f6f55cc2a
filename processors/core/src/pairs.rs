//! How often one page calls one person (B2): the limit of a pair.
//!
//! Guarantee: between two calls that [`Pairs`] was told of and asked for lies at least the interval (G4). A new owner
//! of the page, and a page on which the first campaign with such a limit is opened, know nothing of earlier calls: they
//! wait for one interval. Memory: some 24 bytes for each person called within [`INTERVAL_MAX`], and only while a
//! campaign with such a limit is open.

use crate::rate::Rate;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// Longest interval: what is remembered of a page stays small (G9). Providers' own pair limits are a few seconds.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// How late a call may start after its slot. It counts to the interval, so that a late call is not followed too soon.
pub const LATE_MAX: Duration = Duration::from_millis(250);

/// The interval that a rate keeps between two calls of a pair.
pub fn interval(rate: Rate) -> Duration {
    let nanos = rate.per.window().as_nanos().div_ceil(u128::from(rate.count.get()));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Last calls of a page by person. Times are monotonic.
#[derive(Debug, Clone, Default)]
pub struct Pairs {
    /// Since when calls are told; `None`: nobody asks for them.
    since: Option<Duration>,
    last: HashMap<u64, Duration>,
    hasher: RandomState,
    /// Entries at which old ones are looked for.
    sweep_at: usize,
}

impl Pairs {
    /// Whether campaigns with such a limit are open. Calls before were not told.
    pub fn needed(&mut self, is_needed: bool, now: Duration) {
        match (is_needed, self.since) {
            (true, None) => self.since = Some(now),
            (false, Some(_)) => *self = Self { hasher: self.hasher.clone(), ..Self::default() },
            _ => {}
        }
    }

    /// A call to the person takes the slot at `start`.
    pub fn called(&mut self, person: &str, start: Duration) {
        if self.since.is_none() {
            return;
        }
        if self.last.len() >= self.sweep_at {
            self.last.retain(|_, last| *last + INTERVAL_MAX + LATE_MAX > start);
            self.sweep_at = (self.last.len() * 2).max(1_024);
        }
        self.last.insert(self.hasher.hash_one(person), start);
    }

    /// From when on the person may be called again. Two people of one hash wait for each other.
    pub fn free_at(&self, person: &str, interval: Duration) -> Duration {
        let before = self.since.unwrap_or_default();
        let last = self.last.get(&self.hasher.hash_one(person)).copied().unwrap_or(before);
        last.max(before) + interval + LATE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn g4_no_person_is_called_twice_within_the_interval(
            asks in prop::collection::vec((0u64..20_000, 0u8..6), 1..200), interval_s in 1u64..60,
        ) {
            let interval = Duration::from_secs(interval_s);
            let mut pairs = Pairs::default();
            pairs.needed(true, Duration::ZERO);
            let mut now = Duration::ZERO;
            let mut last: HashMap<u8, Duration> = HashMap::new();
            for (pause, person) in asks {
                now += Duration::from_millis(pause);
                let name = person.to_string();
                if pairs.free_at(&name, interval) <= now {
                    if let Some(before) = last.insert(person, now) {
                        prop_assert!(now - before >= interval + LATE_MAX);
                    }
                    pairs.called(&name, now);
                }
            }
        }
    }

    #[test]
    fn whoever_knows_nothing_of_earlier_calls_waits_for_one_interval() {
        let mut pairs = Pairs::default();
        pairs.needed(true, Duration::from_secs(100));
        let minute = Duration::from_secs(60);
        assert_eq!(pairs.free_at("a", minute), Duration::from_secs(160) + LATE_MAX);
    }

    #[test]
    fn g9_only_people_of_the_last_minute_are_remembered() {
        let mut pairs = Pairs::default();
        pairs.needed(true, Duration::ZERO);
        for call in 0..200_000u64 {
            pairs.called(&call.to_string(), Duration::from_millis(call * 10));
        }
        assert!(pairs.last.len() < 20_000, "{}", pairs.last.len());
        pairs.needed(false, Duration::ZERO);
        assert!(pairs.last.is_empty());
    }
}
