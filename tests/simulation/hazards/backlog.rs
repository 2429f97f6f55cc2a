//! Hazards 26, 27, G6: descriptors that wait for long.

use super::run::{Run, for_each, ms};
use crate::cluster::{PARTITIONS, Scenario};
use sluice_completion::{pause, resume};
use sluice_core::{CampaignId, CampaignState, ChunkId};
use sluice_runtime::ports::log::{NewRecord, Partition, Position, Topic};
use sluice_schemas::{ChunkReady, GateClass, Span, encode};
use sluice_simulation::truth::recipients_reached;
use sluice_simulation::{Faults, ProviderFaults};
use std::time::Duration;

#[test]
fn hazard_26_people_whose_records_retention_removed_are_sent_to_from_their_rows() {
    for_each("seed", 0..8, |seed| async move {
        let provider = ProviderFaults { unreachable_ppm: 1_000_000, ..ProviderFaults::none() };
        let scenario = Scenario { faults: Faults::latency(), provider, ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.until("the seal", |cluster| cluster.is_sealed()).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(run.cluster.calls().is_empty());
        // Whoever holds decoded sends would not notice.
        run.stop_all().await;
        for partition in (0..PARTITIONS).map(Partition) {
            let end = run.cluster.hands.log.bounds(Topic::Sends, partition).await.unwrap().end;
            run.cluster.hands.log.trim(Topic::Sends, partition, end).await.unwrap();
        }
        run.start_all();
        tokio::time::sleep(Duration::from_secs(30)).await;
        run.cluster.provider.set_faults(ProviderFaults::none());
        let cluster = run.completes().await;
        let reached = recipients_reached(&cluster.provider.truth()).len() as u64;
        assert_eq!(reached, cluster.audience.sendable());
    });
}

#[test]
fn hazard_26_retention_that_overtakes_a_lane_in_its_middle_costs_nobody_a_message() {
    for_each("calls before", (5..120).step_by(23), |calls| async move {
        let provider = ProviderFaults { latency_ms_max: 5, ..ProviderFaults::none() };
        let scenario = Scenario {
            faults: Faults { latency_ms_max: 5, ..Faults::none() },
            provider,
            rows: 600,
            pages: 1,
            nodes: 1,
            chunk_rows: 600,
            page_rate: Some("40/s"),
            ..Scenario::default()
        };
        let run = Run::started(calls, &scenario).await;
        run.until("the seal", |cluster| cluster.is_sealed()).await;
        run.until("some calls", |cluster| cluster.calls().len() as u64 >= calls).await;
        // The page has decoded the beginning of the chunk only, and goes on reading it.
        for partition in (0..PARTITIONS).map(Partition) {
            let end = run.cluster.hands.log.bounds(Topic::Sends, partition).await.unwrap().end;
            run.cluster.hands.log.trim(Topic::Sends, partition, end).await.unwrap();
        }
        let cluster = run.completes().await;
        let reached = recipients_reached(&cluster.provider.truth()).len() as u64;
        assert_eq!(reached, cluster.audience.sendable());
        cluster.assert_no_attempt_twice();
    });
}

/// A descriptor of a campaign that nobody knows: it is finished as soon as it is read.
fn passing(shard: u32, number: u32) -> NewRecord {
    let chunk = ChunkId::new(CampaignId::of("default", "long over"), 0, shard as u16, number);
    let spans = vec![Span { first: 0, end: 1 }];
    let ready = ChunkReady {
        chunk: chunk.0.into(),
        page: "page-9".to_owned(),
        size: 1,
        spans,
        class: GateClass::default(),
    };
    NewRecord { key: chunk.0.to_vec().into(), value: encode(&ready).into() }
}

#[test]
fn hazard_27_an_old_descriptor_does_not_pin_the_position_under_thousands_of_newer_ones() {
    for_each("seed", 0..4, |seed| async move {
        let provider = ProviderFaults { unreachable_ppm: 1_000_000, ..ProviderFaults::none() };
        let faults = Faults { latency_ms_max: 4, ..Faults::none() };
        let scenario = Scenario { faults, provider, pages: 1, ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.until("the seal", |cluster| cluster.is_sealed()).await;
        let (cluster, carry_after) = (&run.cluster, run.cluster.options.sender.carry_after);
        let snapshot = cluster.store.snapshot();
        let shard = snapshot.chunks.values().next().unwrap().shard;
        let partition = Partition(shard);
        for batch in 0..30 {
            let records = (0..100).map(|number| passing(shard, 100 * batch + number)).collect();
            cluster.hands.log.append(Topic::Chunks, partition, records).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let committed = cluster.log.inspect_committed("sender", Topic::Chunks, partition).unwrap_or_default();
        let Position(end) = cluster.hands.log.bounds(Topic::Chunks, partition).await.unwrap().end;
        let again = end - committed.0;
        assert!(end > 3_000 && again <= 2 * carry_after, "a restart reads {again} of {end} records again");

        // A restart finds those who wait in the copies.
        run.stop_all().await;
        run.cluster.hands.log.trim(Topic::Chunks, partition, committed).await.unwrap();
        run.start_all();
        run.cluster.provider.set_faults(ProviderFaults::none());
        run.reaches(CampaignState::Completed).await;
        let cluster = run.ends().await;
        let reached = recipients_reached(&cluster.provider.truth()).len() as u64;
        assert_eq!(reached, cluster.audience.sendable());
        cluster.assert_no_attempt_twice();
    });
}

#[test]
fn g6_a_paused_campaign_of_more_chunks_than_fit_into_memory_holds_up_no_other_and_loses_nobody() {
    for_each("seed", 0..6, |seed| async move {
        let faults = Faults { latency_ms_max: 20, ..Faults::none() };
        let scenario = Scenario { faults, pages: 1, rows: 80, chunk_rows: 2, ..Scenario::default() };
        let mut run = Run::new(seed, &scenario).await;
        run.cluster.options.sender.records_max = 8;
        run.start_all();
        run.until("the campaign", |cluster| !cluster.store.snapshot().campaigns.is_empty()).await;
        pause(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.until("the seal", |cluster| cluster.is_sealed()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let held = run.cluster.calls().len();

        let first = run.cluster.launch.campaign.clone();
        run.cluster.launch.campaign = "another".to_owned();
        run.cluster.launch().await;
        run.reaches(CampaignState::Completed).await;
        run.cluster.launch.campaign = first;
        assert!(run.cluster.calls().len() > held, "the other one was sent");
        // A restart reads all of it again.
        let process = run.nodes[0].process;
        run.kill(process);
        run.start("node-3");
        tokio::time::sleep(ms(30_000)).await;

        resume(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.reaches(CampaignState::Completed).await;
        let twice = sluice_simulation::truth::accepted_twice(&run.cluster.provider.truth());
        assert!(twice.is_empty(), "G1: {twice:#?}");
        let Run { cluster, nodes, .. } = run;
        cluster.stop(nodes).await;
    });
}
