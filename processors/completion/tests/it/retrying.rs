//! Failed recipients are tried again.

use crate::support::{Bench, SIZE, id};
use sluice_completion::{CommandError, retry_failed};
use sluice_core::CampaignState;
use sluice_core::chunk_state::entry;
use sluice_runtime::ports::store::Transition;
use sluice_schemas::{Fact, RetryReady};
use sluice_simulation::Faults;
use std::collections::BTreeSet;
use std::time::Duration;

/// Two chunks: half of each failed, one unknown, the rest accepted.
async fn completed(bench: &Bench) -> crate::support::Running {
    bench.campaign(2).await;
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
async fn hazard_25_retry_failed_opens_only_failed_recipients_and_a_second_click_is_refused() {
    let bench = Bench::new(1, Faults::latency());
    let _running = completed(&bench).await;
    let ports = bench.hand_ports();
    let row = retry_failed(&ports, id()).await.unwrap();
    assert_eq!((row.state, row.run), (CampaignState::Running, 2));
    let refused = retry_failed(&ports, id()).await.unwrap_err();
    assert!(matches!(refused, CommandError::WrongState { run: 2, .. }), "{refused}");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(told(&bench.retries()), BTreeSet::from([(0, 2, 0, 4), (1, 2, 0, 4)]));
    assert_eq!(bench.row().state, CampaignState::Running, "ten recipients are open");
    assert_eq!(bench.counters().pending, 10);
    bench.receipt(0, vec![entry(Fact::Accepted, 0, 4, 2, 9)]).await;
    bench.receipt(1, vec![entry(Fact::FailedForGood, 0, 4, 2, 9)]).await;
    bench.reaches(CampaignState::Completed, 2).await;
    assert_eq!(bench.event_ids().len(), 2);
    let counters = bench.counters();
    assert_eq!((counters.sent, counters.failed, counters.unknown), (13, 5, 2));
    retry_failed(&ports, id()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(told(&bench.retries()).contains(&(1, 3, 0, 4)));
    bench.receipt(1, vec![entry(Fact::Accepted, 0, 4, 3, 9)]).await;
    bench.reaches(CampaignState::Completed, 3).await;
    let refused = retry_failed(&ports, id()).await.unwrap_err();
    assert!(matches!(refused, CommandError::NothingFailed(_)), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn two_clicks_at_once_start_one_run() {
    let bench = Bench::new(1, Faults::none());
    let _running = completed(&bench).await;
    let ports = bench.hand_ports();
    let (first, second) = tokio::join!(retry_failed(&ports, id()), retry_failed(&ports, id()));
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    assert_eq!(bench.row().run, 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_process_died_after_the_step_is_completed_and_never_ends_before_it_began() {
    let bench = Bench::new(1, Faults::latency());
    let _running = completed(&bench).await;
    let (from, to) = (CampaignState::Completed, CampaignState::Running);
    let step = Transition { from, run: 1, to, reason: None, at_ms: 0, terms: None };
    bench.hand_store().transition(id(), step).await.unwrap().unwrap();
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
        let command = tokio::spawn(async move { retry_failed(&ports, id()).await.map(|row| row.run) });
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
