//! One recipient's state: a join-semilattice, so that receipts may come late, twice and in any order.
//!
//! ```text
//! bit  0..8    skipped, cancelled, opted out, delivered, read, responded, clicked, ordered
//! bit  8..12   the attempt up to which failures were reopened (the larger wins)
//! bit 12..64   four bits an attempt: accepted, failed, failed for good, unresolved
//! ```
//!
//! Joining is "or" on everything but the reopened attempt, where it is "max": commutative, associative and
//! idempotent by construction (G3). What a state means is derived by [`Recipient::status`].

use crate::ATTEMPTS_MAX;
use sluice_schemas::Fact;

const SKIPPED: u64 = 1;
const CANCELLED: u64 = 1 << 1;
const OPTED_OUT: u64 = 1 << 2;
const DELIVERED: u64 = 1 << 3;
const READ: u64 = 1 << 4;
const RESPONDED: u64 = 1 << 5;
const CLICKED: u64 = 1 << 6;
const ORDERED: u64 = 1 << 7;
const REOPENED_SHIFT: u32 = 8;
const REOPENED: u64 = 0xF << REOPENED_SHIFT;
const ATTEMPTS_SHIFT: u32 = 12;
const ACCEPTED: u64 = 1;
const FAILED: u64 = 1 << 1;
const FOR_GOOD: u64 = 1 << 2;
const UNRESOLVED: u64 = 1 << 3;

const _: () = assert!(ATTEMPTS_SHIFT + 4 * ATTEMPTS_MAX as u32 == 64, "a state fills its 64 bits");

/// All that is known about one recipient.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Recipient(pub u64);

/// Where a recipient is, derived from a [`Recipient`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Not called yet, or waiting for another attempt.
    Pending,
    /// The provider took the message.
    Sent,
    /// It reached the device.
    Delivered,
    /// It was read.
    Read,
    /// The person answered.
    Responded,
    /// All attempts failed.
    Failed,
    /// The provider says the person wants no messages.
    OptedOut,
    /// Never to be sent; the reason says why.
    Skipped,
    /// The campaign was cancelled before.
    Cancelled,
    /// A call was made or may have been made, and nobody can tell its outcome.
    Unknown,
}

impl Status {
    /// The word used in the CLI, the API, metrics and dashboards.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Sent => "sent",
            Status::Delivered => "delivered",
            Status::Read => "read",
            Status::Responded => "responded",
            Status::Failed => "failed",
            Status::OptedOut => "opted_out",
            Status::Skipped => "skipped",
            Status::Cancelled => "cancelled",
            Status::Unknown => "unknown",
        }
    }
}

impl Recipient {
    /// What a fact alone says. `None` for a fact that concerns no recipient, or an attempt out of range.
    pub fn from_fact(fact: Fact, attempt: u8) -> Option<Self> {
        let of_attempt = |bits: u64| {
            (1..=ATTEMPTS_MAX)
                .contains(&attempt)
                .then(|| bits << (ATTEMPTS_SHIFT + 4 * (u32::from(attempt) - 1)))
        };
        // A later fact fills the earlier ones (D2).
        let flags = match fact {
            Fact::Accepted => return of_attempt(ACCEPTED).map(Self),
            Fact::Failed => return of_attempt(FAILED).map(Self),
            Fact::FailedForGood => return of_attempt(FAILED | FOR_GOOD).map(Self),
            Fact::Unresolved => return of_attempt(UNRESOLVED).map(Self),
            Fact::Reopened => {
                return (1..=ATTEMPTS_MAX)
                    .contains(&attempt)
                    .then(|| Self(u64::from(attempt) << REOPENED_SHIFT));
            }
            Fact::Skipped => SKIPPED,
            Fact::Cancelled => CANCELLED,
            Fact::OptedOut => OPTED_OUT,
            Fact::Delivered => DELIVERED,
            Fact::Read => DELIVERED | READ,
            Fact::Responded => DELIVERED | READ | RESPONDED,
            Fact::Clicked => DELIVERED | READ | CLICKED,
            Fact::Ordered => DELIVERED | READ | ORDERED,
            Fact::Closed => return None,
        };
        // Whoever got the message was sent it: a known attempt is settled by any later fact.
        let settled = if flags & DELIVERED == 0 { 0 } else { of_attempt(ACCEPTED).unwrap_or(0) };
        Some(Self(flags | settled))
    }

    /// Everything that either side knows.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let reopened = (self.0 & REOPENED).max(other.0 & REOPENED);
        Self((self.0 | other.0) & !REOPENED | reopened)
    }

    fn attempt_bits(self, attempt: u8) -> u64 {
        if !(1..=ATTEMPTS_MAX).contains(&attempt) {
            return 0;
        }
        self.0 >> (ATTEMPTS_SHIFT + 4 * (u32::from(attempt) - 1)) & 0xF
    }

    /// The highest attempt anything is known of, 0 for none.
    pub fn attempts(self) -> u8 {
        let bits = self.0 >> ATTEMPTS_SHIFT;
        (64 - bits.leading_zeros()).div_ceil(4) as u8
    }

    /// Whether an outcome of this attempt (accepted, failed or unresolved) is known: its claim is settled.
    pub fn is_settled(self, attempt: u8) -> bool {
        self.attempt_bits(attempt) != 0
    }

    /// Whether the recipient may never be called (again) whatever a lane holds.
    pub fn is_excluded(self) -> bool {
        self.0 & (SKIPPED | CANCELLED) != 0
    }

    /// Whether attempt `attempt` may be claimed, as far as receipts tell: it and all later ones are blank,
    /// the one before failed without ending the run, or was reopened, and nothing says that a message went out.
    /// Only a pending recipient may be: a retry that was asked for before a webhook or a later owner said that
    /// the attempt was accepted or unresolved as well is never made.
    pub fn may_attempt(self, attempt: u8) -> bool {
        if self.is_excluded() || self.0 & (DELIVERED | READ | RESPONDED) != 0 || self.attempts() >= attempt {
            return false;
        }
        let before = attempt.saturating_sub(1);
        let reopened = self.reopened() >= before;
        let unresolved_stands = (1..attempt)
            .any(|earlier| self.verdict(earlier) == Verdict::Unresolved && earlier > self.reopened());
        let accepted = (1..attempt).any(|earlier| self.verdict(earlier) == Verdict::Accepted);
        if accepted || unresolved_stands || self.is_closed() || attempt > ATTEMPTS_MAX {
            return false;
        }
        match self.verdict(before) {
            _ if attempt == 1 => true,
            Verdict::Failed => !self.ends_run(before),
            Verdict::Unresolved => reopened,
            Verdict::Blank | Verdict::Accepted => false,
        }
    }

    /// The attempt up to which failures were lifted.
    pub fn reopened(self) -> u8 {
        ((self.0 & REOPENED) >> REOPENED_SHIFT) as u8
    }

    /// Failed is later knowledge than accepted (an asynchronous failure), and both replace unresolved.
    fn verdict(self, attempt: u8) -> Verdict {
        let bits = self.attempt_bits(attempt);
        if bits & FAILED != 0 {
            Verdict::Failed
        } else if bits & ACCEPTED != 0 {
            Verdict::Accepted
        } else if bits & UNRESOLVED != 0 {
            Verdict::Unresolved
        } else {
            Verdict::Blank
        }
    }

    /// Whether the failure of `attempt` ends the recipient's run. A failure that settles an unresolved or an
    /// accepted attempt does: the recipient was counted as final before, and that total never shrinks.
    fn ends_run(self, attempt: u8) -> bool {
        attempt > self.reopened() && self.was_final(attempt)
    }

    /// Whether the failure of `attempt` is one that ends a run, reopened or not.
    fn was_final(self, attempt: u8) -> bool {
        self.attempt_bits(attempt) & (FOR_GOOD | UNRESOLVED | ACCEPTED) != 0
    }

    /// Whether any attempt failed in a way that ends a run. A message may have gone out before it failed: "cancelled"
    /// would say that there was none.
    fn has_failed_for_good(self) -> bool {
        (1..=self.attempts())
            .any(|attempt| self.verdict(attempt) == Verdict::Failed && self.was_final(attempt))
    }

    /// Whether an attempt was unresolved, accepted and failed. With `on_unknown = "resend"` the acceptance ended a
    /// recipient who was open again: the retry was let go, and the count was final. So the failure is final too,
    /// whatever was reopened, in each order of the three.
    fn is_closed(self) -> bool {
        let all = UNRESOLVED | ACCEPTED | FAILED;
        (1..=self.attempts()).any(|attempt| self.attempt_bits(attempt) & all == all)
    }

    /// Delivered, read, … > accepted > unresolved > failed > cancelled > skipped > pending, over all attempts.
    pub fn status(self) -> Status {
        if self.0 & RESPONDED != 0 {
            return Status::Responded;
        }
        if self.0 & READ != 0 {
            return Status::Read;
        }
        if self.0 & DELIVERED != 0 {
            return Status::Delivered;
        }
        let last = self.attempts();
        if last == 0 {
            return if self.0 & CANCELLED != 0 {
                Status::Cancelled
            } else if self.0 & SKIPPED != 0 {
                Status::Skipped
            } else {
                Status::Pending
            };
        }
        let mut unresolved = 0;
        for attempt in (1..=last).rev() {
            match self.verdict(attempt) {
                Verdict::Accepted => return Status::Sent,
                Verdict::Unresolved => unresolved = unresolved.max(attempt),
                Verdict::Failed | Verdict::Blank => {}
            }
        }
        let ended = self.is_closed()
            || match self.verdict(last) {
                Verdict::Failed => self.ends_run(last),
                _ => last > self.reopened(),
            };
        let cancelled = self.0 & CANCELLED != 0;
        // Who opted out before the next attempt is not called again either.
        let stopped = cancelled || self.0 & SKIPPED != 0;
        if unresolved > 0 {
            // Sent again on request: open until the newest attempt is settled, or nothing more is sent.
            return if ended || stopped { Status::Unknown } else { Status::Pending };
        }
        // Opened for another attempt that is not made any more: what was known before stands.
        if ended || stopped && self.has_failed_for_good() {
            return if self.0 & OPTED_OUT != 0 { Status::OptedOut } else { Status::Failed };
        }
        match stopped {
            true if cancelled => Status::Cancelled,
            true => Status::Skipped,
            false => Status::Pending,
        }
    }

    /// Whether links were followed.
    pub fn clicked(self) -> bool {
        self.0 & CLICKED != 0
    }

    /// Whether something was ordered.
    pub fn ordered(self) -> bool {
        self.0 & ORDERED != 0
    }
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Verdict {
    Blank,
    Accepted,
    Failed,
    Unresolved,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(facts: &[(Fact, u8)]) -> Recipient {
        facts.iter().fold(Recipient::default(), |state, &(fact, attempt)| {
            state.join(Recipient::from_fact(fact, attempt).unwrap())
        })
    }

    fn any_fact() -> impl Strategy<Value = (Fact, u8)> {
        any_fact_of(ATTEMPTS_MAX)
    }

    fn any_fact_of(attempts: u8) -> impl Strategy<Value = (Fact, u8)> {
        use Fact::*;
        (
            prop::sample::select(vec![
                Accepted,
                Failed,
                FailedForGood,
                Unresolved,
                Skipped,
                Cancelled,
                Reopened,
                OptedOut,
                Delivered,
                Read,
                Responded,
                Clicked,
                Ordered,
            ]),
            1..=attempts,
        )
    }

    proptest! {
        #[test]
        fn g3_joining_is_commutative_associative_and_idempotent(
            a in prop::collection::vec(any_fact(), 0..6),
            b in prop::collection::vec(any_fact(), 0..6),
            c in prop::collection::vec(any_fact(), 0..6),
        ) {
            let (a, b, c) = (of(&a), of(&b), of(&c));
            prop_assert_eq!(a.join(b), b.join(a));
            prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
            prop_assert_eq!(a.join(b).join(b), a.join(b));
        }

        #[test]
        fn without_a_new_run_a_final_recipient_stays_final(
            facts in prop::collection::vec(any_fact_of(3), 0..10), late in any_fact_of(3),
        ) {
            let before = of(&facts);
            let is_open = |attempt| before.attempt_bits(attempt) & (FAILED | UNRESOLVED) != 0;
            // Only what failed or is unresolved is tried again or reopened, and an attempt that nobody may have made
            // has no outcome.
            let is_possible = (1..before.attempts()).all(is_open)
                && (before.reopened() == 0 || is_open(before.reopened()))
                && (late.1 <= before.attempts()
                    || !matches!(late.0, Fact::Accepted | Fact::Failed | Fact::FailedForGood | Fact::Unresolved));
            if !is_possible || late.0 == Fact::Reopened || before.status() == Status::Pending {
                return Ok(());
            }
            let after = before.join(Recipient::from_fact(late.0, late.1).unwrap());
            prop_assert!(after.status() != Status::Pending, "{before:?} {late:?}");
        }

        #[test]
        fn g1_nobody_who_may_be_called_has_a_message_or_an_open_question(
            facts in prop::collection::vec(any_fact(), 0..8), attempt in 1..=ATTEMPTS_MAX,
        ) {
            let state = of(&facts);
            if state.may_attempt(attempt) {
                prop_assert_eq!(state.status(), Status::Pending, "{:?}", state);
                prop_assert!(!state.is_settled(attempt));
            }
        }
    }

    #[test]
    fn hazard_13_a_failed_resend_does_not_hide_an_unresolved_first_attempt() {
        let state = of(&[(Fact::Unresolved, 1), (Fact::Reopened, 1), (Fact::FailedForGood, 2)]);
        assert_eq!(state.status(), Status::Unknown);
        assert!(!state.may_attempt(3));
        assert_eq!(state.join(of(&[(Fact::Accepted, 1)])).status(), Status::Sent);
        assert_eq!(state.join(of(&[(Fact::Failed, 1)])).status(), Status::Failed);
    }

    #[test]
    fn an_outcome_replaces_unresolved_of_its_own_attempt_before_or_after_it() {
        assert_eq!(of(&[(Fact::Unresolved, 1), (Fact::Accepted, 1)]).status(), Status::Sent);
        assert_eq!(of(&[(Fact::Failed, 1), (Fact::Unresolved, 1)]).status(), Status::Failed);
        assert_eq!(of(&[(Fact::Unresolved, 1), (Fact::FailedForGood, 1)]).status(), Status::Failed);
    }

    #[test]
    fn g8_a_resend_let_go_for_a_late_acceptance_stays_final_when_that_fails() {
        let sent = of(&[(Fact::Unresolved, 1), (Fact::Reopened, 1), (Fact::Accepted, 1)]);
        assert_eq!(sent.status(), Status::Sent);
        let failed = sent.join(of(&[(Fact::FailedForGood, 1)]));
        assert_eq!(failed.status(), Status::Failed);
        assert!(!failed.may_attempt(2));
        let second = of(&[(Fact::Failed, 2)]);
        assert_eq!(failed.join(second).status(), Status::Failed, "also when the second attempt was made");
        assert!(!failed.join(second).may_attempt(3));
    }

    #[test]
    fn a_transient_failure_waits_for_the_next_attempt() {
        let state = of(&[(Fact::Failed, 1)]);
        assert_eq!(state.status(), Status::Pending);
        assert!(state.may_attempt(2) && !state.may_attempt(1) && !state.may_attempt(3));
    }

    #[test]
    fn g8_a4_whoever_opts_out_between_two_attempts_is_final() {
        let skipped = |facts: &[(Fact, u8)]| of(facts).join(of(&[(Fact::Skipped, 0)]));
        let refused = skipped(&[(Fact::Failed, 1)]);
        assert_eq!(refused.status(), Status::Skipped);
        assert!(!refused.may_attempt(2));
        assert_eq!(skipped(&[(Fact::FailedForGood, 1), (Fact::Reopened, 1)]).status(), Status::Failed);
        assert_eq!(skipped(&[(Fact::Unresolved, 1), (Fact::Reopened, 1)]).status(), Status::Unknown);
        assert_eq!(
            refused.join(of(&[(Fact::Delivered, 0)])).status(),
            Status::Delivered,
            "it went out after all"
        );
    }

    #[test]
    fn g1_a_failure_that_the_provider_contradicts_is_not_tried_again() {
        let failed = of(&[(Fact::Failed, 1)]);
        for doubt in [Fact::Accepted, Fact::Unresolved] {
            let state = failed.join(of(&[(doubt, 1)]));
            assert_eq!(state.status(), Status::Failed, "{doubt:?}");
            assert!(!state.may_attempt(2), "{doubt:?}");
            assert!(state.join(of(&[(Fact::Reopened, 1)])).may_attempt(2), "a person may, {doubt:?}");
        }
    }

    #[test]
    fn hazard_24_an_asynchronous_failure_is_final_in_its_run() {
        let state = of(&[(Fact::Accepted, 1), (Fact::Failed, 1)]);
        assert_eq!(state.status(), Status::Failed);
    }

    #[test]
    fn hazard_25_only_failed_recipients_are_open_after_reopening() {
        assert!(of(&[(Fact::FailedForGood, 1), (Fact::Reopened, 1)]).may_attempt(2));
        assert_eq!(of(&[(Fact::FailedForGood, 1), (Fact::Reopened, 1)]).status(), Status::Pending);
        assert!(!of(&[(Fact::Accepted, 1), (Fact::Reopened, 1)]).may_attempt(2));
        assert!(!of(&[(Fact::Unresolved, 1)]).may_attempt(2), "unknown is not failed");
    }

    #[test]
    fn d2_a_later_fact_fills_the_earlier_ones_and_nothing_moves_backwards() {
        let read = of(&[(Fact::Read, 0)]);
        assert_eq!(read.status(), Status::Read);
        assert_eq!(read.join(of(&[(Fact::Delivered, 0)])).status(), Status::Read);
        assert_eq!(read.join(of(&[(Fact::FailedForGood, 1)])).status(), Status::Read);
    }

    #[test]
    fn cancelling_touches_only_who_waits() {
        assert_eq!(of(&[(Fact::Cancelled, 0)]).status(), Status::Cancelled);
        assert_eq!(of(&[(Fact::Cancelled, 0), (Fact::Accepted, 1)]).status(), Status::Sent);
        assert_eq!(of(&[(Fact::Cancelled, 0), (Fact::Failed, 1)]).status(), Status::Cancelled);
        assert!(!of(&[(Fact::Cancelled, 0)]).may_attempt(1));
    }

    #[test]
    fn g2_a_cancel_before_another_attempt_does_not_unsay_a_failure_that_was_final() {
        let resend = [(Fact::Unresolved, 1), (Fact::Reopened, 1)];
        let late = of(&resend).join(of(&[(Fact::FailedForGood, 1)]));
        assert!(late.status() == Status::Pending && late.may_attempt(2), "it is sent again");
        let cancelled = of(&[(Fact::Cancelled, 0)]);
        assert_eq!(late.join(cancelled).status(), Status::Failed, "a message may have gone out");
        assert_eq!(of(&resend).join(cancelled).status(), Status::Unknown);
        for run in [&[(Fact::FailedForGood, 1)][..], &[(Fact::Accepted, 1), (Fact::Failed, 1)]] {
            let reopened = of(run).join(of(&[(Fact::Reopened, 1)]));
            assert_eq!(reopened.status(), Status::Pending, "{run:?}");
            let ended = reopened.join(cancelled);
            assert_eq!(ended.status(), Status::Failed, "{run:?}");
            assert_eq!(ended.join(of(&[(Fact::Failed, 2)])).status(), Status::Failed, "{run:?}");
            assert_eq!(ended.join(of(&[(Fact::Accepted, 2)])).status(), Status::Sent, "{run:?}");
            assert!(!ended.may_attempt(2), "{run:?}");
        }
    }

    #[test]
    fn a_provider_opt_out_has_its_own_status() {
        assert_eq!(of(&[(Fact::FailedForGood, 1), (Fact::OptedOut, 0)]).status(), Status::OptedOut);
        assert_eq!(of(&[(Fact::Read, 0), (Fact::OptedOut, 0)]).status(), Status::Read);
    }
}
