//! The slots of a page: when may its next call start?
//!
//! Guarantee: its configured rate is kept in every window, whatever the pace says (G4), and between two starts that
//! were given out lies at least the distance that the pace asked for when the later one was (B6). Nothing is owed: a
//! page that recovers goes on at its present speed and does not catch up.

use super::{CarriedPace, Pace, PaceOptions};
use crate::gcra::Gcra;
use crate::rate::Rate;
use std::time::Duration;

/// How much later than its slot a call of a page without a configured rate may start: as much as the pace leaves
/// between two calls, within the bounds that configured rates have.
const LATE: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(250);

/// The configured rate and the pace of one page; the slower one counts. Times are monotonic.
#[derive(Debug, Clone)]
pub struct PageSlots {
    gcra: Option<Gcra>,
    pace: Pace,
    /// The latest start that was given out, and the one before.
    last: Option<Duration>,
    before: Option<Duration>,
}

impl PageSlots {
    /// Of a page that nobody has called.
    pub fn fresh(options: PaceOptions, rate: Option<Rate>) -> Self {
        Self { gcra: rate.map(Gcra::fresh), pace: Pace::new(options, rate), last: None, before: None }
    }

    /// Of a page that somebody else may have called until `now`.
    pub fn empty(options: PaceOptions, rate: Option<Rate>, now: Duration) -> Self {
        let gcra = rate.map(|rate| Gcra::empty(rate, now));
        Self { gcra, ..Self::fresh(options, rate) }
    }

    /// Goes on at the speed that another owner left, who may have called until `until`.
    pub fn inherit(&mut self, carried: &CarriedPace, until: Duration, now: Duration, now_ms: i64) {
        self.pace.inherit(carried, now, now_ms);
        self.last = Some(until);
    }

    /// The page has another configured rate from now on. What is used already weighs as before, in the new interval; where
    /// there was no rate, the first call may start one interval from now.
    pub fn change(&mut self, rate: Option<Rate>, now: Duration) {
        Gcra::replace(&mut self.gcra, rate, now);
        self.pace.change(rate);
    }

    /// How fast it goes.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// To tell it what the provider answered.
    pub fn pace_mut(&mut self) -> &mut Pace {
        &mut self.pace
    }

    /// The earliest start of the next call, as far as is known at `now`. It moves with the pace: a throttle answer
    /// also defers what waits already.
    pub fn next(&self, now: Duration) -> Duration {
        let by_rate = self.gcra.map_or(Duration::ZERO, |gcra| gcra.next());
        let by_pace = self.last.zip(self.pace.limit(now)).map(|(last, apart)| last.saturating_add(apart));
        by_pace.map_or(by_rate, |by_pace| by_pace.max(by_rate))
    }

    /// How many calls may start until `until`.
    pub fn capacity(&self, now: Duration, until: Duration) -> u64 {
        let first = self.next(now).max(now);
        if first > until {
            return 0;
        }
        let by_rate = self.gcra.map_or(u64::MAX, |gcra| gcra.capacity(now, until));
        let by_pace = self.pace.limit(now).map_or(u64::MAX, |apart| {
            let more = (until - first).as_nanos() / apart.as_nanos().max(1);
            u64::try_from(more).unwrap_or(u64::MAX).saturating_add(1)
        });
        by_rate.min(by_pace)
    }

    /// Uses the slot that begins at `start`, which must not lie before [`PageSlots::next`].
    pub fn reserve(&mut self, start: Duration) {
        if let Some(gcra) = &mut self.gcra {
            gcra.reserve(start);
        }
        self.before = self.last;
        self.last = self.last.max(Some(start));
    }

    /// The call of the slot that begins at `start` was certainly not made: see [`Gcra::release`].
    pub fn release(&mut self, start: Duration) {
        if let Some(gcra) = &mut self.gcra {
            gcra.release(start);
        }
        if self.last == Some(start) {
            self.last = self.before;
        }
    }

    /// How much later than its slot a call may start; `None` where nothing limits the page.
    pub fn tolerance(&self, now: Duration) -> Option<Duration> {
        let by_pace = || self.pace.limit(now).map(|apart| apart.clamp(*LATE.start(), *LATE.end()));
        self.gcra.map(|gcra| gcra.tolerance()).or_else(by_pace)
    }

    /// Calls a second at the present speed; `None` where nothing limits the page.
    pub fn per_second(&self, now: Duration) -> Option<f64> {
        let by_rate = self.gcra.map(|gcra| gcra.per_second());
        let by_pace = self.pace.limit(now).map(|apart| 1.0 / apart.as_secs_f64().max(1e-9));
        by_rate.into_iter().chain(by_pace).reduce(f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn slots(rate: &str) -> PageSlots {
        PageSlots::fresh(PaceOptions::default(), Some(rate.parse().unwrap()))
    }

    /// What a page does or hears, after a pause in ms.
    #[derive(Debug, Clone, Copy)]
    enum Event {
        Calls(u8),
        Throttled,
        Answered,
        Used(u32),
    }

    fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
        let event = prop_oneof![
            (1u8..30).prop_map(Event::Calls),
            Just(Event::Throttled),
            Just(Event::Answered),
            (0u32..150).prop_map(Event::Used),
        ];
        prop::collection::vec((0u64..2_000, event), 1..150)
    }

    proptest! {
        #[test]
        fn b6_g4_calls_are_never_faster_than_the_configured_rate_nor_than_the_pace(
            count in 1u64..200, is_limited in any::<bool>(), events in events(),
        ) {
            let rate = is_limited.then(|| format!("{count}/s").parse().unwrap());
            let mut slots = PageSlots::fresh(PaceOptions::default(), rate);
            let (mut now, mut starts) = (at(5_000), Vec::<Duration>::new());
            for (pause, event) in events {
                now += at(pause);
                match event {
                    Event::Throttled => slots.pace_mut().throttled(now, now),
                    Event::Answered => slots.pace_mut().answered(now, now),
                    Event::Used(percent) => slots.pace_mut().used(percent, now),
                    // As a page hands calls out: those that may start within its horizon.
                    Event::Calls(wanted) => for _ in 0..wanted {
                        let start = slots.next(now).max(now);
                        let capacity = slots.capacity(now, now + at(50));
                        prop_assert_eq!(capacity > 0, start <= now + at(50));
                        if capacity == 0 {
                            break;
                        }
                        if let (Some(last), Some(apart)) = (starts.last(), slots.pace().limit(now)) {
                            prop_assert!(start >= *last + apart);
                        }
                        slots.reserve(start);
                        starts.push(start);
                    },
                }
            }
            for (position, start) in starts.iter().enumerate().filter(|_| is_limited) {
                let second = starts[position..].iter().take_while(|call| **call < *start + at(1_000));
                prop_assert!(second.count() as u64 <= count);
            }
        }

        #[test]
        fn b2_g4_no_window_holds_more_than_the_larger_of_the_rates_that_held_in_it(
            changes in prop::collection::vec((0u64..3_000, prop::option::of(1u64..40)), 1..12),
            first in 1u64..40,
        ) {
            let mut slots = slots(&format!("{first}/s"));
            let mut history = vec![(at(0), Some(first))];
            let mut starts: Vec<Duration> = Vec::new();
            let mut now = at(0);
            for (pause, count) in changes {
                let until = now + at(pause);
                loop {
                    // Somebody needs a few ms a call where nothing limits it.
                    let start = slots.next(now).max(now + at(5));
                    if start >= until {
                        break;
                    }
                    slots.reserve(start);
                    starts.push(start);
                    now = start;
                }
                now = until;
                slots.change(count.map(|count| format!("{count}/s").parse().unwrap()), now);
                history.push((now, count));
            }
            for (position, start) in starts.iter().enumerate() {
                let end = *start + at(1_000);
                let calls = starts[position..].iter().take_while(|call| **call < end).count() as u64;
                // Those that held in any part of the window; where there was none, everything is allowed.
                let held = history.iter().enumerate().filter(|(place, (from, _))| {
                    let until = history.get(place + 1).map_or(Duration::MAX, |(until, _)| *until);
                    *from < end && until > *start
                });
                let most = held.map(|(_, (_, count))| count.unwrap_or(u64::MAX)).max().unwrap_or(0);
                prop_assert!(calls <= most, "{calls} calls from {start:?}, {history:?}");
            }
        }

        #[test]
        fn what_may_start_until_a_time_is_as_many_as_can_be_reserved_until_then(
            count in 1u64..400, throttled in 0u64..4, ahead in 0u64..3_000,
        ) {
            let mut slots = slots(&format!("{count}/s"));
            for second in 0..throttled {
                slots.pace_mut().throttled(at(second * 1_000), at(second * 1_000));
            }
            let now = at(10_000);
            slots.reserve(now);
            let until = now + at(ahead);
            let capacity = slots.capacity(now, until);
            let mut reserved = 0;
            while slots.next(now) <= until {
                let start = slots.next(now);
                slots.reserve(start);
                reserved += 1;
            }
            prop_assert_eq!(reserved, capacity);
        }
    }

    #[test]
    fn b6_a_throttle_answer_defers_what_waits_already_and_the_speed_comes_back() {
        let mut slots = slots("100/s");
        slots.reserve(at(1_000));
        assert!(slots.next(at(1_000)) < at(1_011));
        slots.pace_mut().throttled(at(1_000), at(1_000));
        assert_eq!(slots.next(at(1_000)), at(1_020));
        assert!(slots.per_second(at(1_000)).unwrap() < 50.1);
        slots.pace_mut().answered(at(1_500), at(1_500));
        assert!(slots.next(at(60_000)) < at(1_011));
        assert!(slots.per_second(at(60_000)).unwrap() > 98.0);
    }

    #[test]
    fn b6_an_unlimited_page_has_no_slots_until_it_is_throttled() {
        let mut slots = PageSlots::fresh(PaceOptions::default(), None);
        assert_eq!((slots.next(at(9)), slots.capacity(at(9), at(9))), (Duration::ZERO, u64::MAX));
        assert_eq!((slots.tolerance(at(9)), slots.per_second(at(9))), (None, None));
        for call in 0..40 {
            slots.pace_mut().answered(at(call), at(call));
        }
        slots.pace_mut().throttled(at(500), at(600));
        slots.reserve(at(600));
        assert_eq!(slots.next(at(600)), at(650));
        assert_eq!(slots.tolerance(at(600)), Some(at(50)));
    }

    #[test]
    fn b6_a_slot_that_was_not_used_is_used_again() {
        let mut slots = slots("1/min");
        slots.pace_mut().throttled(at(0), at(0));
        slots.reserve(at(1_000));
        let second = slots.next(at(1_000));
        slots.reserve(second);
        assert!(slots.next(second) >= second + at(120_000));
        slots.release(second);
        assert_eq!(slots.next(at(1_000)), second);
    }
}
