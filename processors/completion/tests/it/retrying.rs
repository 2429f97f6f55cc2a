//! Failed recipients are tried again.

use crate::support::{Bench, FAILED_ONES, SIZE, UNKNOWN_TOO, id};
use sluice_completion::{CommandError, NewRun, NewTimes, cancel, pause, reschedule, resume, retry_failed};
use sluice_core::CampaignState;
use sluice_core::chunk_state::entry;
use sluice_schemas::{Fact, RetryReady};
use sluice_simulation::Faults;
use std::collections::BTreeSet;
use std::time::Duration;

/// Two chunks: half of each failed, one unknown, the rest accepted.
async fn completed(bench: &Bench) -> crate::support::Running {
    bench.campaign(2).await;
    complete(bench).await
}

async fn complete(bench: &Bench) -> crate::support::Running {
    bench.seal(2, 0).await;
    let running = bench.start("a");
    for number in 0..2 {
        let facts = vec![
            entry(Fact::FailedForGood, 0, 4, 1, 5),
            entry(Fact::Unresolved, 5, 5, 1, 5),
            entry(Fact::Accepted, 6, SIZE - 1, 1, 5),
        ];
        bench.receipt(number, facts).await;
    }
    bench.reaches_with_restarts(running, CampaignState::Completed, 1).await
}

fn told(retries: &[RetryReady]) -> BTreeSet<(u8, i32, i32, i32)> {
    retries
        .iter()
        .flat_map(|retry| {
            let number = retry.chunk[15];
            retry.indexes.iter().map(move |range| (number, retry.attempt, range.first, range.last))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn hazard_25_retry_failed_opens_only_failed_recipients_and_a_second_click_changes_nothing() {
    let bench = Bench::new(1, Faults::latency());
    let _running = completed(&bench).await;
    let ports = bench.hand_ports();
    let answer = retry_failed(&ports, id(), &FAILED_ONES).await.unwrap();
    assert_eq!((answer.row.state, answer.row.run), (CampaignState::Running, 2));
    assert_eq!(bench.row().retried(), Some(10), "the recipients of the run");
    assert_eq!((answer.out.counters.failed, answer.out.counters.unknown), (10, 2), "as it was before");
    let steps = bench.row().steps;
    let again = retry_failed(&ports, id(), &FAILED_ONES).await.unwrap();
    assert_eq!((again.already, again.row.run, bench.row().steps), (true, 2, steps));
    for other in [UNKNOWN_TOO, NewRun { end_at: Some(Some("2030-01-01T00:00".to_owned())), ..FAILED_ONES }] {
        let refused = retry_failed(&ports, id(), &other).await.unwrap_err();
        assert!(matches!(refused, CommandError::WrongState { run: 2, .. }), "{other:?}: {refused}");
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(retry_failed(&ports, id(), &FAILED_ONES).await.unwrap().already, "nobody is failed now");
    assert_eq!(told(&bench.retries()), BTreeSet::from([(0, 2, 0, 4), (1, 2, 0, 4)]));
    assert_eq!(bench.row().state, CampaignState::Running, "ten recipients are open");
    assert_eq!(bench.counters().pending, 10);
    bench.receipt(0, vec![entry(Fact::Accepted, 0, 4, 2, 9)]).await;
    bench.receipt(1, vec![entry(Fact::FailedForGood, 0, 4, 2, 9)]).await;
    bench.reaches(CampaignState::Completed, 2).await;
    assert_eq!(bench.event_ids().len(), 2);
    let counters = bench.counters();
    assert_eq!((counters.sent, counters.failed, counters.unknown), (13, 5, 2));
    retry_failed(&ports, id(), &FAILED_ONES).await.unwrap();
    assert_eq!(bench.row().retried(), Some(5));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(told(&bench.retries()).contains(&(1, 3, 0, 4)));
    bench.receipt(1, vec![entry(Fact::Accepted, 0, 4, 3, 9)]).await;
    bench.reaches(CampaignState::Completed, 3).await;
    let refused = retry_failed(&ports, id(), &FAILED_ONES).await.unwrap_err();
    assert!(matches!(refused, CommandError::NothingFailed { unknown: 2, .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn c6_b5_a_run_that_its_end_would_cancel_at_once_is_refused_and_starts_with_another_end() {
    for another in [Some("2026-01-05T12:00Z".to_owned()), None] {
        let bench = Bench::new(1, Faults::none());
        bench.campaign(2).await;
        let ports = bench.hand_ports();
        // The simulated world begins at 09:00 UTC.
        let end = NewTimes { end_at: Some(Some("2026-01-05T10:00Z".to_owned())), ..NewTimes::default() };
        reschedule(&ports, id(), &end).await.unwrap();
        let _running = complete(&bench).await;
        tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
        let before = bench.row();
        let refused = retry_failed(&ports, id(), &FAILED_ONES).await.unwrap_err();
        assert!(matches!(refused, CommandError::NoTime { .. }), "{refused}");
        let says =
            "c can't try anybody again before its end: `2026-01-05T10:00Z` is over: it is 2026-01-05 11:";
        assert!(refused.to_string().starts_with(says), "{refused}");
        let until = |end_at: Option<String>| NewRun { end_at: Some(end_at), ..FAILED_ONES };
        let over = until(Some("2026-01-05T10:30Z".to_owned()));
        let refused = retry_failed(&ports, id(), &over).await.unwrap_err();
        let CommandError::Terms { problems, .. } = &refused else { panic!("{refused}") };
        assert_eq!(problems[0].field, "end_at");
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(bench.row(), before, "it stays completed");
        let answer = retry_failed(&ports, id(), &until(another.clone())).await.unwrap();
        assert_eq!((answer.row.run, &answer.row.rules().end_at), (2, &another));
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!((bench.row().state, bench.counters().pending), (CampaignState::Running, 10));
    }
}

#[tokio::test(start_paused = true)]
async fn two_clicks_at_once_start_one_run() {
    let bench = Bench::new(1, Faults::none());
    let _running = completed(&bench).await;
    let ports = bench.hand_ports();
    let (first, second) =
        tokio::join!(retry_failed(&ports, id(), &FAILED_ONES), retry_failed(&ports, id(), &FAILED_ONES));
    assert!(first.unwrap().already != second.unwrap().already);
    assert_eq!(bench.row().run, 2);
}

#[tokio::test(start_paused = true)]
async fn hazard_25_a_click_that_counts_while_another_one_opens_them_is_not_told_that_nothing_failed() {
    for seed in 1..=200 {
        let bench = Bench::new(seed, Faults::latency());
        let _running = completed(&bench).await;
        bench.world.set_faults(Faults { slow_ppm: 200_000, slow_ms_max: 10_000, ..Faults::latency() });
        let [left, right] = ["left", "right"].map(|asker| bench.ports(bench.world.start(asker)));
        let (first, second) =
            tokio::join!(retry_failed(&left, id(), &FAILED_ONES), retry_failed(&right, id(), &FAILED_ONES));
        let already = [first, second].map(|answer| answer.map(|answer| answer.already));
        assert!(matches!(already, [Ok(false), Ok(true)] | [Ok(true), Ok(false)]), "seed {seed}: {already:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_process_died_after_the_step_is_completed_and_never_ends_before_it_began() {
    let bench = Bench::new(1, Faults::latency());
    let _running = completed(&bench).await;
    bench.step(CampaignState::Running).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((bench.row().state, bench.counters().pending), (CampaignState::Running, 10));
    assert_eq!(told(&bench.retries()), BTreeSet::from([(0, 2, 0, 4), (1, 2, 0, 4)]));
}

#[tokio::test(start_paused = true)]
async fn hazard_25_a_crash_at_any_effect_of_a_retry_loses_nobody() {
    for effect in 1..70 {
        let bench = Bench::new(1, Faults::none());
        let running = completed(&bench).await;
        bench.world.set_faults(Faults::crash_at(bench.world.effects_seen() + effect));
        // The command runs in a process of its own, which may be the one that dies.
        let asker = bench.world.start("asker");
        let ports = bench.ports(asker);
        let command = tokio::spawn(async move {
            retry_failed(&ports, id(), &FAILED_ONES).await.map(|answer| answer.row.run)
        });
        let opened = async {
            while bench.counters().pending != 10 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if bench.row().run == 1 && bench.world.crashes_seen() > 0 {
                    return false;
                }
            }
            true
        };
        let watch = bench.reaches_with_restarts(running, CampaignState::Completed, 2);
        let opened = tokio::select! {
            biased;
            opened = opened => opened,
            _ = watch => panic!("effect {effect}: ended before it began; {}", bench.world.report()),
        };
        command.abort();
        assert!(opened || bench.row().state == CampaignState::Completed, "effect {effect}");
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_13_unknown_ones_are_tried_again_only_when_asked_and_never_at_once() {
    let bench = Bench::new(1, Faults::none());
    let _running = completed(&bench).await;
    let asked_at_ms = bench.world.wall_ms();
    let answer = retry_failed(&bench.hand_ports(), id(), &UNKNOWN_TOO).await.unwrap();
    assert!(answer.row.retries_unknown());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(
        told(&bench.retries()),
        BTreeSet::from([(0, 2, 0, 4), (0, 2, 5, 5), (1, 2, 0, 4), (1, 2, 5, 5)])
    );
    for retry in bench.retries() {
        let is_unknown = retry.indexes[0].first == 5;
        // Hazard 14: its old call may be under way for so long.
        let waits = retry.not_before_ms >= asked_at_ms + 63_000;
        assert_eq!(waits, is_unknown, "{retry:?}");
    }
    assert_eq!(bench.counters().pending, 12);
    for number in 0..2 {
        let outcomes = vec![
            entry(Fact::Accepted, 0, 4, 2, 9),
            // The second one fails, the first one may have arrived.
            entry(Fact::FailedForGood, 5, 5, 2, 9),
        ];
        bench.receipt(number, outcomes).await;
    }
    bench.reaches(CampaignState::Completed, 2).await;
    assert_eq!((bench.counters().sent, bench.counters().failed, bench.counters().unknown), (18, 0, 2));
    let refused = retry_failed(&bench.hand_ports(), id(), &FAILED_ONES).await.unwrap_err();
    assert!(matches!(refused, CommandError::NothingFailed { unknown: 2, .. }), "{refused}");
    // What one run was asked for is not asked for in the next.
    bench.receipt(0, vec![entry(Fact::Failed, 0, 0, 2, 12)]).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let third = retry_failed(&bench.hand_ports(), id(), &FAILED_ONES).await.unwrap();
    assert!(!third.row.retries_unknown());
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.counters().pending, 1);
}

#[tokio::test(start_paused = true)]
async fn g8_a_new_run_that_is_paused_before_it_began_begins_and_waits() {
    let bench = Bench::new(1, Faults::none());
    let running = completed(&bench).await;
    bench.crash(&running);
    let ports = bench.hand_ports();
    retry_failed(&ports, id(), &FAILED_ONES).await.unwrap();
    pause(&ports, id(), None).await.unwrap();
    let _running = bench.start("b");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((bench.row().state, bench.counters().pending), (CampaignState::Paused, 10));
    assert_eq!(told(&bench.retries()), BTreeSet::from([(0, 2, 0, 4), (1, 2, 0, 4)]));
    resume(&ports, id(), None).await.unwrap();
    for number in 0..2 {
        bench.receipt(number, vec![entry(Fact::Accepted, 0, 4, 2, 9)]).await;
    }
    bench.reaches(CampaignState::Completed, 2).await;
}

#[tokio::test(start_paused = true)]
async fn g2_a_new_run_that_is_cancelled_before_it_began_leaves_nobody_open() {
    let bench = Bench::new(1, Faults::none());
    let running = completed(&bench).await;
    bench.crash(&running);
    let ports = bench.hand_ports();
    retry_failed(&ports, id(), &FAILED_ONES).await.unwrap();
    cancel(&ports, id(), None).await.unwrap();
    let _running = bench.start("b");
    bench.reaches(CampaignState::Cancelled, 2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let counters = bench.counters();
    assert_eq!((counters.pending, counters.failed, counters.cancelled), (0, 10, 0), "they were called once");
    assert_eq!(bench.event_ids().len(), 2);
}
