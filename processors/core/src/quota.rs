//! Limits above pages: what several pages, on several processes, may call together (G4).
//!
//! Guarantee: no window of any position holds more than a quota's calls, whoever makes them. Whoever wants to call
//! leases tokens first: a compare-and-set books them in the quota's row ([`QuotaBody`]), and each is good for one call
//! that starts within [`Quota::life`] of the lease's begin, on the monotonic clock of the process that leased it. A
//! booking counts for its bucket, the window, the life and the clock skew; so the guarantee holds as long as the wall
//! clocks of two processes are never further apart than [`Quota::clock_skew_ms`].
//!
//! *Why.* Of the calls in a window of true time `[t, t + W)`, take the one whose lease was written last. Another one's
//! lease began after `t − life`, so its bucket ended later than that by its own clock, and counts until later than
//! `t + skew + W` by that clock: longer than `t + W` by any other. The last lease began before `t + W`, so it has counted
//! that booking, and all others of the window, and leased no more than they left.
//!
//! What was leased and not called is given back with a later write. What a dead process had leased stays booked until
//! its time is over.
//!
//! Where windows are short, so much caution would be a good part of them. There a process gives the tokens of its own
//! calls back as well, once it is a whole window by its own monotonic clock since the last moment at which the call may
//! have started ([`Quota::returns`]). *Why that is safe.* Of the calls in `[t, t + W)`, the lease that was written last
//! was decided before `t + W`, on the row as it was then. Whoever gives back another one of these calls decides that at
//! `t + W` or later. So in that row it was booked, and counted.
//!
//! - [`QuotaBody`]: the row: what is booked; [`QuotaBody::lease`]: what of it one lease takes and gives back.
//! - [`Tokens`]: what a process has leased, divided among its pages.

mod body;
mod lease;
mod tokens;

#[cfg(test)]
mod tests;

pub use body::{Booking, Damaged, QuotaBody};
pub use lease::{Lease, Returned};
pub use tokens::{Token, Tokens};

use crate::rate::{PerDay, Rate};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Parts that a window is counted in, about: each costs up to a part of the window in speed, and some bytes.
const PARTS: i64 = 32;
/// The longest part: a quarter of an hour.
const BUCKET_MS_MAX: i64 = 15 * 60 * 1_000;

/// The shortest and the longest life of a token, in ms. Long enough for a compare-and-set and a grant; short, since
/// each ms makes the limit stricter than it has to be.
const LIFE_MS: std::ops::RangeInclusive<i64> = 50..=2_000;

/// What a call needs between its slot and its start, at most: a token that ends sooner is of no use to it.
const MARGIN_MAX: Duration = Duration::from_millis(10);

/// The longest window whose calls are given back: of longer ones nearly all is used without it.
const RETURNED_MS_MAX: i64 = 1_000;

/// A part of such a window passes between the end of a call's window and the next call, about: the call may start late,
/// is given back together with others, is leased and granted again.
const TURN: i64 = 25;

/// Such a part of such a window a call may start later than its slot: 15 ms of a second. What it may be late counts as
/// called.
const LATE: u32 = 64;

/// Calls of a window at most: more than any provider takes, and within what a bucket can hold.
const CALLS_MAX: u64 = 1_000_000_000;
/// Clocks that are further apart are broken.
const CLOCK_SKEW_MS_MAX: u64 = 60_000;

/// A limit above pages. A call counts where the quota names its page or its campaign's tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Calls in any window.
    pub rate: Option<Rate>,
    /// Calls in any 24 hours.
    pub daily: Option<PerDay>,
    /// Ids of pages.
    pub pages: Vec<String>,
    /// Names of tenants.
    pub tenants: Vec<String>,
    /// How far the wall clocks of two processes may be apart, in ms. Default 100: NTP keeps them closer.
    pub clock_skew_ms: u64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { rate: None, daily: None, pages: Vec::new(), tenants: Vec::new(), clock_skew_ms: 100 }
    }
}

/// Which of its two limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Quota::rate`].
    Rate,
    /// [`Quota::daily`].
    Daily,
}

/// One of a quota's limits, as its use is counted. Times in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Which.
    pub kind: Kind,
    /// Calls at most.
    pub cap: u64,
    /// Its length.
    pub length_ms: i64,
    /// What is booked together.
    pub bucket_ms: i64,
    /// How long a booking counts after its bucket has ended.
    pub counts_ms: i64,
}

impl Quota {
    /// Checks what types can't say. The message begins with the key inside the quota.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn validate(&self) -> Result<(), String> {
        if self.rate.is_none() && self.daily.is_none() {
            return Err("rate or daily is needed: 100/s, 1000/day".to_owned());
        }
        if self.pages.is_empty() && self.tenants.is_empty() {
            return Err("pages or tenants has to name at least one".to_owned());
        }
        let counts = [("rate", self.rate.map(|rate| rate.count)), ("daily", self.daily.map(|daily| daily.0))];
        for (key, count) in counts {
            if count.is_some_and(|count| count.get() > CALLS_MAX) {
                return Err(format!("{key} is more than {CALLS_MAX} calls; leave it out for no limit"));
            }
        }
        if self.clock_skew_ms > CLOCK_SKEW_MS_MAX {
            return Err(format!(
                "clock_skew_ms is {}, possible is 0 to {CLOCK_SKEW_MS_MAX}",
                self.clock_skew_ms
            ));
        }
        Ok(())
    }

    /// Whether calls from `page` for a campaign of `tenant` count.
    pub fn covers(&self, page: &str, tenant: &str) -> bool {
        self.pages.iter().any(|name| name == page) || self.tenants.iter().any(|name| name == tenant)
    }

    /// How long after its lease was begun a call may start: a tenth of the shortest window, 50 ms to 2 s; a fifth of one
    /// whose calls are given back, where a longer life costs nothing as long as nobody dies, and a store may take
    /// longer.
    pub fn life(&self) -> Duration {
        Duration::from_millis(self.life_ms().unsigned_abs())
    }

    /// How long after its lease was begun a token is of use to a slot: its life without what a call needs between its slot
    /// and its start, a tenth of it, 10 ms at most.
    pub fn usable(&self) -> Duration {
        let life = self.life();
        life - (life / 10).min(MARGIN_MAX)
    }

    fn life_ms(&self) -> i64 {
        let shortest = self.lengths().map(|(.., length_ms)| length_ms).min().unwrap_or(i64::MAX);
        let part = if shortest <= RETURNED_MS_MAX { 5 } else { 10 };
        (shortest / part).clamp(*LIFE_MS.start(), *LIFE_MS.end())
    }

    fn lengths(&self) -> impl Iterator<Item = (Kind, u64, i64)> {
        let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let rate = self.rate.map(|rate| (Kind::Rate, rate.count.get(), ms(rate.per.window())));
        let daily = self.daily.map(|daily| (Kind::Daily, daily.0.get(), 86_400_000));
        rate.into_iter().chain(daily)
    }

    /// Its limits.
    pub fn windows(&self) -> impl Iterator<Item = Window> {
        let slack_ms = self.life_ms() + i64::try_from(self.clock_skew_ms).unwrap_or(i64::MAX / 4);
        self.lengths().map(move |(kind, cap, length_ms)| {
            let counts_ms = length_ms + slack_ms;
            let bucket_ms = (counts_ms / PARTS).clamp(1, BUCKET_MS_MAX);
            Window { kind, cap, length_ms, bucket_ms, counts_ms }
        })
    }

    /// So long after it started a call counts no longer for its own process, which then gives its token back; `None`:
    /// it is left to the row.
    pub fn returns(&self) -> Option<Duration> {
        let rate = self.windows().find(|window| window.kind == Kind::Rate && window.is_returned())?;
        Some(Duration::from_millis(rate.length_ms.unsigned_abs()))
    }

    /// How much later than its slot a call may start; `None`: as long as its token lives.
    pub fn late(&self) -> Option<Duration> {
        Some(self.returns()? / LATE)
    }

    /// Calls a second that it lets through for ever, at most.
    pub fn per_second(&self) -> Option<f64> {
        self.windows().map(|window| window.per_second()).reduce(f64::min)
    }
}

impl Window {
    /// Whether calls are given back by their own processes.
    fn is_returned(&self) -> bool {
        self.kind == Kind::Rate && self.length_ms <= RETURNED_MS_MAX
    }

    /// Calls a second that it lets through for ever. Where calls are given back, each of them waits for a turn; otherwise
    /// for half of its bucket and the slack.
    pub fn per_second(&self) -> f64 {
        let every_ms = match self.is_returned() {
            true => self.length_ms + self.length_ms / TURN,
            false => self.counts_ms + self.bucket_ms / 2,
        };
        self.cap as f64 * 1_000.0 / every_ms as f64
    }
}
