//! What follows from receipts.

use crate::support::{Bench, SIZE, chunk, launch, one};
use sluice_core::chunk_state::entry;
use sluice_core::{CampaignId, CampaignState};
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_runtime::ports::store::{RecipientRow, Transition};
use sluice_schemas::{CampaignProgress, Channel, Fact, OnUnknown, ReceiptEntry, SendRequest, decode, encode};
use sluice_simulation::Faults;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_small_campaign_is_counted_within_moments() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 1).await;
    let _running = bench.receipts("a");
    tokio::time::sleep(Duration::from_secs(1)).await;
    bench
        .receipt(
            chunk(0),
            vec![entry(Fact::Closed, 0, SIZE - 1, 0, 0), entry(Fact::Accepted, 0, SIZE - 1, 1, 0)],
        )
        .await;
    tokio::time::sleep(Duration::from_millis(60)).await;
    let counters = bench.store.snapshot().counters[&chunk(0)];
    assert_eq!((counters.total, counters.sent), (u64::from(SIZE), u64::from(SIZE)));
    let progress: Vec<CampaignProgress> = (0..4)
        .flat_map(|partition| bench.log.inspect(Topic::Progress, Partition(partition)))
        .map(|record| decode(&record.value).unwrap())
        .collect();
    assert_eq!(
        (progress.len(), progress[0].size, progress[0].terminal),
        (1, i32::from(SIZE), i32::from(SIZE))
    );
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_is_sent_again_is_never_stored_as_final_in_between() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Resend), 1).await;
    let _running = bench.receipts("a");
    bench.receipt(chunk(0), vec![entry(Fact::Closed, 0, 0, 0, 0), one(Fact::Unresolved, 0, 1, 0)]).await;
    let mut seen = Vec::new();
    for _ in 0..400 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        seen.extend(bench.store.snapshot().counters.get(&chunk(0)).copied());
    }
    assert!(!seen.is_empty() && seen.iter().all(|counters| counters.pending == 1 && counters.unknown == 0));
    assert!(bench.is_retried(chunk(0), 0, 2));
    assert!(bench.retries().iter().all(|retry| retry.not_before_ms >= bench.world.wall_ms() + 60_000));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_arrives_with_no_attempts_left_becomes_final_by_a_receipt() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(0, OnUnknown::Keep), 1).await;
    let _running = bench.receipts("a");
    bench.receipt(chunk(0), vec![entry(Fact::Closed, 0, 1, 0, 0), entry(Fact::Failed, 0, 1, 1, 5)]).await;
    bench.settled().await;
    bench.check_states(1);
    assert_eq!(bench.store.snapshot().counters[&chunk(0)].failed, 2);
    assert!(bench.retries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_campaign_tries_nothing_again() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 1).await;
    let id = CampaignId::of("t", "c");
    let (from, to) = (CampaignState::Running, CampaignState::Cancelling);
    let step = Transition { from, run: 1, to, reason: None, at_ms: 0, terms: None, under: None };
    bench.hand_store().transition(id, step).await.unwrap().unwrap();
    let _running = bench.receipts("a");
    bench.receipt(chunk(0), vec![one(Fact::Failed, 0, 1, 0)]).await;
    bench.settled().await;
    assert!(bench.retries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn people_who_opt_out_are_suppressed_by_the_receipts_address_or_their_row() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 1).await;
    let send = SendRequest {
        chunk: serde_bytes::ByteArray::new(chunk(0).0),
        index: 4,
        address: "from-row".to_owned(),
        name: None,
        customer_id: None,
        time_zone: None,
        variables: Default::default(),
    };
    let row = RecipientRow { index: 4, line: 5, skipped: None, payload: encode(&send).into() };
    let store = bench.hand_store();
    store.write_recipients(chunk(0), vec![row]).await.unwrap();
    let _running = bench.receipts("a");
    let told = ReceiptEntry { address: Some("from-receipt".to_owned()), ..one(Fact::OptedOut, 3, 0, 0) };
    bench.receipt(chunk(0), vec![told, one(Fact::OptedOut, 4, 0, 0)]).await;
    bench.settled().await;
    let people = ["from-receipt", "from-row", "somebody"];
    assert_eq!(store.suppressed("t", Channel::Messenger, &people).await.unwrap(), [true, true, false]);
}
