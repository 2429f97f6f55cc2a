//! Calls through the meter: nothing is changed, and everything is counted.

use crate::support::{HandClock, metrics, value};
use bytes::Bytes;
use sluice_core::throttle::HoldReason;
use sluice_core::{CampaignId, ChunkId, SendId};
use sluice_runtime::metered::{MeteredCaller, PageChannels};
use sluice_runtime::metrics::Metrics;
use sluice_runtime::ports::caller::{
    Answer, AnswerRules, Begun, Call, CallOutcome, CallRequest, CallResult, Caller, Endpoint, Failure,
    Outcomes,
};
use sluice_schemas::Channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Keeps the calls until the test answers them.
#[derive(Default)]
pub(crate) struct Held(Mutex<Vec<Call>>);

impl Caller for Held {
    fn call(&self, calls: Vec<Call>) {
        self.0.lock().unwrap().extend(calls);
    }
}

impl Held {
    fn answer(&self, result: CallResult) {
        let call = self.0.lock().unwrap().remove(0);
        let (send, attempt) = (call.send, call.attempt);
        let outcome = CallOutcome { send, attempt, result, used_percent: None, at_ms: 7 };
        call.outcomes.send(outcome);
    }
}

struct Rules;

impl AnswerRules for Rules {
    fn classify(&self, _: &Answer<'_>) -> CallResult {
        CallResult::Accepted { message_id: None }
    }
}

/// A page that calls through the meter.
pub(crate) struct World<C = Held> {
    metrics: Arc<Metrics>,
    clock: Arc<HandClock>,
    pub(crate) inner: Arc<dyn Caller>,
    held: Arc<C>,
    pub(crate) metered: Arc<dyn Caller>,
    endpoint: Arc<Endpoint>,
    sender: UnboundedSender<CallOutcome>,
    pub(crate) outcomes: UnboundedReceiver<CallOutcome>,
}

impl World {
    fn new() -> Self {
        Self::over(Arc::default())
    }
}

impl<C: Caller> World<C> {
    pub(crate) fn over(held: Arc<C>) -> Self {
        let (metrics, clock) = metrics();
        let channels = PageChannels::default();
        channels.note(&"page".into(), Channel::Messenger);
        let inner: Arc<dyn Caller> = held.clone();
        let metered = Arc::new(MeteredCaller::new(held.clone(), channels, &metrics, clock.clone()));
        let endpoint = Arc::new(Endpoint {
            page: "page".into(),
            method: "POST".to_owned(),
            url: "http://example.invalid".to_owned(),
            headers: Vec::new(),
            answers: Arc::new(Rules),
            timeout_ms: 1_000,
        });
        let (sender, outcomes) = unbounded_channel();
        Self { metrics, clock, inner, held, metered, endpoint, sender, outcomes }
    }

    pub(crate) fn call(&self, index: u16, attempt: u8, not_before: u64) -> Call {
        let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 1);
        let request = CallRequest { endpoint: self.endpoint.clone(), body: Bytes::new(), tag: None };
        Call {
            send: SendId { chunk, index },
            attempt,
            request,
            not_before: Duration::from_millis(not_before),
            start_by: Duration::from_secs(60),
            not_after: Duration::from_secs(60),
            outcomes: Outcomes::new(self.sender.clone(), Begun::default()),
        }
    }

    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        value(&self.metrics, series)
    }

    fn outcomes_of(&self, class: &str) -> f64 {
        self.value(&format!(r#"sluice_call_outcomes_total{{channel="messenger",class="{class}"}}"#))
    }
}

#[tokio::test]
async fn outcomes_arrive_as_they_were_and_are_counted_by_class() {
    let mut world = World::new();
    let failure = Failure {
        transient: true,
        attempts_max: 0,
        opted_out: false,
        holds_template: false,
        slows_page: false,
        code: "1".to_owned(),
        message: String::new(),
        retry_after: None,
        growing_wait: None,
    };
    let results = [
        (CallResult::Accepted { message_id: Some("m".to_owned()) }, "accepted"),
        (CallResult::Failed(failure.clone()), "failed_transient"),
        (CallResult::Failed(Failure { transient: false, ..failure.clone() }), "failed_permanent"),
        (CallResult::Failed(Failure { opted_out: true, ..failure }), "opted_out"),
        (
            CallResult::Refused { reason: HoldReason::Throttled(String::new()), retry_after: None },
            "throttled",
        ),
        (CallResult::Refused { reason: HoldReason::Account(String::new()), retry_after: None }, "account"),
        (CallResult::Refused { reason: HoldReason::Template(String::new()), retry_after: None }, "template"),
        (CallResult::NotCalled { reason: Some(HoldReason::Unreachable(String::new())) }, "unreachable"),
        (CallResult::NotCalled { reason: None }, "not_called"),
        (CallResult::Unknown { detail: String::new() }, "unknown"),
    ];
    let calls = (0..results.len() as u16).map(|index| world.call(index, 1, 0)).collect();
    world.metered.call(calls);
    assert_eq!(world.value(r#"sluice_calls_in_flight{channel="messenger"}"#), 10.0);
    for (index, (result, class)) in results.into_iter().enumerate() {
        assert_eq!(world.outcomes_of(class), 0.0, "{class} is there from the start");
        world.held.answer(result.clone());
        let outcome = world.outcomes.recv().await.unwrap();
        assert_eq!((outcome.send.index, outcome.result, outcome.at_ms), (index as u16, result, 7));
        assert_eq!(world.outcomes_of(class), 1.0, "{class}");
    }
    assert_eq!(world.value(r#"sluice_calls_in_flight{channel="messenger"}"#), 0.0);
    assert_eq!(world.value(r#"sluice_calls_total{attempt="first",channel="messenger"}"#), 10.0);
    assert_eq!(world.value(r#"sluice_call_seconds_count{channel="messenger"}"#), 8.0, "two were not made");
}

#[tokio::test]
async fn a_call_is_measured_from_its_slot() {
    let mut world = World::new();
    world.metered.call(vec![world.call(0, 2, 400)]);
    world.clock.advance(600);
    world.held.answer(CallResult::Accepted { message_id: None });
    world.outcomes.recv().await.unwrap();
    assert_eq!(world.value(r#"sluice_call_seconds_sum{channel="messenger"}"#), 0.2);
    assert_eq!(world.value(r#"sluice_calls_total{attempt="again",channel="messenger"}"#), 1.0);
}

#[tokio::test]
async fn a_client_that_gives_calls_up_leaves_none_in_flight() {
    let world = World::new();
    world.metered.call(vec![world.call(0, 1, 0), world.call(1, 1, 0)]);
    world.held.0.lock().unwrap().clear();
    assert_eq!(world.value(r#"sluice_calls_in_flight{channel="messenger"}"#), 0.0);
    assert_eq!(world.outcomes_of("not_called"), 0.0, "nobody knows how they ended");
}

#[tokio::test]
async fn two_calls_of_one_name_both_end_where_they_should() {
    let mut world = World::new();
    world.metered.call(vec![world.call(0, 1, 0), world.call(0, 1, 0)]);
    for _ in 0..2 {
        world.held.answer(CallResult::Accepted { message_id: None });
        world.outcomes.recv().await.unwrap();
    }
    assert_eq!(world.outcomes_of("accepted"), 2.0);
}
