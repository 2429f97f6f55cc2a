//! Campaigns that end by themselves.

use crate::support::{Bench, SIZE, UNKNOWN_TOO, chunk};
use sluice_completion::{CommandError, NewTimes, pause, reschedule, retry_failed};
use sluice_core::CampaignState;
use sluice_core::chunk_state::entry;
use sluice_runtime::ports::store::Transition;
use sluice_schemas::{CampaignEventKind, Fact};
use sluice_simulation::{Faults, StoreFaults};
use std::time::Duration;

const CHUNKS: u32 = 5;

#[tokio::test(start_paused = true)]
async fn g8_a_campaign_ends_moments_after_its_last_receipt_with_its_counters() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(CHUNKS).await;
    bench.seal(CHUNKS, 0).await;
    let _running = bench.start("a");
    bench.all(CHUNKS - 1, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.row().state, CampaignState::Running);
    bench.receipt(CHUNKS - 1, vec![entry(Fact::FailedForGood, 0, SIZE - 1, 1, 5)]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let events = bench.events();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind, events[0].run), (CampaignEventKind::Completed, 1));
    assert_eq!(
        (events[0].counters["total"], events[0].counters["sent"], events[0].counters["failed"]),
        (50, 40, 10)
    );
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.events().len(), 1, "a sweep finds it announced");
}

#[tokio::test(start_paused = true)]
async fn hazard_21_the_seal_may_come_after_the_last_chunk() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(CHUNKS).await;
    let _running = bench.start("a");
    bench.all(CHUNKS, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.row().state, CampaignState::Running);
    bench.seal(CHUNKS, 0).await;
    bench.reaches(CampaignState::Completed, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_campaign_without_recipients_ends() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(0).await;
    bench.seal(0, 0).await;
    let _running = bench.start("a");
    bench.reaches(CampaignState::Completed, 1).await;
    assert_eq!(bench.events()[0].counters["total"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_could_not_be_expanded_is_announced() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    let step = Transition::of(&bench.row(), CampaignState::Failed, Some("unreadable".to_owned()), 7);
    bench.hand_store().transition(crate::support::id(), step).await.unwrap().unwrap();
    let _running = bench.start("a");
    bench.reaches(CampaignState::Failed, 1).await;
    let event = &bench.events()[0];
    assert_eq!(
        (event.kind, event.at_ms, event.reason.as_deref()),
        (CampaignEventKind::Failed, 7, Some("unreadable"))
    );
}

#[tokio::test(start_paused = true)]
async fn hazard_22_a_crash_at_any_effect_gives_exactly_one_event_id() {
    let calm = Bench::new(1, Faults::latency());
    let effects = end_with(&calm).await;
    assert!(effects > 30, "{effects}");
    for effect in 1..=effects {
        end_with(&Bench::new(1, Faults::crash_at(effect))).await;
    }
}

async fn end_with(bench: &Bench) -> u64 {
    bench.campaign(2).await;
    bench.seal(2, 0).await;
    let running = bench.start("a");
    bench.all(2, Fact::Accepted, 1).await;
    let running = bench.reaches_with_restarts(running, CampaignState::Completed, 1).await;
    assert_eq!(bench.event_ids(), [bench.row().event_id()], "{}", bench.world.report());
    assert_eq!(bench.counters().sent, 20);
    bench.crash(&running);
    bench.world.effects_seen()
}

#[tokio::test(start_paused = true)]
async fn hazard_22_two_processes_and_a_torn_store_give_one_event_id() {
    for seed in 0..30 {
        let bench = Bench::new(seed, Faults::hostile());
        bench.campaign(CHUNKS).await;
        bench.seal(CHUNKS, 0).await;
        let (first, _second) = (bench.start("a"), bench.start("b"));
        bench.all(CHUNKS, Fact::Accepted, 1).await;
        let calm = async {
            tokio::time::sleep(Duration::from_secs(200)).await;
            bench.world.set_faults(Faults::none());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = calm => {}
            _ = bench.reaches_with_restarts(first, CampaignState::Completed, 1) => {}
        }
        assert_eq!(bench.event_ids(), [bench.row().event_id()], "seed {seed}; {}", bench.world.report());
        assert!(bench.events().iter().all(|event| event.counters["sent"] == 50));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_crashed_expansion_left_behind_does_not_hold_a_campaign_up() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.receipt(4, vec![entry(Fact::Closed, 0, 3, 0, 0)]).await;
    bench.seal(1, 0).await;
    let _running = bench.start("a");
    bench.all(1, Fact::Accepted, 1).await;
    bench.reaches(CampaignState::Completed, 1).await;
    assert!(bench.store.snapshot().states.contains_key(&chunk(4)));
    assert_eq!(bench.events()[0].counters["total"], 10);
}

#[tokio::test(start_paused = true)]
async fn c8_a_campaign_whose_process_died_is_looked_at_by_another_one_although_nobody_says_anything() {
    for dies in 0..2 {
        let bench = Bench::new(1, Faults::none());
        bench.campaign(CHUNKS).await;
        let running = [bench.start("a"), bench.start("b")];
        bench.all(CHUNKS, Fact::Accepted, 1).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        bench.crash(&running[dies]);
        // No wake-up follows this seal: only whoever has the campaign's partition finds it.
        bench.seal(CHUNKS, 0).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(bench.row().state, CampaignState::Completed, "{dies} died");
        assert_eq!(bench.event_ids().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_store_is_away_ends_the_processor() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(CHUNKS).await;
    bench.seal(CHUNKS, 0).await;
    let running = bench.start("a");
    bench.all(CHUNKS - 1, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let away = Faults {
        store: StoreFaults { unavailable_ppm: 1_000_000, ..Faults::none().store },
        ..Faults::none()
    };
    bench.world.set_faults(away);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let stopped = bench.world.now();
    running.stop_completion().await;
    assert!(bench.world.now() - stopped < Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn b5_d9_a_recurrence_that_came_for_the_last_time_is_completed_and_told_once() {
    let bench = Bench::new(1, Faults::none());
    bench.recurring().await;
    let running = bench.start("a");
    let row = bench.row();
    let step = Transition::of(&row, row.over_state(), Some(row.end_reason()), bench.world.wall_ms());
    bench.hand_store().transition(row.id, step).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let events = bench.events();
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.reason.as_deref())).collect();
    assert_eq!(told, [(CampaignEventKind::Completed, Some("it does not come again"))]);
    assert_eq!(events[0].counters["total"], 0, "its occurrences are campaigns of their own");
    let again = retry_failed(&bench.hand_ports(), row.id, &UNKNOWN_TOO).await;
    assert!(matches!(again, Err(CommandError::NothingFailed { .. })), "{again:?}");
    running.stop_completion().await;
}

#[tokio::test(start_paused = true)]
async fn b5_a_campaign_that_runs_or_is_paused_at_its_end_is_cancelled_within_a_second() {
    for is_paused in [false, true] {
        let bench = Bench::new(1, Faults::none());
        bench.campaign(1).await;
        bench.seal(1, 0).await;
        let _running = bench.start("a");
        // 30 s from now.
        let new = NewTimes { end_at: Some(Some("2026-01-05T09:00:30Z".to_owned())), ..NewTimes::default() };
        reschedule(&bench.hand_ports(), crate::support::id(), &new).await.unwrap();
        if is_paused {
            pause(&bench.hand_ports(), crate::support::id(), None).await.unwrap();
        }
        tokio::time::sleep_until(bench.began + Duration::from_millis(29_900)).await;
        assert!(matches!(bench.row().state, CampaignState::Running | CampaignState::Paused));
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let row = bench.row();
        assert!(matches!(row.state, CampaignState::Cancelling | CampaignState::Cancelled), "{row:?}");
        bench.reaches(CampaignState::Cancelled, 1).await;
        let end = bench.events().pop().unwrap();
        assert_eq!(end.reason.as_deref(), Some("ended at 2026-01-05T09:00:30Z"));
        assert_eq!(bench.counters().cancelled, u64::from(SIZE));
    }
}
