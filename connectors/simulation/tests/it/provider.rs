//! Calls, their outcomes, the truth and the webhooks.

use sluice_core::throttle::HoldReason;
use sluice_core::{CampaignId, ChunkId, PageId, SendId};
use sluice_runtime::ports::caller::{
    Answer, AnswerRules, Begun, Call, CallOutcome, CallRequest, CallResult, Endpoint, Outcomes,
};
use sluice_schemas::Fact;
use sluice_simulation::truth::{accepted_twice, calls_in_window_max, calls_per_attempt, recipients_reached};
use sluice_simulation::{Faults, ProcessId, ProviderFaults, SimProvider, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

struct NoRules;

impl AnswerRules for NoRules {
    fn classify(&self, _: &Answer<'_>) -> CallResult {
        CallResult::NotCalled { reason: None }
    }
}

fn send(index: u16) -> SendId {
    SendId { chunk: ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0), index }
}

fn call(index: u16, after_ms: u64, outcomes: &UnboundedSender<CallOutcome>, now: Duration) -> Call {
    let endpoint = Endpoint {
        page: PageId::from("page-1"),
        method: "POST".to_owned(),
        url: "http://provider.invalid/".to_owned(),
        headers: Vec::new(),
        answers: Arc::new(NoRules),
        timeout_ms: 10_000,
    };
    let body = format!("{{\"to\": \"+{index}\"}}").into();
    let not_before = now + Duration::from_millis(after_ms);
    Call {
        send: send(index),
        attempt: 1,
        request: CallRequest { endpoint: Arc::new(endpoint), body, tag: None },
        not_before,
        start_by: not_before + Duration::from_secs(2),
        not_after: not_before + Duration::from_secs(2),
        outcomes: Outcomes::new(outcomes.clone(), Begun::default()),
    }
}

fn world(seed: u64, faults: ProviderFaults) -> (World, SimProvider, ProcessId) {
    let world = World::new(seed, Faults { slow_ppm: 0, ..Faults::latency() });
    let provider = SimProvider::new(&world, faults);
    let process = world.start("sender");
    (world, provider, process)
}

#[tokio::test(start_paused = true)]
async fn each_call_ends_once_and_the_truth_knows_those_that_arrived() {
    let (world, provider, process) = world(1, ProviderFaults::hostile());
    let (sender, mut outcomes) = unbounded_channel();
    let calls: Vec<Call> =
        (0..2_000).map(|index| call(index, 10 * u64::from(index), &sender, world.now())).collect();
    provider.caller(process).call(calls);
    drop(sender);
    let mut results = BTreeMap::new();
    while let Some(outcome) = outcomes.recv().await {
        assert!(results.insert(outcome.send, outcome.result).is_none(), "two outcomes");
    }
    assert_eq!(results.len(), 2_000);
    let truth = provider.truth();
    assert!(accepted_twice(&truth).is_empty());
    let arrived: BTreeSet<SendId> = calls_per_attempt(&truth).into_keys().map(|(send, _)| send).collect();
    let accepted: BTreeSet<SendId> =
        truth.calls.iter().filter(|call| call.is_accepted()).map(|call| call.send).collect();
    let mut kinds = BTreeSet::new();
    for (send, result) in &results {
        match result {
            CallResult::Accepted { message_id } => assert!(accepted.contains(send) && message_id.is_some()),
            CallResult::Failed(_) => assert!(arrived.contains(send) && !accepted.contains(send)),
            CallResult::Refused { .. } => assert!(!accepted.contains(send)),
            CallResult::NotCalled { reason } => {
                assert!(matches!(reason, Some(HoldReason::Unreachable(_))) && !arrived.contains(send));
            }
            CallResult::Unknown { .. } => {
                kinds.insert(accepted.contains(send));
            }
        }
    }
    assert_eq!(kinds, BTreeSet::from([false, true]), "unknown ones were accepted, and were not");
    assert_eq!(recipients_reached(&truth).len(), accepted.len());
    assert!(calls_in_window_max(&truth, &PageId::from("page-1"), Duration::from_secs(1)) >= 80);
}

#[tokio::test(start_paused = true)]
async fn hazard_5_a_call_of_a_frozen_process_is_not_made_after_its_grant_ended() {
    let (world, provider, process) = world(2, ProviderFaults::none());
    let (sender, mut outcomes) = unbounded_channel();
    world.freeze(process);
    provider.caller(process).call(vec![call(1, 0, &sender, world.now())]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(outcomes.try_recv().is_err());
    world.thaw(process);
    assert_eq!(outcomes.recv().await.unwrap().result, CallResult::NotCalled { reason: None });
    assert!(provider.truth().calls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn hazard_14_a_call_on_the_wire_arrives_after_its_process_died() {
    let slow = ProviderFaults { latency_ms_max: 4_000, ..ProviderFaults::none() };
    let mut late = 0;
    for seed in 0..20 {
        let (world, provider, process) = world(seed, slow.clone());
        let (sender, mut outcomes) = unbounded_channel();
        provider.caller(process).call(vec![call(1, 0, &sender, world.now())]);
        drop(sender);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = provider.truth().calls.len();
        world.kill(process);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(outcomes.try_recv().is_err() || before == 1, "the dead hear nothing");
        late += provider.truth().calls.len() - before;
    }
    assert!(late > 5, "{late} arrived later");
}

#[tokio::test(start_paused = true)]
async fn hazard_19_webhooks_come_early_twice_out_of_order_and_not_at_all() {
    let (world, provider, process) = world(3, ProviderFaults::hostile());
    let mut webhooks = provider.webhooks();
    let (sender, mut outcomes) = unbounded_channel();
    provider.caller(process).call((0..1_000).map(|index| call(index, 0, &sender, world.now())).collect());
    drop(sender);
    let (mut known, mut early) = (BTreeSet::new(), 0);
    let mut told: BTreeMap<SendId, Vec<Fact>> = BTreeMap::new();
    let hear = async {
        loop {
            tokio::select! {
                biased;
                Some(outcome) = outcomes.recv() => { known.insert(outcome.send); }
                Some(webhook) = webhooks.recv() => {
                    early += u32::from(!known.contains(&webhook.tag.send));
                    told.entry(webhook.tag.send).or_default().push(webhook.fact);
                }
            }
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(1_000), hear).await);
    let accepted = provider.truth().calls.iter().filter(|call| call.is_accepted()).count();
    assert!(early > 0 && told.len() < accepted);
    assert!(told.values().any(|facts| facts.iter().filter(|fact| **fact == Fact::Delivered).count() == 2));
    assert!(told.values().any(|facts| facts.starts_with(&[Fact::Read, Fact::Delivered])));
    assert!(told.values().any(|facts| facts.contains(&Fact::Failed)));
}

#[tokio::test(start_paused = true)]
async fn without_faults_everything_is_accepted_delivered_and_read_in_order() {
    let (world, provider, process) = world(4, ProviderFaults::none());
    let mut webhooks = provider.webhooks();
    let (sender, mut outcomes) = unbounded_channel();
    provider.caller(process).call((0..100).map(|index| call(index, 0, &sender, world.now())).collect());
    tokio::time::sleep(Duration::from_secs(30)).await;
    let mut told: BTreeMap<SendId, Vec<Fact>> = BTreeMap::new();
    while let Ok(webhook) = webhooks.try_recv() {
        told.entry(webhook.tag.send).or_default().push(webhook.fact);
    }
    assert!(told.len() == 100 && told.values().all(|facts| *facts == [Fact::Delivered, Fact::Read]));
    let mut accepted = 0;
    while let Ok(outcome) = outcomes.try_recv() {
        accepted += u32::from(matches!(outcome.result, CallResult::Accepted { .. }));
    }
    assert_eq!(accepted, 100);
}
