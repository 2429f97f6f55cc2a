//! Recipient rows that can't be used.

use crate::support::Bench;
use sluice_schemas::Fact;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn g8_somebody_whose_row_is_missing_fails_by_name_and_nobody_waits_for_ever() {
    let bench = Bench::new();
    bench.campaign(&[3]).await;
    let running = bench.start("sender");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let receipts = bench.receipts();
    let failed: Vec<_> = receipts.iter().map(|entry| (entry.fact, entry.first, entry.last)).collect();
    assert_eq!(failed, [(Fact::FailedForGood, 0, 2), (Fact::FailedForGood, 4, 9)]);
    assert!(receipts.iter().all(|entry| entry.reason.as_deref() == Some("recipient_lost")));
    running.stop().await;
}
