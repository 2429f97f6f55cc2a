//! What the provider saw of one person.

use super::Line;
use sluice_simulator::{Channel, Kind, Outcome};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// Microseconds since 1970, when the provider had read it.
    pub t_us: u64,
    /// Which process called.
    pub slot: usize,
    /// How it ended.
    pub outcome: Outcome,
}

/// Everything about one person of a channel.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In order of time.
    pub calls: Vec<Call>,
    /// Webhook events that were answered with 200.
    pub told: BTreeSet<Arc<str>>,
}

/// The histories of a channel's people by address. `lines` are in order of time.
pub fn histories(lines: &[Line], channel: Channel) -> HashMap<Arc<str>, History> {
    let mut histories: HashMap<Arc<str>, History> = HashMap::new();
    for Line { slot, line } in lines.iter().filter(|line| line.line.channel == channel) {
        let history = histories.entry(Arc::clone(&line.to)).or_default();
        match (line.kind, line.outcome) {
            (Kind::Call, outcome) => history.calls.push(Call { t_us: line.t_us, slot: *slot, outcome }),
            (Kind::Webhook, Outcome::Posted) => history.told.extend(line.event.clone()),
            (Kind::Webhook, _) => {}
        }
    }
    histories
}

/// The provider itself said that it did not take the message and may be asked again.
fn is_transient(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Failed | Outcome::Throttled)
}

impl History {
    /// Calls that G1 forbids: every one after a call that did not fail transiently by the provider's own answer.
    pub fn doubles(&self) -> impl Iterator<Item = Call> {
        self.calls.windows(2).filter(|pair| !is_transient(pair[0].outcome)).map(|pair| pair[1])
    }

    /// Whether the provider took the message, whatever anybody learned of it.
    pub fn is_accepted(&self) -> bool {
        self.calls.iter().any(|call| call.outcome.is_accepted())
    }

    /// Whether nobody can know how the last call ended: it was not answered, and no webhook told.
    pub fn is_unanswered(&self) -> bool {
        self.calls.last().is_some_and(|call| !call.outcome.is_answered())
    }

    /// Calls that the provider failed.
    pub fn failed(&self) -> usize {
        self.calls.iter().filter(|call| call.outcome == Outcome::Failed).count()
    }

    /// The states that are true. An answer that a dying process had, and nobody else, leaves the person `unknown`
    /// unless a webhook tells; a webhook that was taken always counts. In a campaign that ended before its time
    /// (`is_cut_short`) whoever was not called, or waited for another attempt, is `cancelled`.
    pub fn allowed(&self, is_cut_short: bool) -> BTreeSet<&'static str> {
        let cancelled = is_cut_short.then_some("cancelled");
        let Some(last) = self.calls.last() else {
            return cancelled.into_iter().chain(["unknown"]).collect();
        };
        if !self.is_accepted() {
            return match last.outcome {
                outcome if is_transient(outcome) => {
                    cancelled.into_iter().chain(["failed", "unknown"]).collect()
                }
                outcome if outcome.is_answered() => BTreeSet::from(["failed", "unknown"]),
                _ => BTreeSet::from(["unknown"]),
            };
        }
        let answered = self.calls.iter().any(|call| call.outcome == Outcome::Accepted);
        let mut allowed = BTreeSet::from([self.state(false)]);
        if answered {
            allowed.insert(self.state(true));
        }
        allowed
    }

    /// The furthest event wins. A reply names its message by an id, which only the answer and status events tell.
    fn state(&self, answer_known: bool) -> &'static str {
        let told = |event: &str| self.told.contains(event);
        let accepted = answer_known || told("sent");
        match () {
            () if told("failed") => "failed",
            () if told("reply") && accepted => "responded",
            () if told("read") => "read",
            () if told("delivered") => "delivered",
            () if accepted => "sent",
            () => "unknown",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sluice_simulator::LogLine;

    pub(crate) fn call(t_us: u64, slot: usize, page: &str, to: &str, outcome: Outcome) -> Line {
        let line = LogLine {
            t_us,
            kind: Kind::Call,
            channel: Channel::Http,
            page: page.into(),
            to: to.into(),
            tag: None,
            scope: None,
            event: None,
            outcome,
            status: 200,
            code: 0,
            message_id: None,
        };
        Line { slot, line }
    }

    pub(crate) fn webhook(t_us: u64, to: &str, event: &str, outcome: Outcome) -> Line {
        let mut line = call(t_us, 0, "p", to, outcome);
        line.line.kind = Kind::Webhook;
        line.line.event = Some(event.into());
        line
    }

    fn of(lines: &[Line]) -> History {
        histories(lines, Channel::Http).remove("a").unwrap_or_default()
    }

    fn calls(outcomes: &[Outcome]) -> History {
        let lines: Vec<Line> =
            outcomes.iter().enumerate().map(|(n, outcome)| call(n as u64, n, "p", "a", *outcome)).collect();
        of(&lines)
    }

    #[test]
    fn g1_a_second_call_is_a_double_unless_the_provider_failed_the_first() {
        assert_eq!(calls(&[Outcome::Failed, Outcome::Throttled, Outcome::Accepted]).doubles().count(), 0);
        for first in [
            Outcome::Accepted,
            Outcome::HangAccepted,
            Outcome::Hang,
            Outcome::ClosedBefore,
            Outcome::ClosedAfter,
            Outcome::Rejected,
        ] {
            let doubles: Vec<Call> = calls(&[first, Outcome::Accepted]).doubles().collect();
            assert_eq!(doubles.len(), 1, "{first:?}");
            assert_eq!(doubles[0].slot, 1);
        }
    }

    #[test]
    fn g2_somebody_who_was_never_called_is_unknown_or_nothing() {
        assert_eq!(calls(&[]).allowed(false), BTreeSet::from(["unknown"]));
    }

    #[test]
    fn c5_a_cancel_leaves_those_who_were_not_called_or_wait_for_another_attempt_and_nobody_else() {
        assert_eq!(calls(&[]).allowed(true), BTreeSet::from(["cancelled", "unknown"]));
        let waits = calls(&[Outcome::Failed]).allowed(true);
        assert_eq!(waits, BTreeSet::from(["cancelled", "failed", "unknown"]));
        for outcome in [Outcome::Accepted, Outcome::Rejected, Outcome::Hang, Outcome::ClosedAfter] {
            assert!(!calls(&[outcome]).allowed(true).contains("cancelled"), "{outcome:?}");
        }
    }

    #[test]
    fn an_answer_may_be_lost_with_its_process_but_never_invented() {
        assert_eq!(calls(&[Outcome::Accepted]).allowed(false), BTreeSet::from(["sent", "unknown"]));
        assert_eq!(calls(&[Outcome::ClosedAfter]).allowed(false), BTreeSet::from(["unknown"]));
        assert_eq!(calls(&[Outcome::Failed]).allowed(false), BTreeSet::from(["failed", "unknown"]));
        assert_eq!(calls(&[Outcome::Hang]).allowed(false), BTreeSet::from(["unknown"]));
    }

    #[test]
    fn d3_a_webhook_that_was_taken_always_counts_and_one_that_was_not_never_does() {
        let sent = call(1, 0, "p", "a", Outcome::HangAccepted);
        let told = webhook(2, "a", "delivered", Outcome::Posted);
        let refused = webhook(3, "a", "read", Outcome::Unreachable);
        assert_eq!(of(&[sent.clone(), told, refused.clone()]).allowed(false), BTreeSet::from(["delivered"]));
        assert_eq!(of(&[sent, refused]).allowed(false), BTreeSet::from(["unknown"]));
    }
}
