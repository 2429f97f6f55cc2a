//! What keeps Kafka from working now.

use super::lifeline::Lifeline;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use sluice_runtime::{Clock, SystemClock};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A refusal that is not repeated for so long is over.
const REFUSAL_LASTS: Duration = Duration::from_secs(30);

/// What is known about the brokers' health, from all clients of the log.
#[derive(Debug)]
pub(crate) struct Trouble {
    brokers: String,
    state: Mutex<State>,
    /// The clients that hear of it.
    pub(crate) lifeline: Lifeline,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody had no answer; the health check looks whether that is so.
    is_suspected: bool,
    unreachable_since: Option<Duration>,
    /// What a connection failed by last.
    reason: Option<String>,
    refusal: Option<Refusal>,
    /// Whether the log of the process says that something is in the way.
    is_told: bool,
}

#[derive(Debug)]
struct Refusal {
    kind: RefusalKind,
    text: String,
    heard: Duration,
}

/// What never heals by waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalKind {
    Login,
    Tls,
    Permission,
    Topic,
}

impl Trouble {
    pub(crate) fn new(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned(), state: Mutex::default(), lifeline: Lifeline::new(brokers) }
    }

    /// An error that a client told.
    pub(crate) fn heard(&self, error: &ClientError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        if let Some(kind) = refusal(code) {
            self.refused(kind, reason);
            return;
        }
        let mut state = self.state();
        match code {
            Code::AllBrokersDown => state.is_suspected = true,
            Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut => {
                state.reason = Some(reason.to_owned());
            }
            _ => {}
        }
    }

    /// A request failed. Says whether asking again may help.
    pub(crate) fn failed(&self, what: &str, code: Code) -> bool {
        match refusal(code) {
            Some(kind) => {
                self.refused(kind, &format!("{what}: {code}"));
                true
            }
            None if is_passing(code) => {
                self.state().is_suspected = true;
                true
            }
            None => false,
        }
    }

    pub(crate) fn refused(&self, kind: RefusalKind, reason: &str) {
        let text = match kind {
            RefusalKind::Login => {
                format!("the brokers refuse the login: {reason}; check sasl_username and sasl_password")
            }
            RefusalKind::Tls => format!("no TLS connection: {reason}; check security_protocol and ca_file"),
            RefusalKind::Permission => format!("not allowed: {reason}; grant it to this user"),
            RefusalKind::Topic => format!("{reason}; run `sluice topics check`"),
        };
        self.state().refusal = Some(Refusal { kind, text, heard: SystemClock.monotonic() });
    }

    /// Whether the health check should look.
    pub(crate) fn is_suspected(&self) -> bool {
        let state = self.state();
        state.is_suspected || state.unreachable_since.is_some() || state.refusal.is_some()
    }

    /// What the health check saw. The log of the process says once what is in the way, and when it no longer is.
    pub(crate) fn checked(&self, answers: bool) {
        let mut state = self.state();
        state.checked(answers, SystemClock.monotonic());
        let brokers = &self.brokers;
        match (state.obstacle(), state.is_told) {
            (Some(reason), false) => tracing::warn!(brokers, reason, "Kafka can't be worked with"),
            (None, true) => tracing::info!(brokers, "Kafka works again"),
            _ => {}
        }
        state.is_told = state.obstacle().is_some();
    }

    /// The refusal that was heard last.
    pub(crate) fn refusal(&self) -> Option<(RefusalKind, String)> {
        self.state().refusal.as_ref().map(|refusal| (refusal.kind, refusal.text.clone()))
    }

    /// What connections failed by last.
    pub(crate) fn reason(&self) -> Option<String> {
        self.state().reason.clone()
    }

    /// For people.
    pub(crate) fn text(&self) -> Option<String> {
        let state = self.state();
        if let Some(refusal) = &state.refusal {
            return Some(refusal.text.clone());
        }
        let since = (SystemClock.monotonic() - state.unreachable_since?).as_secs();
        let reason = state.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        Some(format!("no broker answers at {} since {since} s{reason}", self.brokers))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn checked(&mut self, answers: bool, now: Duration) {
        self.is_suspected = false;
        if !answers {
            self.unreachable_since.get_or_insert(now);
            return;
        }
        self.unreachable_since = None;
        self.reason = None;
        self.refusal.take_if(|refusal| {
            matches!(refusal.kind, RefusalKind::Login | RefusalKind::Tls)
                || now - refusal.heard > REFUSAL_LASTS
        });
    }

    /// What is in the way now.
    fn obstacle(&self) -> Option<&str> {
        let refused = self.refusal.as_ref().map(|refusal| refusal.text.as_str());
        let unreachable = || self.reason.as_deref().unwrap_or("no broker answers");
        refused.or_else(|| self.unreachable_since.map(|_| unreachable()))
    }
}

fn refusal(code: Code) -> Option<RefusalKind> {
    Some(match code {
        Code::Authentication | Code::SaslAuthenticationFailed => RefusalKind::Login,
        Code::SSL => RefusalKind::Tls,
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed => RefusalKind::Permission,
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId => RefusalKind::Topic,
        _ => return None,
    })
}

/// Whether the same request may succeed later.
fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            // A broker that starts again is missing in the metadata for a moment: the client lets go of it, and of
            // what waits for it.
            | Code::DestroyBroker
            // The same for its partitions.
            | Code::UnknownPartition
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut
            | Code::WaitingForCoordinator
            | Code::InProgress
            | Code::NodeUpdate
            | Code::Retry
            | Code::Outdated
            | Code::PreviousInProgress
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::ReplicaNotAvailable
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::RebalanceInProgress
            | Code::StaleMemberEpoch
            | Code::KafkaStorageError
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::UnstableOffsetCommit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_missing_for_a_moment_is_asked_again_and_a_request_that_is_wrong_is_not() {
        let trouble = Trouble::new("a:1");
        for code in [
            Code::DestroyBroker,
            Code::UnknownPartition,
            Code::BrokerTransportFailure,
            Code::OperationTimedOut,
        ] {
            assert!(trouble.failed("reading", code), "{code:?}");
        }
        assert!(trouble.is_suspected());
        assert!(!trouble.failed("reading", Code::InvalidArgument));
    }
}
