//! Hazards 12, 15 to 19: what receipts and webhooks become.

use super::run::{Run, for_each, ms};
use crate::cluster::{Cluster, Scenario};
use sluice_core::CampaignState;
use sluice_core::chunk_state::entry;
use sluice_core::facts::Status;
use sluice_log::simulated::SimLog;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Fact, Receipt, encode};
use sluice_simulation::{Faults, ProviderFaults, StoreFaults};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn hazard_12_a_crash_at_any_effect_forgets_no_retry() {
    let retried = Cell::new(0);
    let provider = ProviderFaults { transient_ppm: 500_000, ..ProviderFaults::none() };
    for_each("a crash at effect", (40..900).step_by(13), |effect| {
        let (retried, provider) = (&retried, provider.clone());
        async move {
            let scenario = Scenario {
                faults: Faults::crash_at(effect),
                provider,
                rows: 20,
                nodes: 1,
                ..Scenario::default()
            };
            let cluster = Run::started(effect, &scenario).await.completes().await;
            let mut refused: BTreeMap<_, u32> = BTreeMap::new();
            for call in cluster.calls().iter().filter(|call| !call.is_accepted()) {
                *refused.entry(call.send).or_default() += 1;
            }
            retried.set(retried.get() + refused.len());
            let statuses = cluster.statuses();
            for (send, person) in cluster.people() {
                // The first attempt and three more, unless it is known to have arrived or unknown.
                let may_be_called = person.variables.contains_key("coupon");
                if may_be_called && statuses[&send] == Status::Failed {
                    assert_eq!(refused.get(&send), Some(&4), "{send:?} was given up too early");
                }
            }
        }
    });
    assert!(retried.get() > 300);
}

/// Former owners that go on, and a store that tears writes.
fn torn() -> Faults {
    let store = StoreFaults {
        distance_ms: 0,
        minority_ppm: 250_000,
        straggler_ppm: 400_000,
        late_ms_max: 20_000,
        unavailable_ppm: 50_000,
        ambiguous_ppm: 0,
    };
    Faults { store, ..Faults::latency() }
}

#[test]
fn hazard_15_counters_are_a_recount_whoever_wrote_last_and_wherever_the_write_got() {
    for_each("seed", 0..25, |seed| async move {
        let provider = ProviderFaults { webhook_late_ms_max: 40_000, ..ProviderFaults::hostile() };
        let scenario = Scenario { faults: torn(), provider, nodes: 3, ..Scenario::default() };
        let run = Run::started(seed, &scenario).await;
        for round in 0..3 {
            tokio::time::sleep(ms(2_000 + 300 * seed)).await;
            run.freeze(run.nodes[round % 3].process, ms(12_000));
        }
        // The guarantees compare each chunk's counters with its state.
        run.completes().await;
    });
}

#[test]
fn hazard_16_a_flush_that_seemed_to_fail_and_more_facts_after_it_count_each_fact_once() {
    for_each("seed", 0..25, |seed| async move {
        let faults = Faults { store: StoreFaults { unavailable_ppm: 300_000, ..torn().store }, ..torn() };
        let scenario = Scenario { faults, nodes: 2, ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.reaches(CampaignState::Completed).await;
        everything_is_read(run).await;
    });
}

/// The provider reports each message as read, once: nobody's fact got lost.
async fn everything_is_read(run: Run) -> Cluster {
    tokio::time::sleep(Duration::from_secs(180)).await;
    let cluster = run.ends().await;
    let calls = cluster.calls();
    let accepted = calls.iter().filter(|call| call.is_accepted()).count() as u64;
    assert_eq!(cluster.count(Status::Read), accepted, "{:?}", cluster.statuses());
    cluster
}

/// The receipts' topic is empty again, and everything in the store stayed as it was.
fn lose_the_log(run: &mut Run) {
    let world = run.cluster.world.clone();
    run.cluster.log = SimLog::new(&world);
    run.cluster.hands.log = run.cluster.log.handle(world.observer("test, after the loss"));
}

#[test]
fn hazard_17_a_log_that_starts_again_under_the_same_generation_is_refused_with_the_reason() {
    for_each("seed", 0..3, |seed| async move {
        let mut run = Run::started(seed, &Scenario { nodes: 1, ..Scenario::default() }).await;
        run.reaches(CampaignState::Completed).await;
        let process = run.nodes[0].process;
        run.stop(process).await;
        let before = run.cluster.statuses();
        lose_the_log(&mut run);
        run.start("node-1");
        let chunk = *run.cluster.store.snapshot().chunks.keys().next().unwrap();
        let receipt = Receipt { chunk: chunk.0.into(), entries: vec![entry(Fact::Failed, 0, 0, 1, 0)] };
        let record = NewRecord { key: chunk.0.to_vec().into(), value: encode(&receipt).into() };
        let partition = Partition(u32::from(chunk.receipts_partition()));
        run.cluster.hands.log.append(Topic::Receipts, partition, vec![record]).await.unwrap();
        let refused = tokio::time::timeout(Duration::from_secs(60), run.nodes[0].role_ended()).await;
        let (role, ended) = refused.unwrap();
        let message = ended.unwrap_err();
        assert_eq!(role, "receipts");
        assert!(message.contains("an older copy of the topic was restored"), "{message}");
        assert_eq!(run.cluster.statuses(), before);
    });
}

#[test]
fn hazard_17_a_topic_that_is_made_anew_under_a_higher_generation_goes_on_counting() {
    for_each("seed", 0..6, |seed| async move {
        let scenario = Scenario { nodes: 1, page_rate: Some("5/s"), ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.until("calls", |cluster| cluster.calls().len() > 10).await;
        // All that was told is merged; what is only in the topic goes with it.
        run.cluster
            .provider
            .set_faults(ProviderFaults { unreachable_ppm: 1_000_000, ..ProviderFaults::none() });
        tokio::time::sleep(Duration::from_secs(5)).await;
        run.stop_all().await;
        run.cluster.provider.set_faults(ProviderFaults::none());
        run.cluster.log.recreate(Topic::Receipts);
        run.start("node-1");
        run.reaches(CampaignState::Completed).await;
        everything_is_read(run).await;
    });
}

#[test]
fn hazard_18_a_clock_that_was_ahead_shadows_no_later_fact() {
    for_each("seed", 0..12, |seed| async move {
        let faults = Faults { skew_ms_max: 60_000, ..Faults::latency() };
        let provider = ProviderFaults { webhook_ms_max: 20_000, ..ProviderFaults::none() };
        let scenario =
            Scenario { faults, provider, nodes: 1, page_rate: Some("10/s"), ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        // Each process writes by another wall clock; its facts are told to the next one.
        for name in ["node-2", "node-3", "node-4"] {
            tokio::time::sleep(ms(2_500)).await;
            let process = run.nodes[0].process;
            run.stop(process).await;
            run.start(name);
        }
        run.reaches(CampaignState::Completed).await;
        let cluster = everything_is_read(run).await;
        assert_eq!(cluster.count(Status::Read), cluster.audience.sendable());
    });
}

#[test]
fn hazard_19_a_webhook_that_overtakes_its_answer_finds_its_send_by_the_message_id() {
    let overtook = ProviderFaults {
        webhook_early_ppm: 1_000_000,
        webhook_twice_ppm: 300_000,
        latency_ms_max: 1_500,
        ..ProviderFaults::none()
    };
    for_each("a crash at effect", (0..20).map(|step| 100 + 37 * step), |effect| {
        let provider = overtook.clone();
        async move {
            let scenario = Scenario {
                faults: Faults::crash_at(effect),
                provider,
                rows: 40,
                page_rate: Some("10/s"),
                ..Scenario::default()
            };
            let mut run = Run::started(effect, &scenario).await;
            run.reaches(CampaignState::Completed).await;
            tokio::time::sleep(Duration::from_secs(120)).await;
            let cluster = run.ends().await;
            let calls = cluster.calls();
            let statuses = cluster.statuses();
            let mut by_id = 0;
            for call in calls.iter().filter(|call| call.is_accepted()) {
                // Webhooks of odd indexes name only the message id, which nobody knows when the process that
                // made the call died before the answer.
                let tells_only_its_id = call.send.index % 2 == 1;
                let status = statuses[&call.send];
                by_id += u32::from(tells_only_its_id && status == Status::Read);
                let may_be_unknown = tells_only_its_id && status == Status::Unknown;
                assert!(status == Status::Read || may_be_unknown, "{call:?} is {status:?}");
            }
            assert!(by_id > 5);
        }
    });
}

#[test]
fn hazard_19_without_a_crash_nobody_waits_for_a_webhook_that_came_first() {
    for_each("seed", 0..12, |seed| async move {
        let provider =
            ProviderFaults { webhook_early_ppm: 1_000_000, latency_ms_max: 1_500, ..ProviderFaults::none() };
        let scenario = Scenario { faults: Faults::ambiguous(), provider, ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.reaches(CampaignState::Completed).await;
        let cluster = everything_is_read(run).await;
        assert_eq!(cluster.count(Status::Read), cluster.audience.sendable());
    });
}
