//! Use of a daily limit as a flow: what flows in at a rate flows out at that rate a day later.

use super::{DailyLimit, DailyPart};
use crate::usage::Bucket;
use std::collections::VecDeque;

/// Less than this of a call is nothing.
pub(super) const NOTHING: f64 = 1e-6;

/// Flows that are told apart at most: more than a day of quarters has.
const ENDINGS_MAX: usize = 128;

/// What counts towards a limit. Times in ms since 1970.
#[derive(Debug, Clone)]
pub(super) struct DailyFlow {
    cap: f64,
    used: f64,
    /// What ends to count, in order, apart from each other.
    ending: VecDeque<Ending>,
}

/// Calls that end to count evenly from one time to another; at once where both are the same.
#[derive(Debug, Clone, Copy)]
struct Ending {
    from_ms: i64,
    to_ms: i64,
    calls: f64,
}

impl Ending {
    /// Whether both are one flow, to within a few percent.
    fn goes_on_as(&self, next: &Ending) -> bool {
        let (took, takes) = ((self.to_ms - self.from_ms) as f64, (next.to_ms - next.from_ms) as f64);
        let (before, after) = (self.calls * takes, next.calls * took);
        self.to_ms == next.from_ms && (before - after).abs() <= 0.02 * before.max(after)
    }
}

impl DailyFlow {
    pub(super) fn new(limit: &DailyLimit<'_>, now_ms: i64) -> Self {
        let ending = limit.used.ending(now_ms).map(|(ends_ms, calls)| (ends_ms, calls.into()));
        Self::of(&DailyPart { cap: limit.cap as f64, ending: ending.collect() })
    }

    pub(super) fn of(part: &DailyPart) -> Self {
        let at = |(ends_ms, calls): &(i64, f64)| Ending { from_ms: *ends_ms, to_ms: *ends_ms, calls: *calls };
        let used = part.ending.iter().map(|(_, calls)| calls).sum();
        Self { cap: part.cap, used, ending: part.ending.iter().map(at).collect() }
    }

    /// Calls a ms that it lets through for the time being; `None`: as many as there are.
    pub(super) fn inflow_max(&self, now_ms: i64) -> Option<f64> {
        (self.cap - self.used <= NOTHING)
            .then(|| if self.used - self.cap > NOTHING { 0.0 } else { self.outflow(now_ms) })
    }

    fn outflow(&self, now_ms: i64) -> f64 {
        let begun = self.ending.front().filter(|ending| ending.from_ms <= now_ms && now_ms < ending.to_ms);
        begun.map_or(0.0, |ending| ending.calls / (ending.to_ms - ending.from_ms) as f64)
    }

    /// When something changes at an inflow of `rate` calls a ms.
    pub(super) fn turns_ms(&self, rate: f64, now_ms: i64) -> Option<i64> {
        let next = self
            .ending
            .front()
            .map(|ending| if now_ms < ending.from_ms { ending.from_ms } else { ending.to_ms });
        let rising = rate - self.outflow(now_ms);
        let left = self.cap - self.used;
        let full = (left > NOTHING && rising > 0.0)
            .then(|| now_ms.saturating_add((left / rising).ceil().min(1e15) as i64));
        [next, full].into_iter().flatten().min()
    }

    /// Lets `rate` calls a ms flow from `now_ms` to `to_ms`, which is not after the next turn.
    pub(super) fn flow(&mut self, rate: f64, now_ms: i64, to_ms: i64) {
        let passed = (to_ms - now_ms) as f64;
        let calls = rate * passed;
        let gone = self.outflow(now_ms) * passed;
        if let Some(ending) = self.ending.front_mut().filter(|ending| ending.from_ms <= now_ms) {
            (ending.from_ms, ending.calls) = (to_ms.min(ending.to_ms), ending.calls - gone);
        }
        self.used = (self.used + calls - gone).max(0.0);
        // Rounding to a ms may let a little too much through.
        if calls > 0.0 && self.used > self.cap {
            self.used = self.used.min(self.cap.max(self.used - calls));
        }
        if calls > NOTHING {
            self.count(now_ms, to_ms, calls);
        }
        while let Some(ended) = self.ending.front().filter(|ending| ending.to_ms <= to_ms).copied() {
            self.used = (self.used - ended.calls).max(0.0);
            self.ending.pop_front();
        }
    }

    fn count(&mut self, from_ms: i64, to_ms: i64, calls: f64) {
        let (begins, ends) = (Bucket::of(from_ms).ends_ms(), Bucket::of(to_ms - 1).ends_ms());
        let begins = self.ending.back().map_or(begins, |last| begins.max(last.to_ms));
        let next = Ending { from_ms: begins, to_ms: ends.max(begins), calls };
        let is_full = self.ending.len() >= ENDINGS_MAX;
        match self.ending.back_mut().filter(|last| is_full || last.goes_on_as(&next)) {
            Some(last) => (last.to_ms, last.calls) = (next.to_ms, last.calls + calls),
            None => self.ending.push_back(next),
        }
    }

    /// The same use at a later time.
    pub(super) fn shift(&mut self, by_ms: i64) {
        for ending in &mut self.ending {
            (ending.from_ms, ending.to_ms) = (ending.from_ms + by_ms, ending.to_ms + by_ms);
        }
    }
}
