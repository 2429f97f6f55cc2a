//! What is claimed when a campaign is cancelled is settled, whoever dies or stops in between.

use crate::support::{Bench, chunk, page};
use sluice_core::IndexSet;
use sluice_schemas::Fact;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn g8_claims_of_a_dead_owner_become_unresolved_also_when_the_campaign_was_cancelled() {
    let bench = Bench::new();
    bench.campaign(&[2, 3, 4]).await;
    bench.cancel().await;

    // Its grants end, its calls end, its receipts are merged; this channel has no webhooks to wait for.
    let running = bench.start("after the cancel");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let receipts = bench.receipts();
    let settled: Vec<_> = receipts.iter().map(|entry| (entry.fact, entry.first, entry.last)).collect();
    assert_eq!(settled, [(Fact::Unresolved, 2, 4)]);
    assert_eq!(bench.calls(), 0);
    assert_eq!(bench.committed(), 0, "until it shows, a restart has to find the descriptor");
    assert_eq!(bench.store().ledger(&page()).await.unwrap().unwrap().body.claimed(chunk()).len(), 3);

    // The receipt processor merges it.
    bench.merge(1, &receipts).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.committed(), 1);
    running.stop().await;
    let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
    assert_eq!((ledger.owner, ledger.body.claimed(chunk())), (None, IndexSet::new()));
}

#[tokio::test(start_paused = true)]
async fn g8_a_stop_between_the_cancel_and_the_last_answer_leaves_the_descriptor_to_the_next_owner() {
    let bench = Bench::new();
    bench.campaign(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
    let first = bench.start("before the cancel");
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench.cancel().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    first.stop().await;
    assert_eq!(bench.committed(), 0);

    let second = bench.start("after the stop");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let unresolved: Vec<_> = bench.receipts().iter().map(|entry| (entry.fact, entry.last)).collect();
    assert_eq!(unresolved, [(Fact::Unresolved, 9)]);
    assert_eq!(bench.calls(), 0);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_descriptor_of_a_cancelled_campaign_without_claims_is_finished_at_once() {
    let bench = Bench::new();
    bench.campaign(&[]).await;
    bench.cancel().await;
    let running = bench.start("after the cancel");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((bench.committed(), bench.calls()), (1, 0));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g8_the_wait_for_webhooks_is_in_the_ledger_and_goes_on_under_the_next_owner() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut bench = Bench::new();
    bench.has_webhooks = true;
    bench.campaign(&[2, 3, 4]).await;
    bench.cancel().await;
    let began_ms = bench.world.wall_ms();

    let first = bench.start("first");
    tokio::time::sleep(minutes(10)).await;
    let ledger = bench.store().ledger(&page()).await.unwrap().unwrap();
    let doubts: Vec<_> = ledger.body.doubts().map(|doubt| (doubt.until_ms, doubt.indexes.ranges())).collect();
    let [(until_ms, indexes)] = &doubts[..] else { panic!("{doubts:?}") };
    assert_eq!((indexes.as_slice(), ledger.body.in_doubt()), (&[(2, 4)][..], 3));
    // 15 minutes, after the half a minute in which calls of the dead owner may still have ended, rounded up.
    assert!((900_000..=950_000).contains(&(until_ms - began_ms)), "{}", until_ms - began_ms);
    assert_eq!(first.board.page(&page()).unwrap().in_doubt, 3);
    first.stop().await;

    let second = bench.start("second");
    tokio::time::sleep(minutes(4)).await;
    assert_eq!(bench.receipts(), [], "webhooks may still tell");
    tokio::time::sleep(minutes(2)).await;
    let unresolved: Vec<_> =
        bench.receipts().iter().map(|entry| (entry.fact, entry.first, entry.last)).collect();
    assert_eq!(unresolved, [(Fact::Unresolved, 2, 4)], "the 15 minutes began again");
    bench.merge(1, &bench.receipts()).await;
    tokio::time::sleep(minutes(1)).await;
    second.stop().await;
    assert_eq!(bench.store().ledger(&page()).await.unwrap().unwrap().body.in_doubt(), 0);
}

#[tokio::test(start_paused = true)]
async fn g3_webhooks_that_come_after_a_long_stand_still_are_waited_for() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let mut bench = Bench::new();
    bench.has_webhooks = true;
    bench.campaign(&[2, 3, 4]).await;
    bench.cancel().await;
    let first = bench.start("first");
    tokio::time::sleep(minutes(1)).await;
    first.stop().await;
    // Nobody is there for longer than the whole wait: the webhooks of that time were not taken either.
    tokio::time::sleep(minutes(20)).await;
    let second = bench.start("second");
    tokio::time::sleep(minutes(1)).await;
    assert_eq!(bench.receipts(), [], "judged before any webhook could come");
    tokio::time::sleep(minutes(2)).await;
    assert!(!bench.receipts().is_empty(), "the whole 15 minutes again");
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g4_who_leaves_while_its_predecessor_may_still_call_makes_the_next_owner_wait_as_well() {
    let bench = Bench::new();
    bench.campaign(&[2, 3, 4]).await;
    // The dead owner's grants may have two seconds left.
    let early = bench.start("early");
    tokio::time::sleep(Duration::from_millis(500)).await;
    early.stop().await;
    let owner = bench.store().ledger(&page()).await.unwrap().unwrap().owner;
    assert!(owner.is_some(), "released: the next owner would grant at once");
    let late = bench.start("late");
    tokio::time::sleep(Duration::from_secs(10)).await;
    late.stop().await;
    assert_eq!(bench.store().ledger(&page()).await.unwrap().unwrap().owner, None);
}
