//! The verdict on one call: token, body, rate, fault; counted and logged before anything is answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::call::{Call, Refusal};
use crate::channel::Channel;
use crate::dice::mix;
use crate::faults::{FaultKind, Faults};
use crate::graph;
use crate::log::{Kind, LogLine, Outcome};
use crate::state::State;

/// How a call ends.
#[derive(Debug)]
pub(crate) struct Ruling {
    pub(crate) outcome: Outcome,
    /// The error to answer with.
    pub(crate) refusal: Option<Refusal>,
    /// Set if the message was accepted.
    pub(crate) message_id: Option<Arc<str>>,
    /// The number of this attempt, from 1; 0 if it did not get as far as faults.
    pub(crate) attempt: u32,
    /// When the request had been read, in microseconds since the Unix epoch.
    pub(crate) t_us: u64,
    /// Percent of the page's rate limit in use; 0 without a limit.
    pub(crate) used_percent: u64,
}

impl State {
    /// Judges, counts and logs. `token` is the access token of the request, if it has one.
    pub(crate) fn judge(&self, call: &Call, token: Option<&str>, faults: &Faults) -> Ruling {
        let page = self.pages.get(call.channel, &call.page);
        let arrival = page.arrive(&self.clock, self.config.rate_limits.of(call.channel));
        let key = call.key();
        let (outcome, refusal, attempt) =
            if let Some(refusal) = self.refused_token(call.channel, token, faults) {
                (Outcome::Unauthorized, Some(refusal), 0)
            } else if let Some(refusal) = &call.refusal {
                (Outcome::Rejected, Some(refusal.clone()), 0)
            } else if !arrival.within_limit {
                // Depends on time, so it must not count as an attempt: faults derive from those.
                (Outcome::Throttled, Some(graph::throttled(call.channel)), 0)
            } else {
                let attempt = self.ledger.attempt(key);
                let fault = faults.decide(self.config.seed, &call.to, attempt);
                let refusal = fault.and_then(|kind| graph::for_fault(call.channel, kind));
                (fault.map_or(Outcome::Accepted, outcome_of), refusal, attempt)
            };
        let message_id = outcome.is_accepted().then(|| {
            self.ledger.accept(key, call);
            self.message_id(call.channel)
        });
        page.count(outcome);
        let ruling = Ruling {
            outcome,
            refusal,
            message_id,
            attempt,
            t_us: arrival.t_us,
            used_percent: arrival.used_percent,
        };
        self.log.append(line(call, &ruling));
        ruling
    }

    fn refused_token(&self, channel: Channel, token: Option<&str>, faults: &Faults) -> Option<Refusal> {
        let http = channel == Channel::Http;
        let wrong = || if http { Refusal::new(401, 0, "unauthorized", "") } else { graph::wrong_token() };
        if faults.wrong_token {
            return Some(wrong());
        }
        match (token.filter(|t| !t.is_empty()), &self.config.access_token) {
            (Some(given), Some(expected)) => (given != expected).then(wrong),
            (Some(_), None) => None,
            (None, Some(_)) if http => Some(wrong()),
            (None, None) if http => None,
            (None, _) => Some(graph::missing_token()),
        }
    }

    /// Unique over restarts too: a sender may outlive the simulator.
    fn message_id(&self, channel: Channel) -> Arc<str> {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        let id =
            (u128::from(mix(self.clock.started_us() ^ self.config.seed)) << 64) | u128::from(mix(number));
        Arc::from(match channel {
            Channel::WhatsApp => format!("wamid.HBgL{id:032X}"),
            Channel::Messenger => format!("m_{id:032x}"),
            Channel::Instagram => format!("aWdf{id:032x}"),
            Channel::Http => format!("sim-{id:032x}"),
        })
    }
}

fn outcome_of(fault: FaultKind) -> Outcome {
    match fault {
        FaultKind::Error500 | FaultKind::Transient => Outcome::Failed,
        FaultKind::Throttled => Outcome::Throttled,
        FaultKind::Permanent => Outcome::Rejected,
        FaultKind::WrongToken => Outcome::Unauthorized,
        FaultKind::Hang => Outcome::Hang,
        FaultKind::HangAccepted => Outcome::HangAccepted,
        FaultKind::ClosedBefore => Outcome::ClosedBefore,
        FaultKind::ClosedAfter => Outcome::ClosedAfter,
    }
}

fn line(call: &Call, ruling: &Ruling) -> LogLine {
    let answered = if ruling.outcome.is_answered() { 200 } else { 0 };
    LogLine {
        t_us: ruling.t_us,
        kind: Kind::Call,
        channel: call.channel,
        page: Arc::clone(&call.page),
        to: Arc::clone(&call.to),
        tag: call.tag.clone(),
        scope: call.scope.clone(),
        event: None,
        outcome: ruling.outcome,
        status: ruling.refusal.as_ref().map_or(answered, |refusal| refusal.status),
        code: ruling.refusal.as_ref().map_or(0, |refusal| refusal.code),
        message_id: ruling.message_id.clone(),
    }
}
