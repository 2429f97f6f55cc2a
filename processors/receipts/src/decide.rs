//! Which failures are tried again, and when. Pure: the same receipts, state and campaign give the same answer,
//! so a replay repeats it instead of forgetting it.
//!
//! ```text
//! failed         attempts left ► a retry record        none left ► failed_for_good
//! unresolved     on_unknown = "resend" and attempts left ► reopened (a receipt first)
//! reopened       a retry record
//! anything else  nothing
//! ```

use sluice_core::chunk_state::entry;
use sluice_core::facts::{Recipient, Status};
use sluice_core::retry::{Backoff, RESEND};
use sluice_core::{ATTEMPTS_MAX, CHUNK_ROWS_MAX, CampaignRow, ChunkId, ChunkState, IndexSet};
use sluice_schemas::{Fact, OnUnknown, ReceiptEntry};
use std::collections::BTreeMap;

/// What a campaign says about retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether it goes on, now or after a pause: a retry that is not asked for while it is paused is never made.
    pub goes_on: bool,
    /// From 1; another with every retry of failed recipients.
    pub run: u32,
    /// Attempts after the first, in a run.
    pub max_retries: u8,
    /// Whether an attempt without an outcome is made again.
    pub resend: bool,
}

impl Policy {
    /// Of a campaign as it is now.
    pub fn of(row: &CampaignRow) -> Self {
        Self {
            goes_on: row.state.goes_on(),
            run: row.run,
            max_retries: row.launch.max_retries.clamp(0, i32::from(ATTEMPTS_MAX) - 1) as u8,
            resend: row.launch.on_unknown == OnUnknown::Resend,
        }
    }
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// Between attempts.
    pub backoff: Backoff,
    /// After an attempt without an outcome, in ms.
    pub resend_wait_ms: u64,
}

/// Recipients that share a retry record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The attempt to make, from 2.
    pub attempt: u8,
    /// ms since 1970.
    pub not_before_ms: i64,
    /// Who.
    pub indexes: IndexSet,
}

/// What follows from the receipts of a chunk.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// To be appended to `chunks`.
    pub retries: Vec<Retry>,
    /// To be appended to `receipts`.
    pub receipts: Vec<ReceiptEntry>,
}

impl Decision {
    /// Whether the state must not be stored before its receipts are merged: a recipient who is sent again must
    /// never be seen as final in between, or the campaign could end (G2).
    pub fn holds_state(&self) -> bool {
        self.receipts.iter().any(|entry| entry.fact == Fact::Reopened)
    }
}

/// Whether [`decide`] looks at such entries.
pub fn concerns(fact: Fact) -> bool {
    matches!(fact, Fact::Failed | Fact::Unresolved | Fact::Reopened)
}

/// Decides on `news`, all of which `state` knows already.
pub fn decide(
    chunk: ChunkId,
    state: &ChunkState,
    news: &[ReceiptEntry],
    policy: Policy,
    delays: &Delays,
    now_ms: i64,
) -> Decision {
    let mut decision = Decision::default();
    // A campaign that is being cancelled has its own receipts; one that ended tries nothing again (hazard 24).
    if !policy.goes_on {
        return decision;
    }
    let mut tiers: BTreeMap<(u8, i64), IndexSet> = BTreeMap::new();
    for news in news.iter().filter(|entry| concerns(entry.fact)) {
        let Some((indexes, attempt)) = bounds(news) else { continue };
        let mut again = IndexSet::new();
        let mut over = IndexSet::new();
        for index in indexes {
            match next_step(state.recipient(index), news.fact, attempt, policy) {
                Step::Again => again.insert(index),
                Step::Over => over.insert(index),
                Step::Nothing => false,
            };
        }
        if news.fact == Fact::Unresolved {
            let wait = i64::try_from(delays.resend_wait_ms).unwrap_or(i64::MAX);
            decision.receipts.extend(again.ranges().into_iter().map(|(first, last)| ReceiptEntry {
                reason: Some(RESEND.to_owned()),
                retry_after_ms: Some(wait),
                ..entry(Fact::Reopened, first, last, attempt, now_ms)
            }));
            continue;
        }
        if !again.is_empty() {
            // Reopening is no failure of an attempt: it gets the shortest delay.
            let step = if news.fact == Fact::Reopened { 1 } else { attempt };
            // A person may ask for the unknown ones as well, right after the call.
            let is_resend = news.fact == Fact::Reopened && news.reason.as_deref() == Some(RESEND);
            let least = is_resend.then(|| i64::try_from(delays.resend_wait_ms).unwrap_or(i64::MAX));
            let wait = news.retry_after_ms.max(least);
            let due = delays.backoff.not_before_ms(step, news.at_ms, wait, seed(chunk, attempt));
            tiers.entry((attempt + 1, due)).or_default().union_with(&again);
        }
        decision.receipts.extend(over.ranges().into_iter().map(|(first, last)| ReceiptEntry {
            reason: news.reason.clone(),
            message: news.message.clone(),
            ..entry(Fact::FailedForGood, first, last, attempt, news.at_ms)
        }));
    }
    decision.retries = tiers
        .into_iter()
        .map(|((attempt, not_before_ms), indexes)| Retry { attempt, not_before_ms, indexes })
        .collect();
    decision
}

enum Step {
    Again,
    Over,
    Nothing,
}

fn next_step(recipient: Recipient, fact: Fact, attempt: u8, policy: Policy) -> Step {
    let status = recipient.status();
    let is_last = attempt >= ATTEMPTS_MAX;
    match fact {
        Fact::Unresolved => {
            // Every reopening starts a new count of failures, so this limit is over the whole run.
            let allowed = u32::from(policy.max_retries).saturating_add(1).saturating_mul(policy.run);
            let open = status == Status::Unknown
                && recipient.attempts() == attempt
                && recipient.reopened() < attempt
                && !recipient.is_excluded();
            if policy.resend && open && !is_last && u32::from(attempt) < allowed {
                Step::Again
            } else {
                Step::Nothing
            }
        }
        // Asynchronous failures are final in their run and not pending (hazard 24).
        _ if status != Status::Pending => Step::Nothing,
        Fact::Failed if is_last => {
            if recipient.attempts() == attempt {
                Step::Over
            } else {
                Step::Nothing
            }
        }
        _ if !recipient.may_attempt(attempt.saturating_add(1)) => Step::Nothing,
        Fact::Failed if attempt.saturating_sub(recipient.reopened()) > policy.max_retries => Step::Over,
        _ => Step::Again,
    }
}

fn bounds(entry: &ReceiptEntry) -> Option<(std::ops::RangeInclusive<u16>, u8)> {
    let first = u16::try_from(entry.first).ok()?;
    let last = u16::try_from(entry.last).ok().filter(|last| u32::from(*last) < CHUNK_ROWS_MAX)?;
    let attempt = u8::try_from(entry.attempt).ok().filter(|attempt| (1..=ATTEMPTS_MAX).contains(attempt))?;
    Some((first..=last, attempt))
}

/// One jitter for all failures of a chunk's attempt, so that they share records.
fn seed(chunk: ChunkId, attempt: u8) -> u64 {
    u64::from_be_bytes(chunk.campaign().0) ^ u64::from(chunk.number()) ^ u64::from(attempt) << 40
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sluice_core::CampaignId;

    const POLICY: Policy = Policy { goes_on: true, run: 1, max_retries: 3, resend: false };

    fn delays() -> Delays {
        Delays { backoff: Backoff::default(), resend_wait_ms: 63_000 }
    }

    fn chunk() -> ChunkId {
        ChunkId::new(CampaignId::of("t", "c"), 0, 1, 7)
    }

    fn decided(news: &[ReceiptEntry], policy: Policy) -> Decision {
        let mut state = ChunkState::new();
        news.iter().for_each(|entry| state.merge(entry));
        decide(chunk(), &state, news, policy, &delays(), 1_000_000)
    }

    #[test]
    fn c3_failures_of_one_moment_share_one_retry_record() {
        let news: Vec<_> = (0..100).map(|index| entry(Fact::Failed, index, index, 1, 500_010)).collect();
        let decision = decided(&news, POLICY);
        assert_eq!(decision.retries.len(), 1);
        assert_eq!(decision.retries[0].indexes.ranges(), [(0, 99)]);
        assert_eq!(decision.retries[0].attempt, 2);
        assert!(decision.retries[0].not_before_ms >= 500_900);
        assert!(decision.receipts.is_empty());
    }

    #[test]
    fn the_provider_decides_a_longer_wait() {
        let news = [ReceiptEntry { retry_after_ms: Some(90_000), ..entry(Fact::Failed, 3, 3, 1, 0) }];
        assert!(decided(&news, POLICY).retries[0].not_before_ms >= 90_000);
    }

    #[test]
    fn a_failure_with_no_attempts_left_becomes_final() {
        let policy = Policy { max_retries: 0, ..POLICY };
        let news = [ReceiptEntry { reason: Some("busy".into()), ..entry(Fact::Failed, 2, 4, 1, 10) }];
        let decision = decided(&news, policy);
        assert!(decision.retries.is_empty());
        let expected =
            ReceiptEntry { reason: Some("busy".into()), ..entry(Fact::FailedForGood, 2, 4, 1, 10) };
        assert_eq!(decision.receipts, [expected]);
        assert!(!decision.holds_state());
    }

    #[test]
    fn the_last_slot_of_a_recipient_never_waits_for_an_attempt_that_cannot_come() {
        let policy = Policy { max_retries: 12, ..POLICY };
        let news: Vec<_> = (1..=ATTEMPTS_MAX).map(|attempt| entry(Fact::Failed, 0, 0, attempt, 0)).collect();
        let decision = decided(&news, policy);
        assert!(decision.retries.is_empty());
        assert_eq!(decision.receipts, [entry(Fact::FailedForGood, 0, 0, ATTEMPTS_MAX, 0)]);
    }

    #[test]
    fn hazard_24_a_failure_after_acceptance_is_never_tried_again() {
        let news = [entry(Fact::Accepted, 0, 0, 1, 0), entry(Fact::Failed, 0, 0, 1, 5)];
        assert_eq!(decided(&news, POLICY), Decision::default());
    }

    #[test]
    fn nothing_is_tried_again_unless_the_campaign_goes_on() {
        let policy = Policy { goes_on: false, ..POLICY };
        assert_eq!(decided(&[entry(Fact::Failed, 0, 9, 1, 0)], policy), Decision::default());
    }

    #[test]
    fn hazard_14_a_resend_is_a_receipt_first_and_waits_until_the_old_call_is_surely_over() {
        let news = [entry(Fact::Unresolved, 1, 2, 1, 0)];
        assert_eq!(decided(&news, POLICY), Decision::default(), "unknown stays unknown");
        let policy = Policy { resend: true, ..POLICY };
        let decision = decided(&news, policy);
        assert!(decision.retries.is_empty() && decision.holds_state());
        let reopened = decision.receipts[0].clone();
        assert_eq!(
            (reopened.fact, reopened.first, reopened.last, reopened.attempt),
            (Fact::Reopened, 1, 2, 1)
        );
        let after = decided(&[news[0].clone(), reopened], policy);
        assert!(after.receipts.is_empty());
        assert_eq!((after.retries.len(), after.retries[0].attempt), (1, 2));
        assert!(after.retries[0].not_before_ms >= 1_000_000 + 63_000);
    }

    #[test]
    fn resending_ends_when_the_attempts_are_used_up() {
        let policy = Policy { resend: true, max_retries: 1, ..POLICY };
        let news = [
            entry(Fact::Unresolved, 0, 0, 1, 0),
            entry(Fact::Reopened, 0, 0, 1, 0),
            entry(Fact::Unresolved, 0, 0, 2, 0),
        ];
        assert_eq!(decided(&news, policy), Decision::default());
    }

    #[test]
    fn hazard_25_a_new_run_tries_reopened_failures_and_counts_attempts_anew() {
        let policy = Policy { run: 2, max_retries: 1, ..POLICY };
        let news = [
            entry(Fact::Failed, 0, 0, 1, 0),
            entry(Fact::FailedForGood, 0, 0, 2, 0),
            entry(Fact::Reopened, 0, 0, 2, 0),
            entry(Fact::Unresolved, 1, 1, 1, 0),
        ];
        let decision = decided(&news, policy);
        assert_eq!(decision.retries.len(), 1);
        assert_eq!((decision.retries[0].attempt, decision.retries[0].indexes.ranges()), (3, vec![(0, 0)]));
        let mut more = news.to_vec();
        more.push(entry(Fact::Failed, 0, 0, 3, 0));
        assert_eq!(decided(&more, policy).retries[0].attempt, 4);
        more.push(entry(Fact::Failed, 0, 0, 4, 0));
        assert_eq!(decided(&more, policy).receipts[0].fact, Fact::FailedForGood);
    }

    proptest! {
        #[test]
        fn g2_whoever_waits_after_a_failure_gets_a_retry_or_a_final_receipt_also_on_a_replay(
            facts in prop::collection::vec(
                (prop::sample::select(vec![Fact::Failed, Fact::FailedForGood, Fact::Accepted, Fact::Reopened]), 1u8..5),
                1..6),
            max_retries in 0u8..4,
        ) {
            let policy = Policy { max_retries, ..POLICY };
            let news: Vec<_> = facts.iter().map(|&(fact, attempt)| entry(fact, 0, 0, attempt, 0)).collect();
            let mut state = ChunkState::new();
            news.iter().for_each(|entry| state.merge(entry));
            let recipient = state.recipient(0);
            // Nobody reopens an attempt that was never made.
            prop_assume!(recipient.reopened() <= recipient.attempts());
            let decision = decided(&news, policy);
            let next = recipient.attempts() + 1;
            if recipient.status() == Status::Pending && recipient.may_attempt(next) && next > 1 {
                prop_assert!(decision.retries.iter().any(|retry| retry.attempt == next)
                    || decision.receipts.iter().any(|entry| entry.fact == Fact::FailedForGood));
            }
            for retry in &decision.retries {
                prop_assert!(recipient.may_attempt(retry.attempt));
            }
            prop_assert_eq!(&decision, &decided(&news, policy));
        }

        #[test]
        fn whatever_a_record_holds_is_no_panic(first in any::<i32>(), last in any::<i32>(), attempt in any::<i32>()) {
            let base = entry(Fact::Failed, 0, 0, 1, 0);
            let _nothing_or_something = decided(&[ReceiptEntry { first, last, attempt, ..base }], POLICY);
        }
    }
}
