//! The hours in which calls may start (B1, G5).
//!
//! An instant is open when a clock in the zone shows a time inside the hours at that instant. From this alone
//! follows what daylight saving does: hours that open inside a gap open at the instant after it; an hour that comes
//! twice is open both times. Hours belong to the day that they start on, also over midnight and for days on which
//! nothing opens. Hours that adjoin are one opening. All is exact to the ms.

use crate::launch::LaunchProblem;
use crate::moment;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use sluice_schemas::{SendWindow, Weekday, WindowClock};

mod check;

/// Intervals of a window at most.
pub const INTERVALS_MAX: usize = 100;
/// Days at most on which a window does not open.
pub const CLOSED_DAYS_MAX: usize = 1_000;

const DAY_MS: i64 = 86_400_000;

/// The hours of a week, less some days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// By the day that they start on, Monday first: ascending, apart from each other.
    week: [Vec<Hours>; 7],
    /// Days since 1970, ascending.
    closed_on: Vec<i64>,
    clock: WindowClock,
    /// Whether the hours leave nothing of a week out.
    covers_all: bool,
}

/// Half-open, in ms after the midnight that the day starts with; ends before the midnight after the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hours {
    from: i64,
    to: i64,
}

/// Whether calls may start now, and when that changes. Times in ms since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// They may.
    Open {
        /// The first instant at which they may not; `None`: they always may.
        until_ms: Option<i64>,
    },
    /// They may not.
    Closed {
        /// The first instant at which they may; `None`: they never may again.
        opens_ms: Option<i64>,
    },
}

impl Opening {
    /// Whether calls may start.
    pub fn is_open(self) -> bool {
        matches!(self, Opening::Open { .. })
    }

    /// When that changes.
    pub fn turns_ms(self) -> Option<i64> {
        match self {
            Opening::Open { until_ms } => until_ms,
            Opening::Closed { opens_ms } => opens_ms,
        }
    }
}

/// A stretch of time in which a zone keeps its offset.
#[derive(Debug, Clone, Copy)]
struct Regime {
    offset_ms: i64,
    /// Exclusive.
    until_ms: Option<i64>,
}

impl Regime {
    /// The one of `at_ms`; `None` beyond the times that can be computed with.
    fn at(zone: &TimeZone, at_ms: i64) -> Option<Self> {
        let at = Timestamp::from_millisecond(at_ms).ok()?;
        let offset_ms = i64::from(zone.to_offset(at).seconds()) * 1_000;
        let until_ms = zone.following(at).next().map(|change| change.timestamp().as_millisecond());
        Some(Self { offset_ms, until_ms })
    }
}

impl Window {
    /// The window that a launch describes.
    ///
    /// # Errors
    /// All that is wrong with it, with the field's place: `rules.window.open[1].from`.
    pub fn check(spec: &SendWindow) -> Result<Self, Vec<LaunchProblem>> {
        check::check(spec)
    }

    /// Open at any time: what holds where a launch has no window.
    pub fn always() -> Self {
        let week = std::array::from_fn(|_| vec![Hours { from: 0, to: DAY_MS }]);
        Self::new(week, Vec::new(), WindowClock::Campaign)
    }

    /// `week`: any hours; `closed_on`: days since 1970.
    fn new(mut week: [Vec<Hours>; 7], mut closed_on: Vec<i64>, clock: WindowClock) -> Self {
        week.iter_mut().for_each(merge);
        closed_on.sort_unstable();
        closed_on.dedup();
        let mut window = Self { week, closed_on: Vec::new(), clock, covers_all: false };
        // Any week will do; hours of its last day may reach into it.
        window.covers_all = window.covered_until(7 * DAY_MS).is_some_and(|end| end >= 14 * DAY_MS);
        Self { closed_on, ..window }
    }

    /// Whose local time it means.
    pub fn clock(&self) -> WindowClock {
        self.clock
    }

    /// Whether calls may start at `at_ms` in `zone`. A few hundred ns, when it is compiled with optimisation; ask
    /// again at the time that the answer names.
    pub fn at(&self, zone: &TimeZone, at_ms: i64) -> Opening {
        let Some(mut regime) = Regime::at(zone, at_ms) else { return Opening::Closed { opens_ms: None } };
        let is_open = self.covered_until(at_ms + regime.offset_ms).is_some();
        let mut now_ms = at_ms;
        let turns_ms = loop {
            let local = now_ms + regime.offset_ms;
            let covered = self.covered_until(local);
            if covered.is_some() != is_open {
                break Some(now_ms);
            }
            let turn = if is_open { covered } else { self.next_start(local) };
            let turn = turn.filter(|turn| *turn != FOR_EVER).map(|turn| turn - regime.offset_ms);
            match (turn, regime.until_ms) {
                (None, _) => break None,
                (Some(turn), Some(until)) if until <= turn => {
                    let Some(next) = Regime::at(zone, until) else { break None };
                    (now_ms, regime) = (until, next);
                }
                (Some(turn), _) => now_ms = turn,
            }
        };
        match is_open {
            true => Opening::Open { until_ms: turns_ms },
            false => Opening::Closed { opens_ms: turns_ms },
        }
    }

    /// The same for sends that must not start before `day` begins in `zone` (B3).
    pub fn at_day(&self, zone: &TimeZone, day: Option<Date>, at_ms: i64) -> Opening {
        let begins_ms = day.map_or(at_ms, |day| moment::day_start_ms(day, zone));
        if at_ms >= begins_ms {
            return self.at(zone, at_ms);
        }
        match self.at(zone, begins_ms) {
            Opening::Open { .. } => Opening::Closed { opens_ms: Some(begins_ms) },
            closed => closed,
        }
    }

    /// Whether it is open at any time of `[from_ms, to_ms)`.
    pub(crate) fn opens_between(&self, zone: &TimeZone, from_ms: i64, to_ms: i64) -> bool {
        match self.at(zone, from_ms) {
            Opening::Open { .. } => from_ms < to_ms,
            Opening::Closed { opens_ms } => opens_ms.is_some_and(|opens_ms| opens_ms < to_ms),
        }
    }

    /// How many weeks' worth of openings the closed days of `[from_ms, to_ms)` take away, by UTC's days.
    pub(crate) fn weeks_lost(&self, from_ms: i64, to_ms: i64) -> f64 {
        let opens = |day: i64| !self.week[(day + 3).rem_euclid(7) as usize].is_empty();
        let days = from_ms.div_euclid(DAY_MS)..to_ms.div_euclid(DAY_MS);
        let lost = self.closed_on.iter().filter(|day| days.contains(day) && opens(**day)).count();
        lost as f64 / (0..7).filter(|day| opens(*day)).count().max(1) as f64
    }

    /// Hours that start on a day.
    fn hours(&self, day: i64) -> &[Hours] {
        if self.closed_on.binary_search(&day).is_ok() {
            return &[];
        }
        // 1970 began with a Thursday.
        &self.week[(day + 3).rem_euclid(7) as usize]
    }

    /// The local time until which the hours cover `local` and all that follows, [`FOR_EVER`], or, to bound the
    /// search, a covered one that lies days ahead; `None` where they don't cover it.
    fn covered_until(&self, local: i64) -> Option<i64> {
        let mut end = local;
        while end - local < 8 * DAY_MS {
            let day = end.div_euclid(DAY_MS);
            if self.covers_all {
                // Clocks that are put back by up to a day, and hours of the day before, change nothing beyond this.
                let next_closed = self.closed_on.partition_point(|closed| closed + 2 < day);
                match self.closed_on.get(next_closed) {
                    None => return Some(FOR_EVER),
                    Some(closed) if closed - 1 > day => return Some((closed - 1) * DAY_MS),
                    Some(_) => {}
                }
            }
            let covering = [day - 1, day].into_iter().filter_map(|day| {
                let at = end - day * DAY_MS;
                let hours = self.hours(day).iter().find(|hours| (hours.from..hours.to).contains(&at))?;
                Some(day * DAY_MS + hours.to)
            });
            match covering.max() {
                Some(covered) => end = covered,
                None => break,
            }
        }
        (end > local).then_some(end)
    }

    /// The first local time after `local` at which hours start.
    fn next_start(&self, local: i64) -> Option<i64> {
        let today = local.div_euclid(DAY_MS);
        let days_max = 7 * (self.closed_on.len() as i64 + 1);
        (today..=today + days_max)
            .flat_map(|day| self.hours(day).iter().map(move |hours| day * DAY_MS + hours.from))
            .find(|start| *start > local)
    }
}

/// A local time that never comes.
const FOR_EVER: i64 = i64::MAX;

/// Hours in ascending order that neither overlap nor adjoin.
fn merge(hours: &mut Vec<Hours>) {
    hours.sort_unstable();
    let mut merged: Vec<Hours> = Vec::with_capacity(hours.len());
    for next in hours.drain(..) {
        match merged.last_mut() {
            Some(last) if next.from <= last.to => last.to = last.to.max(next.to),
            _ => merged.push(next),
        }
    }
    *hours = merged;
}

/// Days since 1970.
fn day_number(date: Date) -> i64 {
    let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0));
    midnight.map_or(i64::MAX / DAY_MS, |midnight| midnight.as_second().div_euclid(86_400))
}

/// Monday is 0.
fn position(day: Weekday) -> usize {
    match day {
        Weekday::Mon => 0,
        Weekday::Tue => 1,
        Weekday::Wed => 2,
        Weekday::Thu => 3,
        Weekday::Fri => 4,
        Weekday::Sat => 5,
        Weekday::Sun => 6,
    }
}

#[cfg(test)]
mod tests;
