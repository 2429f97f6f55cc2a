//! Metrics of provider calls.

use super::Metrics;
use super::definition::{Definition, Kind, Label, Labels, QUICK, Stage};
use super::family::{Counters, Gauges, Histograms};
use super::labels::CHANNEL;
use crate::ports::caller::CallResult;
use sluice_core::throttle::HoldReason;

crate::label_words! {
    /// Whether somebody is called for the first time.
    AttemptKind, ATTEMPT_KINDS: First = "first", Again = "again"
}

crate::label_words! {
    /// How a call ended, as far as it matters for what comes next.
    CallClass, CALL_CLASSES:
    Accepted = "accepted",
    FailedTransient = "failed_transient",
    FailedPermanent = "failed_permanent",
    OptedOut = "opted_out",
    Throttled = "throttled",
    Account = "account",
    Template = "template",
    Unreachable = "unreachable",
    NotCalled = "not_called",
    Unknown = "unknown",
}

crate::label_words! {
    /// Why one recipient can't be sent to.
    RenderRefusal, RENDER_REFUSALS:
    MissingVariable = "missing_variable",
    InvalidAddress = "invalid_address",
    TooLong = "too_long",
    InvalidHeader = "invalid_header",
    Other = "other",
}

/// Calls handed to the client.
pub const CALLS: Definition = Definition {
    name: "sluice_calls_total",
    kind: Kind::Counter,
    unit: "calls",
    stage: Stage::Call,
    labels: Labels::Each(&[CHANNEL, Label { name: "attempt", values: ATTEMPT_KINDS }]),
    help: "Granted sends that were handed to the client, each for one call at its slot.",
    look: "The sending rate by channel. A large part `again`: the provider refuses much that passes later.",
};

/// How long calls take.
pub const CALL_SECONDS: Definition = Definition {
    name: "sluice_call_seconds",
    kind: Kind::Histogram(QUICK),
    unit: "seconds",
    stage: Stage::Call,
    labels: Labels::Each(&[CHANNEL]),
    help: "From a call's slot until its outcome is known, with the wait for a connection; calls that were not made \
           are left out.",
    look: "What the provider takes for an answer. Near the call's timeout, outcomes become `unknown`; above a second, \
           the cap of calls under way limits a page's rate.",
};

/// Calls under way.
pub const IN_FLIGHT: Definition = Definition {
    name: "sluice_calls_in_flight",
    kind: Kind::Gauge,
    unit: "calls",
    stage: Stage::Call,
    labels: Labels::Each(&[CHANNEL]),
    help: "Calls that the client has and whose outcome is not known, those that wait for their slot included.",
    look: "A level that stays at 256 times the pages: calls are slower than the rate that was asked for.",
};

/// How calls ended.
pub const OUTCOMES: Definition = Definition {
    name: "sluice_call_outcomes_total",
    kind: Kind::Counter,
    unit: "calls",
    stage: Stage::Outcome,
    labels: Labels::Each(&[CHANNEL, Label { name: "class", values: CALL_CLASSES }]),
    help: "How calls ended. `throttled`, `account` and `unreachable` concern the page as a whole, which waits, \
           `template` the campaigns of one template on it; `not_called` is given back.",
    look: "`unknown` is never repeated: more than a few in a thousand means that the provider or the network \
           loses answers. `account` and `template` need a person: a token, the account itself, a paused template. `failed_permanent` is the \
           quality of the list or the message.",
};

/// Recipients that can't be sent to.
pub const RENDER_REFUSED: Definition = Definition {
    name: "sluice_render_refused_total",
    kind: Kind::Counter,
    unit: "recipients",
    stage: Stage::Call,
    labels: Labels::Each(&[CHANNEL, Label { name: "reason", values: RENDER_REFUSALS }]),
    help: "Recipients whose message could not be made; they fail without a call.",
    look: "`missing_variable`: a column of the audience is missing or empty.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[&CALLS, &CALL_SECONDS, &IN_FLIGHT, &RENDER_REFUSED, &OUTCOMES];

/// The handles of the caller.
#[derive(Debug)]
pub(crate) struct CallMetrics {
    pub(crate) calls: Counters,
    pub(crate) seconds: Histograms,
    pub(crate) in_flight: Gauges,
    pub(crate) outcomes: Counters,
}

impl CallMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let all = Self {
            calls: CALLS.counters(),
            seconds: CALL_SECONDS.histograms(),
            in_flight: IN_FLIGHT.gauges(),
            outcomes: OUTCOMES.counters(),
        };
        metrics.register(&all.calls);
        metrics.register(&all.seconds);
        metrics.register(&all.in_flight);
        metrics.register(&all.outcomes);
        all
    }
}

/// The handles of rendering.
pub(crate) fn render_refused(metrics: &Metrics) -> Counters {
    let refused = RENDER_REFUSED.counters();
    metrics.register(&refused);
    refused
}

/// The class of an outcome.
pub fn class_of(result: &CallResult) -> CallClass {
    match result {
        CallResult::Accepted { .. } => CallClass::Accepted,
        CallResult::Failed(failure) if failure.opted_out => CallClass::OptedOut,
        CallResult::Failed(failure) if failure.transient => CallClass::FailedTransient,
        CallResult::Failed(_) => CallClass::FailedPermanent,
        CallResult::Refused { reason, .. } | CallResult::NotCalled { reason: Some(reason) } => match reason {
            HoldReason::Unreachable(_) => CallClass::Unreachable,
            HoldReason::Throttled(_) => CallClass::Throttled,
            HoldReason::Account(_) => CallClass::Account,
            HoldReason::Template(_) => CallClass::Template,
        },
        CallResult::NotCalled { reason: None } => CallClass::NotCalled,
        CallResult::Unknown { .. } => CallClass::Unknown,
    }
}

/// The reason behind a [`crate::ports::messages::RenderProblem`]'s code.
pub fn refusal_of(code: &str) -> RenderRefusal {
    match code {
        "missing_variable" => RenderRefusal::MissingVariable,
        "invalid_address" => RenderRefusal::InvalidAddress,
        "too_long" => RenderRefusal::TooLong,
        "invalid_header" => RenderRefusal::InvalidHeader,
        _ => RenderRefusal::Other,
    }
}
