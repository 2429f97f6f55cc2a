//! How many calls a page makes a second, for people. Pure.

use std::time::Duration;

/// Whole seconds that are told, at most: a page that is slow or goes by fits and starts shows its speed all the same.
const SECONDS: u64 = 3;

/// They, the present second, and one that begins meanwhile: calls are handed out a moment before their slots.
const KEPT: usize = SECONDS as usize + 2;

/// A page's calls by the second of their slots, on the monotonic clock. As slots keep the page's rate in every window, so
/// does what is told (G4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallMeter {
    /// The latest second that has calls.
    newest: u64,
    /// The one in which calls began, after seconds without any.
    first: u64,
    /// Of the seconds up to `newest`, each in its place.
    counts: [u32; KEPT],
}

impl CallMeter {
    /// A call has the slot at `slot`.
    pub fn add(&mut self, slot: Duration) {
        let second = slot.as_secs();
        let empty = self.counts.iter().all(|count| *count == 0);
        if empty || second > self.newest + SECONDS {
            *self = Self { newest: second, first: second, ..Self::default() };
        }
        while self.newest < second {
            self.newest += 1;
            self.counts[place(self.newest)] = 0;
        }
        if self.keeps(second) {
            self.counts[place(second)] += 1;
        }
    }

    /// The call of that slot was certainly not made.
    pub fn remove(&mut self, slot: Duration) {
        let second = slot.as_secs();
        if self.keeps(second) {
            self.counts[place(second)] = self.counts[place(second)].saturating_sub(1);
        }
    }

    /// Calls a second at `now`: those of the last whole seconds since they began, over their time. While they began a
    /// moment ago, those of the present second.
    pub fn per_second(&self, now: Duration) -> u32 {
        let present = now.as_secs();
        // Of the second in which they began only a part has calls.
        let from = present.saturating_sub(SECONDS).max(self.first + 1);
        match present.checked_sub(from) {
            Some(seconds @ 1..) => {
                let calls: u64 = (from..present).map(|second| self.count(second)).sum();
                u32::try_from((calls + seconds / 2) / seconds).unwrap_or(u32::MAX)
            }
            _ => {
                let latest = self.count(present).max(self.count(present.saturating_sub(1)));
                u32::try_from(latest).unwrap_or(u32::MAX)
            }
        }
    }

    fn keeps(&self, second: u64) -> bool {
        second <= self.newest && second + KEPT as u64 > self.newest
    }

    fn count(&self, second: u64) -> u64 {
        if self.keeps(second) { self.counts[place(second)].into() } else { 0 }
    }
}

fn place(second: u64) -> usize {
    (second % KEPT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gcra::Gcra;
    use proptest::prelude::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    proptest! {
        #[test]
        fn g3_never_more_is_told_than_the_rate_lets_through(
            count in 1u32..60, steps in prop::collection::vec((0u64..900, any::<bool>()), 1..200),
        ) {
            let mut gcra = Gcra::fresh(format!("{count}/s").parse().unwrap());
            let (mut meter, mut now) = (CallMeter::default(), at(7_300));
            for (pause, is_made) in steps {
                now += at(pause);
                // As pages do: all slots of the next 50 ms.
                while gcra.next() <= now + at(50) {
                    let slot = gcra.next().max(now);
                    gcra.reserve(slot);
                    meter.add(slot);
                    if !is_made {
                        meter.remove(slot);
                        gcra.release(slot);
                        break;
                    }
                }
                prop_assert!(meter.per_second(now) <= count, "{meter:?} at {now:?}");
            }
        }
    }

    #[test]
    fn g3_calls_of_the_last_whole_seconds_are_told_and_not_those_that_were_not_made() {
        let mut meter = CallMeter::default();
        assert_eq!(meter.per_second(at(9_000)), 0);
        for second in 10..16 {
            for call in 0..20 {
                let slot = at(second * 1_000 + call * 50);
                meter.add(slot);
                // Most of them come too late, and their slots are used again.
                if call % 4 != 0 {
                    meter.remove(slot);
                }
            }
        }
        assert_eq!(meter.per_second(at(16_010)), 5);
        assert_eq!(meter.per_second(at(17_010)), 3, "two of three seconds had calls");
        assert_eq!(meter.per_second(at(19_010)), 0, "and is over without another look");
        // Three calls at once, every two seconds.
        (20..30)
            .step_by(2)
            .for_each(|second| (0..3).for_each(|call| meter.add(at(second * 1_000 + call * 50))));
        assert!((1..=2).contains(&meter.per_second(at(29_500))), "{meter:?}");
        let mut begun = CallMeter::default();
        (0..10).for_each(|call| begun.add(at(500 + call * 50)));
        assert_eq!(begun.per_second(at(990)), 10, "calls began a moment ago");
        assert_eq!(begun.per_second(at(1_010)), 10);
    }
}
