//! Hazards 20, 23, 25, 35: what a person asks for in the middle.

use super::run::{Run, for_each, ms};
use crate::cluster::Scenario;
use sluice_completion::{NewRun, cancel, pause, resume, retry_failed};
use sluice_core::CampaignState;
use sluice_core::facts::Status;
use sluice_schemas::CampaignEventKind;
use sluice_simulation::{Faults, ProviderFaults};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn hazard_20_a_cancel_while_a_page_is_taken_for_the_first_time_is_heard() {
    for_each("cancelled after ms", (0..160).step_by(4), |after| async move {
        let faults = Faults { latency_ms_max: 30, ..Faults::none() };
        let scenario =
            Scenario { faults, rows: 600, pages: 1, page_rate: Some("20/s"), ..Scenario::default() };
        let mut run = Run::new(after, &scenario).await;
        // The end of the expansion, after which everybody is told once more, is far away.
        run.cluster.audience.pause = ms(400);
        run.start_all();
        run.until("a descriptor", |cluster| cluster.has_descriptors()).await;
        tokio::time::sleep(ms(after)).await;
        cancel(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        let cancelled_at = run.cluster.world.now();
        run.reaches(CampaignState::Cancelled).await;
        for call in run.cluster.calls() {
            assert!(call.at < cancelled_at + ms(2_000 + 100), "called after the cancel: {call:?}");
        }
        run.ends().await;
    });
}

#[test]
fn g7_a_pause_at_any_time_of_a_bad_day_holds_and_a_resume_loses_nobody() {
    for_each("paused after ms", (0..3_600).step_by(150), |after| async move {
        let provider = ProviderFaults { webhook_late_ms_max: 40_000, ..ProviderFaults::hostile() };
        // More than can be called before the second resume.
        let (faults, page_rate) = (Faults::latency(), Some("5/s"));
        let scenario = Scenario { faults, provider, page_rate, rows: 90, ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        run.until("the campaign", |cluster| !cluster.store.snapshot().campaigns.is_empty()).await;
        for _ in 0..2 {
            tokio::time::sleep(ms(after)).await;
            pause(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
            let paused_at = run.cluster.world.now();
            // Retries come due meanwhile, answers and webhooks arrive.
            tokio::time::sleep(Duration::from_secs(30)).await;
            for call in run.cluster.calls() {
                assert!(call.at < paused_at + ms(2_000 + 100), "called while it was paused: {call:?}");
            }
            resume(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        }
        run.reaches(CampaignState::Completed).await;
        let kinds: Vec<_> = run.cluster.events().iter().map(|event| event.kind).collect();
        for kind in [CampaignEventKind::Paused, CampaignEventKind::Resumed] {
            assert!(kinds.iter().filter(|told| **told == kind).count() >= 2, "{kinds:?}");
        }
        run.ends().await;
    });
}

#[test]
fn g2_a_paused_campaign_survives_the_death_of_its_owner_and_goes_on() {
    for_each("killed after ms", (0..2_400).step_by(200), |after| async move {
        let scenario =
            Scenario { faults: Faults::latency(), page_rate: Some("20/s"), rows: 200, ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        run.until("a call", |cluster| !cluster.calls().is_empty()).await;
        pause(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        tokio::time::sleep(ms(after)).await;
        if let Some(owner) = run.owner() {
            run.kill(owner);
        }
        let paused_calls = ms(2_000 + 100);
        tokio::time::sleep(paused_calls).await;
        let calls = run.cluster.calls().len();
        run.start("next");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(run.cluster.calls().len(), calls, "the next owner holds as well");
        resume(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.reaches(CampaignState::Completed).await;
        run.ends().await;
    });
}

#[test]
fn hazard_23_a_campaign_cancelled_at_three_percent_expanded_counts_everybody() {
    for_each("seed", 0..6, |seed| async move {
        let scenario = Scenario {
            faults: Faults::latency(),
            rows: 3_000,
            chunk_rows: 64,
            page_rate: Some("50/s"),
            ..Scenario::default()
        };
        let mut run = Run::started(seed, &scenario).await;
        run.until("the first hundred rows", |cluster| {
            cluster.store.snapshot().recipients.values().map(Vec::len).sum::<usize>() >= 90
        })
        .await;
        cancel(&run.cluster.commands(), run.cluster.id(), Some("wrong text".to_owned())).await.unwrap();
        let cancelled_at = run.cluster.world.now();
        run.reaches(CampaignState::Cancelled).await;
        let seal = run.cluster.row().await.unwrap().seal.unwrap();
        assert_eq!(seal.total, 3_000);
        assert!(seal.not_expanded > 2_000, "{} rows were not expanded", seal.not_expanded);
        // G7: what was granted before may still be called, for a grant's life and the way.
        for call in run.cluster.calls() {
            assert!(call.at < cancelled_at + ms(2_000 + 100), "called after the cancel: {call:?}");
        }
        let events = run.cluster.events();
        let end = events.iter().find(|event| event.kind == CampaignEventKind::Cancelled).unwrap();
        assert_eq!((end.counters["total"], end.counters["pending"]), (3_000, 0));
        assert_eq!(
            end.counters["cancelled"],
            run.cluster.count(Status::Cancelled) as i64 + seal.not_expanded as i64
        );
        run.ends().await;
    });
}

#[test]
fn hazard_23_a_cancel_at_any_time_of_a_bad_day_ends_cancelled() {
    for_each("cancelled after ms", (0..3_000).step_by(110), |after| async move {
        let provider = ProviderFaults { webhook_late_ms_max: 40_000, ..ProviderFaults::hostile() };
        let scenario =
            Scenario { faults: Faults::latency(), provider, page_rate: Some("5/s"), ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        run.until("the campaign", |cluster| !cluster.store.snapshot().campaigns.is_empty()).await;
        tokio::time::sleep(ms(after)).await;
        cancel(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.reaches(CampaignState::Cancelled).await;
        run.ends().await;
    });
}

#[test]
fn hazard_23_a_cancel_while_the_provider_asks_to_wait_ends_cancelled() {
    for_each("cancelled after ms", [500, 2_000, 9_000, 40_000], |after| async move {
        let provider = ProviderFaults { throttled_ppm: 1_000_000, ..ProviderFaults::none() };
        let scenario = Scenario { faults: Faults::latency(), provider, ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        run.until("a refused call", |cluster| !cluster.calls().is_empty()).await;
        tokio::time::sleep(ms(after)).await;
        cancel(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.reaches(CampaignState::Cancelled).await;
        assert_eq!(run.cluster.count(Status::Unknown), 0);
        run.ends().await;
    });
}

#[test]
fn hazard_25_failed_ones_are_tried_again_once_however_often_it_is_asked() {
    for_each("seed", 0..10, |seed| async move {
        let provider = ProviderFaults {
            permanent_ppm: 250_000,
            lost_answer_ppm: 200_000,
            failed_later_ppm: 200_000,
            webhook_ms_max: 200_000,
            ..ProviderFaults::none()
        };
        let scenario = Scenario { faults: Faults::latency(), provider, ..Scenario::default() };
        let mut run = Run::started(seed, &scenario).await;
        run.reaches(CampaignState::Completed).await;
        let before = run.cluster.statuses();
        let calls = run.cluster.calls().len();
        let failed: BTreeSet<_> =
            before.iter().filter(|(_, status)| **status == Status::Failed).map(|(send, _)| *send).collect();
        let not_failed = |send| !failed.contains(send);

        // Twice at the same time, while webhooks of the first run still arrive.
        let (left, right) = (run.cluster.commands(), run.cluster.commands());
        let id = run.cluster.id();
        let again = NewRun::default();
        let (first, second) = tokio::join!(retry_failed(&left, id, &again), retry_failed(&right, id, &again));
        let already = [first, second].map(|answer| answer.unwrap().already);
        assert!(already[0] != already[1], "one starts a run, the other changes nothing: {already:?}");
        run.reaches(CampaignState::Completed).await;

        // A failure that a webhook told in the moment of the question may be among those that are tried again.
        let again: BTreeSet<_> = run.cluster.calls()[calls..].iter().map(|call| call.send).collect();
        assert!(!again.is_empty());
        for send in again.iter().filter(|send| not_failed(send)) {
            let reached = run.cluster.calls().iter().any(|call| call.send == *send && call.is_accepted());
            assert!(reached && before[send] != Status::Unknown, "{send:?} was {:?}", before[send]);
        }
        assert_eq!(run.cluster.row().await.unwrap().run, 2);
        let snapshot = run.cluster.calls();
        let mut attempts = BTreeSet::new();
        for call in &snapshot {
            assert!(attempts.insert((call.send, call.attempt)), "an attempt was made twice: {call:?}");
        }
        tokio::time::sleep(Duration::from_secs(400)).await;
        assert_eq!(run.cluster.calls().len(), snapshot.len(), "late failures start nothing");
        let nodes = std::mem::take(&mut run.nodes);
        run.cluster.stop(nodes).await;
    });
}

#[test]
fn hazard_25_a_cancel_of_a_new_run_does_not_count_people_whose_message_went_out_as_never_called() {
    for_each("cancelled after ms", (0..600).step_by(150), |after| async move {
        let provider =
            ProviderFaults { failed_later_ppm: 1_000_000, webhook_ms_max: 20_000, ..ProviderFaults::none() };
        let scenario = Scenario { faults: Faults::latency(), provider, ..Scenario::default() };
        let mut run = Run::started(after, &scenario).await;
        let sendable = run.cluster.audience.sendable();
        run.reaches(CampaignState::Completed).await;
        run.until("everybody's failure", |cluster| cluster.count(Status::Failed) >= sendable).await;
        retry_failed(&run.cluster.commands(), run.cluster.id(), &NewRun::default()).await.unwrap();
        tokio::time::sleep(ms(after)).await;
        cancel(&run.cluster.commands(), run.cluster.id(), None).await.unwrap();
        run.reaches(CampaignState::Cancelled).await;
        assert_eq!(run.cluster.count(Status::Cancelled), 0, "{:?}", run.cluster.statuses());
        run.ends().await;
    });
}

#[test]
fn hazard_35_a_command_to_a_page_that_nobody_ever_had_counts() {
    for_each("seed", 0..6, |seed| async move {
        let scenario = Scenario { faults: Faults::ambiguous(), ..Scenario::default() };
        let mut run = Run::new(seed, &scenario).await;
        for page in &run.cluster.launch.pages {
            let control = run.cluster.hands.store.bump_control(&page.as_str().into()).await.unwrap();
            assert_eq!(control, 1);
        }
        run.start_all();
        let cluster = run.completes().await;
        for (page, ledger) in cluster.store.snapshot().ledgers {
            assert!(ledger.fence.control >= 1 && ledger.fence.epoch >= 1, "{page}: {ledger:?}");
        }
        cluster.assert_no_attempt_twice();
    });
}
