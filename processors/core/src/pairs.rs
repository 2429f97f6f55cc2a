//! How often one page calls one person (B2): the limit of a pair.
//!
//! Guarantee: between two calls that [`Pairs`] was told of and asked for lies at least the interval (G4). A new owner
//! of the page, and a page on which the first campaign with such a limit is opened, know nothing of earlier calls: they
//! wait for one interval. Memory: some 24 bytes for each person called within [`INTERVAL_MAX`], and only while a
//! campaign with such a limit is open, or was within [`KEPT`].

use crate::rate::Rate;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// Longest interval: what is remembered of a page stays small (G9). Providers' own pair limits are a few seconds.
pub const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// How late a call may start after its slot. It counts to the interval, so that a late call is not followed too soon.
pub const LATE_MAX: Duration = Duration::from_millis(250);

/// How long calls are told on after the last campaign with such a limit has nothing to do on the page. The next chunk of
/// a slow source opens it again, and its people would wait for one more interval.
pub const KEPT: Duration = Duration::from_secs(600);

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
    /// When somebody asked for them last.
    needed_at: Duration,
    last: HashMap<u64, Duration>,
    hasher: RandomState,
    /// Entries at which old ones are looked for.
    sweep_at: usize,
}

/// One call that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    at: Duration,
    /// The call before it to the same person, as far as it is remembered.
    before: Option<Duration>,
}

impl Pairs {
    /// Whether campaigns with such a limit are open. Calls before were not told.
    pub fn needed(&mut self, is_needed: bool, now: Duration) {
        if is_needed {
            self.since.get_or_insert(now);
            self.needed_at = now;
        } else if self.since.is_some() && now > self.needed_at + KEPT {
            *self = Self { hasher: self.hasher.clone(), ..Self::default() };
        }
    }

    /// A call to the person takes the slot at `start`. Gives what [`Pairs::not_called`] asks for; `None`: nobody asks
    /// for calls.
    pub fn called(&mut self, person: &str, start: Duration) -> Option<Told> {
        self.since?;
        if self.last.len() >= self.sweep_at {
            self.last.retain(|_, last| *last + INTERVAL_MAX + LATE_MAX > start);
            self.sweep_at = (self.last.len() * 2).max(1_024);
        }
        let person = self.hasher.hash_one(person);
        let before = self.last.get(&person).copied();
        // Campaigns without such a limit may call somebody in the slot of another one's call, or before it: each is told
        // apart, and the latest counts.
        let at = before.map_or(start, |before| start.max(before + Duration::from_nanos(1)));
        self.last.insert(person, at);
        Some(Told { at, before })
    }

    /// The call that was told was certainly not made: what was known before it stands, unless another one was told since.
    pub fn not_called(&mut self, person: &str, told: Told) {
        let person = self.hasher.hash_one(person);
        if self.last.get(&person) == Some(&told.at) {
            match told.before {
                Some(before) => self.last.insert(person, before),
                None => self.last.remove(&person),
            };
        }
    }

    /// From when on anybody may be called: before that, calls that nobody told may be too close. `None`: nobody asked yet.
    pub fn known_from(&self, interval: Duration) -> Option<Duration> {
        self.since.map(|since| since + interval + LATE_MAX)
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

        #[test]
        fn g4_a_call_that_was_not_made_leaves_what_was_known_before_it(
            asks in prop::collection::vec((0u64..20_000, 0u8..6, any::<bool>(), any::<bool>()), 1..200),
        ) {
            // Two campaigns, each with an interval of its own.
            let mut pairs = Pairs::default();
            pairs.needed(true, Duration::ZERO);
            let mut now = Duration::ZERO;
            let mut last: HashMap<u8, Duration> = HashMap::new();
            for (pause, person, is_slow, is_made) in asks {
                now += Duration::from_millis(pause);
                let interval = Duration::from_secs(if is_slow { 60 } else { 5 });
                let (name, known) = (person.to_string(), last.get(&person).copied().unwrap_or_default());
                let is_free = pairs.free_at(&name, interval) <= now;
                prop_assert_eq!(is_free, now >= known + interval + LATE_MAX, "only calls that were made count");
                if is_free {
                    let told = pairs.called(&name, now).unwrap();
                    match is_made {
                        true => drop(last.insert(person, now)),
                        false => pairs.not_called(&name, told),
                    }
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
    fn g4_a_call_in_the_slot_of_one_that_was_not_made_counts() {
        let (interval, slot) = (Duration::from_secs(5), Duration::from_secs(100));
        let mut pairs = Pairs::default();
        pairs.needed(true, Duration::ZERO);
        for is_first_made in [true, false] {
            let first = pairs.called("a", slot).unwrap();
            let second = pairs.called("a", slot).unwrap();
            pairs.not_called("a", if is_first_made { second } else { first });
            assert!(pairs.free_at("a", interval) >= slot + interval + LATE_MAX, "{is_first_made}");
        }
    }

    #[test]
    fn g4_the_latest_of_several_calls_counts_in_whatever_order_they_are_told() {
        let (interval, slot) = (Duration::from_secs(5), Duration::from_secs(100));
        let mut pairs = Pairs::default();
        pairs.needed(true, Duration::ZERO);
        let told = [slot, slot, slot, slot - interval].map(|start| pairs.called("a", start).unwrap());
        // The third is a call of its own, and the fourth, which starts earlier, takes nothing back.
        pairs.not_called("a", told[0]);
        pairs.not_called("a", told[1]);
        assert!(pairs.free_at("a", interval) >= slot + interval + LATE_MAX);
    }

    #[test]
    fn g9_only_people_of_the_last_minute_are_remembered() {
        let mut pairs = Pairs::default();
        pairs.needed(true, Duration::ZERO);
        for call in 0..200_000u64 {
            pairs.called(&call.to_string(), Duration::from_millis(call * 10));
        }
        assert!(pairs.last.len() < 20_000, "{}", pairs.last.len());
        let end = Duration::from_secs(2_000) + KEPT;
        pairs.needed(true, Duration::from_secs(2_000));
        pairs.needed(false, end);
        assert!(!pairs.last.is_empty(), "another campaign may come soon");
        pairs.needed(false, end + LATE_MAX);
        assert!(pairs.last.is_empty());
    }
}
