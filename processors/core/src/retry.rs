//! When a failed recipient is tried again.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Reason of a `reopened` receipt of recipients whose last attempt has no known outcome: its call may still be under
/// way, so that the next one waits until it surely is not (hazard 14).
pub const RESEND: &str = "resend";

/// Exponential backoff in tiers: all failures of a chunk in one tier share one retry record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// Before the second attempt, in ms. Default 1,000: most transient faults are over by then.
    pub base_ms: u64,
    /// Longest delay, in ms. Default 600,000 (10 min): long enough for an outage, short enough for a day's campaign.
    pub delay_ms_max: u64,
    /// Spread around the delay, in percent. Default 20: failures of one moment do not come back in one moment.
    pub jitter_percent: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: 1_000, delay_ms_max: 600_000, jitter_percent: 20 }
    }
}

/// Times are rounded up to this, so that neighbouring failures share a record.
const TIER_MS: i64 = 100;

impl Backoff {
    /// The delay in ms after attempt `attempt` failed. `seed` decides the jitter: the same seed, the same delay.
    pub fn delay_ms(&self, attempt: u8, seed: u64) -> u64 {
        let doubled = self.base_ms.saturating_mul(1 << u32::from(attempt.saturating_sub(1)).min(32));
        let delay = doubled.min(self.delay_ms_max);
        let spread = delay * self.jitter_percent.min(100) / 100;
        delay - spread / 2 + scatter(seed) % (spread + 1)
    }

    /// When attempt `attempt + 1` may start, in ms since 1970. A provider that asked for more time gets it.
    pub fn not_before_ms(
        &self,
        attempt: u8,
        failed_at_ms: i64,
        retry_after_ms: Option<i64>,
        seed: u64,
    ) -> i64 {
        let delay = i64::try_from(self.delay_ms(attempt, seed)).unwrap_or(i64::MAX / 4);
        let due = failed_at_ms.saturating_add(delay.max(retry_after_ms.unwrap_or(0).clamp(0, 86_400_000)));
        due.saturating_add(TIER_MS - 1) / TIER_MS * TIER_MS
    }
}

/// A wait that a provider wants to grow with each attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrowingWait {
    /// After the first attempt.
    pub first: Duration,
    /// So many times as long after each further one.
    pub times: u32,
}

impl GrowingWait {
    /// The wait after attempt `attempt`, from 1; never more than `longest`.
    pub fn after(self, attempt: u8, longest: Duration) -> Duration {
        let grown = self.times.saturating_pow(u32::from(attempt.saturating_sub(1)));
        self.first.saturating_mul(grown).min(longest)
    }
}

/// SplitMix64's finaliser: neighbouring seeds give unrelated numbers.
fn scatter(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn c3_delays_double_within_their_jitter_and_their_limit(attempt in 1u8..13, seed in any::<u64>()) {
            let backoff = Backoff::default();
            let middle = (backoff.base_ms << (attempt - 1)).min(backoff.delay_ms_max);
            let delay = backoff.delay_ms(attempt, seed);
            prop_assert!(delay >= middle * 90 / 100 && delay <= middle * 110 / 100 + 1, "{delay} around {middle}");
        }

        #[test]
        fn nothing_is_tried_before_the_provider_allows_it(
            attempt in 1u8..13, at in 0i64..2_000_000_000_000, after in 0i64..86_400_000, seed in any::<u64>(),
        ) {
            let due = Backoff::default().not_before_ms(attempt, at, Some(after), seed);
            prop_assert!(due >= at + after);
        }
    }

    #[test]
    fn b6_a_wait_that_grows_is_multiplied_with_each_attempt_up_to_the_longest() {
        let wait = GrowingWait { first: Duration::from_secs(4), times: 4 };
        let longest = Duration::from_secs(600);
        let waits = [1, 2, 3, 4, 5, 255].map(|attempt| wait.after(attempt, longest).as_secs());
        assert_eq!(waits, [4, 16, 64, 256, 600, 600]);
        let waits =
            [0, 1, 7].map(|attempt| GrowingWait { times: 1, ..wait }.after(attempt, longest).as_secs());
        assert_eq!(waits, [4, 4, 4]);
    }

    #[test]
    fn the_same_seed_gives_the_same_delay() {
        assert_eq!(Backoff::default().delay_ms(3, 42), Backoff::default().delay_ms(3, 42));
    }
}
