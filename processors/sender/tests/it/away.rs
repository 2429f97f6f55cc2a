//! The store is away.

use crate::support::{Bench, SIZE, page};
use sluice_schemas::Fact;
use sluice_simulation::{Faults, StoreFaults};
use std::time::Duration;

fn away() -> Faults {
    Faults { store: StoreFaults { unavailable_ppm: 1_000_000, ..Faults::none().store }, ..Faults::none() }
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_store_is_away_says_so_and_goes_on_by_itself() {
    let bench = Bench::new();
    bench.limited_campaign("600/min").await;
    let running = bench.start("sender");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let before = bench.calls();
    assert!(before > 0 && before < 9, "{before}");
    bench.world.set_faults(away());
    tokio::time::sleep(Duration::from_secs(60)).await;
    let waits_for = running.board.pages()[&page()].waits_for.clone().unwrap();
    assert!(waits_for.starts_with("waiting for the store"), "{waits_for}");
    bench.world.set_faults(Faults::none());
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(running.board.pages()[&page()].waits_for, None);
    assert_eq!(bench.calls(), 10);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn hazard_34_a_stop_is_heard_wherever_a_page_waits_for_the_store() {
    for after_ms in (0..1_500).step_by(50) {
        let bench = Bench::new();
        bench.limited_campaign("600/min").await;
        let running = bench.start("sender");
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        bench.world.set_faults(away());
        tokio::time::sleep(Duration::from_secs(10)).await;
        let at = bench.world.now();
        running.stop().await;
        let took = bench.world.now() - at;
        assert!(took < Duration::from_secs(10), "after {after_ms} ms: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn g7_a_grant_that_was_asked_for_through_an_outage_is_looked_at_again() {
    let bench = Bench::new();
    bench.limited_campaign("600/min").await;
    let running = bench.start("sender");
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut faults = away();
    faults.store.ambiguous_ppm = 1_000_000;
    bench.world.set_faults(faults);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let before = bench.calls();
    assert!(before > 0 && before < 9, "{before}");
    bench.world.set_faults(Faults::none());
    bench.opt_out().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.calls(), before);
    let receipts = bench.receipts_of("limited");
    let skipped = receipts.iter().filter(|entry| entry.fact == Fact::Skipped);
    let skipped: i32 = skipped.map(|entry| entry.last - entry.first + 1).sum();
    assert_eq!(before + skipped as usize, SIZE as usize);
    running.stop().await;
}
