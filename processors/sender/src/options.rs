//! Every limit of the sender.

use crate::page::TOKENS_AHEAD;
use serde::{Deserialize, Serialize};
use sluice_core::pace::PaceOptions;
use sluice_core::quota::Quota;
use sluice_core::share::ShareOptions;
use sluice_core::throttle::HoldPolicy;

/// The sender's limits. Times in ms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderOptions {
    /// Calls of one page under way at once. Default 256: at 10 s latency a page then holds 256 connections, not
    /// thousands (hazard 30), at 5 ms it still makes 50,000 calls a second.
    pub in_flight_max: usize,
    /// Sends of one grant at most. Default 2,048: one compare-and-set for 40 ms of a fast page.
    pub grant_sends_max: usize,
    /// Life of a grant from before its compare-and-set. Default 2,000, as the hand-over rules assume.
    pub grant_life_ms: u64,
    /// How far ahead of their slots rate-limited calls are handed out, and granted, where the store answers at once; a store
    /// that takes longer is asked twice as much earlier. Default 50.
    pub ahead_ms: u64,
    /// Stored size of a page's claims, in bytes, above which granting waits. Default 65,536.
    pub ledger_bytes_max: usize,
    /// Sends decoded ahead for each campaign of a page, where they can be called within two seconds. Default 4,096: a
    /// page that makes 50,000 calls a second decodes 2,048 with each look at who opted out, 25 looks a second.
    pub window_sends_max: usize,
    /// How long outcomes are gathered before they become a receipt. Default 20: what a process that is killed
    /// takes with it is small beside its calls under way, and a request a receipt costs the log as much as ten calls.
    pub outcomes_linger_ms: u64,
    /// Outcomes of one receipt at most. Default 2,048, more than come in 20 ms.
    pub outcomes_max: usize,
    /// How long after a receipt its chunk's state is looked at, to settle claims. Default 300: the receipt processor
    /// stores a busy chunk every 250 ms, and an earlier look would see nothing new.
    pub settle_ms: u64,
    /// How long a call without an answer may still be settled by a webhook before it becomes `unknown`.
    /// Default 900,000 (15 min): nearly all webhooks arrive by then.
    pub unresolved_after_ms: u64,
    /// Wait after taking a page whose former owner may still be calling. Default 3,000: the life of its
    /// grants and a second more.
    pub takeover_wait_ms: u64,
    /// Longest wait of a person whom the provider wants left alone longer after each refusal. Default 600,000 (10 min), the
    /// longest delay of any other attempt.
    pub growing_wait_ms_max: u64,
    /// How long calls under way may take to end when the process stops, before they are left to become
    /// `unknown`. Default 30,000; a supervisor's patience has to be longer.
    pub drain_ms: u64,
    /// Unfinished records of `chunks` in memory, per partition. Default 20,000, about 25 MB: each holds a bitmap of up
    /// to 1 KiB. Beyond it each campaign of a page has its share of them; what is more is parked and read again
    /// later. With ten times as many parked, about 20 MB, the partition is paused.
    pub records_max: usize,
    /// An unfinished record with so many newer ones is produced again at the end, so that it does not pin the
    /// committed offset. Default 10,000 (hazard 27).
    pub carry_after: u64,
    /// How often the committed offset follows. Default 500.
    pub commit_ms: u64,
    /// While the log has not taken an outcome for so long, nothing more is granted. Default 1,000: longer than a
    /// broker's hiccup, shorter than what would make many people unknown if this process died as well.
    pub outcomes_unnoted_ms: u64,
    /// Pause before an operation that the store or the log refused is tried again. Default 200.
    pub again_ms: u64,
    /// What campaigns of lower priority keep of a page.
    pub shares: ShareOptions,
    /// How pages wait after throttle answers and unreachable providers.
    pub hold: HoldPolicy,
    /// How fast pages go on after throttle answers, and at which reported use they slow down.
    pub pace: PaceOptions,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self {
            in_flight_max: 256,
            grant_sends_max: 2_048,
            grant_life_ms: 2_000,
            ahead_ms: 50,
            ledger_bytes_max: 65_536,
            window_sends_max: 4_096,
            outcomes_linger_ms: 20,
            outcomes_max: 2_048,
            settle_ms: 300,
            unresolved_after_ms: 900_000,
            takeover_wait_ms: 3_000,
            growing_wait_ms_max: 600_000,
            drain_ms: 30_000,
            records_max: 20_000,
            carry_after: 10_000,
            commit_ms: 500,
            outcomes_unnoted_ms: 1_000,
            again_ms: 200,
            shares: ShareOptions::default(),
            hold: HoldPolicy::default(),
            pace: PaceOptions::default(),
        }
    }
}

impl SenderOptions {
    /// Names the first limit that can't work.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn validate(&self) -> Result<(), String> {
        let positive = [
            ("in_flight_max", self.in_flight_max as u64),
            ("grant_sends_max", self.grant_sends_max as u64),
            ("grant_life_ms", self.grant_life_ms),
            ("window_sends_max", self.window_sends_max as u64),
            ("outcomes_max", self.outcomes_max as u64),
            ("settle_ms", self.settle_ms),
            ("records_max", self.records_max as u64),
            ("carry_after", self.carry_after),
            ("commit_ms", self.commit_ms),
            ("outcomes_unnoted_ms", self.outcomes_unnoted_ms),
            ("again_ms", self.again_ms),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("sender.{name} must be at least 1"));
        }
        if self.takeover_wait_ms <= self.grant_life_ms {
            return Err("sender.takeover_wait_ms must be longer than sender.grant_life_ms".to_owned());
        }
        self.pace.validate().map_err(|problem| format!("sender.pace.{problem}"))
    }

    /// Whether a token of `quota` can come before the slot that it is for is granted: otherwise its campaigns get nothing
    /// of a page that others keep busy (G6).
    ///
    /// # Errors
    /// A sentence for people; it begins with the option.
    pub fn check_quota(&self, quota: &Quota) -> Result<(), String> {
        let usable = quota.usable().saturating_sub(TOKENS_AHEAD);
        // Before that moment, not at it.
        let possible = (usable.as_millis() as u64).saturating_sub(1);
        match self.ahead_ms <= possible {
            true => Ok(()),
            false => Err(format!("sender.ahead_ms is {}, possible is at most {possible}", self.ahead_ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::quota::{Booking, Tokens};
    use std::time::Duration;

    /// Whether a token that was wanted as early as with `ahead_ms`, and came at once, is of use to its slot.
    fn is_of_use(quota: &Quota, ahead_ms: u64) -> bool {
        let (wanted, mut tokens) = (Duration::from_secs(1), Tokens::new(quota));
        tokens.want(1, 1);
        tokens.allot(Booking::default(), wanted, 1, wanted);
        tokens.available(1, wanted + TOKENS_AHEAD + Duration::from_millis(ahead_ms)) == 1
    }

    #[test]
    fn g6_slots_are_granted_ahead_exactly_as_far_as_tokens_are_of_use_to_them() {
        for rate in ["100/s", "10/min", "100/h"] {
            let quota = Quota { rate: rate.parse().ok(), ..Quota::default() };
            let options = |ahead_ms| SenderOptions { ahead_ms, ..SenderOptions::default() };
            let most =
                (0..5_000).take_while(|ahead_ms| options(*ahead_ms).check_quota(&quota).is_ok()).last();
            let most = most.unwrap();
            assert!(is_of_use(&quota, most) && !is_of_use(&quota, most + 1), "{rate}: {most}");
        }
    }
}
