//! How fast a page goes after its provider asked it to slow down (B6).
//!
//! Additive increase, multiplicative decrease: a throttle answer halves the speed, and it grows back a little each
//! second from the first call on that is answered again. [`crate::throttle`] decides how long nothing is called at
//! all; this, how fast it goes on. Only the page that was throttled is slowed. A page without a configured rate is
//! slowed from the speed that was measured.
//!
//! Guarantee: never faster than the configured rate, never slower than the floor, and back at full speed after a
//! bounded time without throttle answers.

use crate::rate::Rate;
pub use carried::CarriedPace;
use serde::{Deserialize, Serialize};
pub use slots::PageSlots;
use std::time::Duration;

/// How a page slows down and recovers, in percent of its full speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaceOptions {
    /// Lowest speed, 1 to 100. Default 5: calls go on, so that the page notices when it may go faster.
    pub floor_percent: u32,
    /// What a throttle answer leaves of the speed, 1 to 100. Default 50: calls beyond a limit lengthen the block.
    pub decrease_to_percent: u32,
    /// What each second brings back, at least 1. Default 2: full speed is back after less than a minute.
    pub increase_per_s_percent: u32,
    /// Usage that the provider reports from which on the page slows down, below 100; at 100 it is at its floor.
    /// Default 80.
    pub usage_from_percent: u32,
    /// Speed at which a page without a configured rate is no longer limited, of what was measured when it was
    /// throttled, at least 100. Default 200: it finds the provider's limit in small steps.
    pub lift_at_percent: u32,
}

impl Default for PaceOptions {
    fn default() -> Self {
        Self {
            floor_percent: 5,
            decrease_to_percent: 50,
            increase_per_s_percent: 2,
            usage_from_percent: 80,
            lift_at_percent: 200,
        }
    }
}

impl PaceOptions {
    /// Names the first value that can't work.
    ///
    /// # Errors
    /// A sentence for people that begins with the key.
    pub fn validate(&self) -> Result<(), String> {
        let ranges = [
            ("floor_percent", self.floor_percent, 1, 100),
            ("decrease_to_percent", self.decrease_to_percent, 1, 100),
            ("increase_per_s_percent", self.increase_per_s_percent, 1, 1_000),
            ("usage_from_percent", self.usage_from_percent, 0, 99),
            ("lift_at_percent", self.lift_at_percent, 100, 10_000),
        ];
        match ranges.iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(format!("{name} is {value}, possible is {least} to {most}"))
            }
            None => Ok(()),
        }
    }
}

/// Throttle answers within this are one: what a provider counts is counted a second or longer.
const ROUND: Duration = Duration::from_secs(1);

/// The speed of one page. Times are monotonic.
#[derive(Debug, Clone)]
pub struct Pace {
    options: PaceOptions,
    /// Calls a second that are configured.
    configured: Option<f64>,
    /// Calls a second when the page was slowed first, for a page without a configured rate.
    measured: Option<Measured>,
    throttled: Option<Slowed>,
    usage: Option<Slowed>,
    meter: Meter,
}

/// What a page without a configured rate reached.
#[derive(Debug, Clone, Copy)]
struct Measured {
    per_second: f64,
    since: Duration,
}

/// A reason to be slow.
#[derive(Debug, Clone, Copy)]
struct Slowed {
    /// Of the full speed, 1 is all of it.
    level: f64,
    since: Duration,
    recovers_from: Option<Duration>,
}

impl Slowed {
    fn level(&self, per_second: f64, now: Duration) -> f64 {
        let recovering = self.recovers_from.map_or(Duration::ZERO, |from| now.saturating_sub(from));
        self.level + per_second * recovering.as_secs_f64()
    }
}

/// Answers of this second and the one before.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    second: u64,
    count: u32,
    before: u32,
}

impl Meter {
    fn roll(&mut self, now: Duration) {
        if now.as_secs() != self.second {
            self.before = if now.as_secs() == self.second + 1 { self.count } else { 0 };
            (self.second, self.count) = (now.as_secs(), 0);
        }
    }

    /// At least 1: less can't be told from none.
    fn per_second(&self) -> f64 {
        f64::from(self.count.max(self.before).max(1))
    }
}

impl Pace {
    /// At full speed. `base` is the page's configured rate.
    pub fn new(options: PaceOptions, base: Option<Rate>) -> Self {
        let configured = base.map(Rate::per_second);
        Self { options, configured, measured: None, throttled: None, usage: None, meter: Meter::default() }
    }

    /// The page has another configured rate.
    pub(crate) fn change(&mut self, base: Option<Rate>) {
        self.configured = base.map(Rate::per_second);
    }

    /// The call that started at `started` was refused for the page's speed. Refusals of calls that started before
    /// the speed was lowered, and all within a second, count once.
    pub fn throttled(&mut self, started: Duration, now: Duration) {
        let counts_already =
            |slowed: &Slowed| started < slowed.since || now < slowed.since.saturating_add(ROUND);
        if self.throttled.as_ref().is_some_and(counts_already) {
            return;
        }
        self.slow_from(now);
        let is_slowed = self.throttled.is_some() || self.usage.is_some();
        let present = if is_slowed { self.level(now) } else { 1.0 };
        let level = present * percent(self.options.decrease_to_percent.clamp(1, 100));
        self.throttled = Some(Slowed { level: level.max(self.floor()), since: now, recovers_from: None });
    }

    /// The call that started at `started` was taken: the page gets faster from now on, if it was slowed before it.
    pub fn answered(&mut self, started: Duration, now: Duration) {
        self.meter.roll(now);
        self.meter.count = self.meter.count.saturating_add(1);
        let present = self.meter.per_second();
        if let Some(measured) = &mut self.measured
            && started < measured.since
            && now < measured.since.saturating_add(ROUND)
        {
            // The first throttle answer often overtakes answers of calls that were taken before it.
            measured.per_second = measured.per_second.max(present);
        }
        if let Some(slowed) = self.throttled.as_mut().filter(|slowed| started >= slowed.since) {
            slowed.recovers_from.get_or_insert(now);
        }
        self.forget_recovered(now);
    }

    /// The provider says how much of its limit is used, in percent; of several figures the highest. The latest
    /// counts, and fades like a throttle answer when none follows.
    pub fn used(&mut self, used_percent: u32, now: Duration) {
        let from = self.options.usage_from_percent.min(99);
        if used_percent <= from {
            self.usage = None;
            return;
        }
        self.slow_from(now);
        let beyond = f64::from(used_percent.min(100) - from) / f64::from(100 - from);
        let level = 1.0 - beyond * (1.0 - self.floor());
        self.usage = Some(Slowed { level, since: now, recovers_from: Some(now) });
    }

    /// The speed as a part of the full one, for people: at most 1.
    pub fn factor(&self, now: Duration) -> f64 {
        self.level(now).min(1.0)
    }

    /// How far apart calls have to start beside the configured rate; `None`: this rate alone holds.
    pub fn limit(&self, now: Duration) -> Option<Duration> {
        let level = self.level(now);
        if level >= self.ceiling() {
            return None;
        }
        let full = self.configured.or(self.measured.map(|measured| measured.per_second))?;
        Some(Duration::from_secs_f64(1.0 / (full * level).max(1e-6)))
    }

    /// When the page is back at full speed if nothing is throttled any more; `None`: not before it is answered.
    pub fn recovers_at(&self, now: Duration) -> Option<Duration> {
        let full_at = |slowed: &Slowed| -> Option<Duration> {
            let missing = (self.ceiling() - slowed.level).max(0.0) / self.increase();
            Some(slowed.recovers_from?.saturating_add(Duration::from_secs_f64(missing)))
        };
        let reasons = [&self.throttled, &self.usage].into_iter().flatten();
        reasons.map(full_at).try_fold(now, |latest, at| Some(latest.max(at?)))
    }

    fn level(&self, now: Duration) -> f64 {
        let reasons = [&self.throttled, &self.usage].into_iter().flatten();
        reasons.map(|slowed| slowed.level(self.increase(), now)).fold(self.ceiling(), f64::min)
    }

    /// The level at which nothing is limited.
    fn ceiling(&self) -> f64 {
        if self.configured.is_some() { 1.0 } else { percent(self.options.lift_at_percent.max(100)) }
    }

    fn floor(&self) -> f64 {
        percent(self.options.floor_percent.clamp(1, 100))
    }

    fn increase(&self) -> f64 {
        percent(self.options.increase_per_s_percent.max(1))
    }

    /// Before it gets slower: the speed that it is slowed from.
    fn slow_from(&mut self, now: Duration) {
        self.forget_recovered(now);
        self.meter.roll(now);
        let per_second = self.meter.per_second();
        self.measured.get_or_insert(Measured { per_second, since: now });
    }

    fn forget_recovered(&mut self, now: Duration) {
        if self.measured.is_some() && self.level(now) >= self.ceiling() {
            (self.measured, self.throttled, self.usage) = (None, None, None);
        }
    }
}

fn percent(of: u32) -> f64 {
    f64::from(of) / 100.0
}

mod carried;
mod slots;
#[cfg(test)]
mod tests;
