//! Limits across a change of owners.

use crate::support::{Bench, SIZE};
use sluice_schemas::{GateClass, Rules};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn g4_a_campaign_opened_after_a_takeover_waits_for_the_former_owners_last_call() {
    let bench = Bench::new();
    bench.campaign(&[0]).await;
    let running = bench.start("after a crash");
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The page is taken; the dead one's grants are good for 2 s yet, and it may have had this campaign open.
    let taken = bench.world.now();
    bench.limited_campaign("10/min").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let first = bench.first_call().unwrap();
    assert!(
        first >= taken + Duration::from_millis(2_500 + 6_000),
        "called at {first:?}, taken before {taken:?}"
    );
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g8_two_members_with_work_for_one_page_take_turns_until_both_are_done() {
    let bench = Bench::new();
    bench.ruled_campaign("before", None, Rules::default(), &[GateClass::default()]).await;
    bench.campaign_of_another_shard("after").await;
    let running = bench.start("a member of both shards");
    tokio::time::sleep(Duration::from_secs(180)).await;
    for campaign in ["before", "after"] {
        assert_eq!(bench.calls_of(campaign).len(), SIZE as usize, "{campaign}: each person once");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn g6_a_page_whose_claims_are_looked_at_seldom_goes_on() {
    let mut bench = Bench::new();
    bench.options.settle_ms = 10_000;
    bench.limited_campaign("1/min").await;
    let running = bench.start("sender");
    tokio::time::sleep(Duration::from_secs(60 * u64::from(SIZE) + 30)).await;
    assert_eq!(bench.calls(), SIZE as usize);
    running.stop().await;
}
