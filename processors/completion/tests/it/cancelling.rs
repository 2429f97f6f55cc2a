//! Campaigns that a person ends.

use crate::support::{Bench, SIZE, id};
use sluice_completion::{CommandError, cancel};
use sluice_core::chunk_state::entry;
use sluice_core::{CampaignId, CampaignState, IndexSet, LedgerBody, PageId};
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_schemas::Fact;
use sluice_simulation::Faults;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn hazard_23_a_cancel_at_a_partly_expanded_campaign_counts_everybody() {
    let bench = Bench::new(1, Faults::latency());
    bench.campaign(3).await;
    let _running = bench.start("a");
    // Chunk 0: three accepted, one waits for a retry, two are on the phone; the others wait.
    bench.receipt(0, vec![entry(Fact::Accepted, 0, 2, 1, 5), entry(Fact::Failed, 3, 3, 1, 5)]).await;
    bench.claim(&[4, 5].into_iter().collect()).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let answer = cancel(&bench.hand_ports(), id(), Some("wrong text".to_owned())).await.unwrap();
    assert_eq!(answer.row.state, CampaignState::Cancelling);
    let out = answer.out;
    assert_eq!((out.counters.sent, out.in_flight, out.remaining), (3, 2, 25), "C5: who is out already");
    let control = bench.hand_store().ledger(&PageId::from("page")).await.unwrap().unwrap().fence.control;
    assert!(control > 0, "grants decided before are refused");
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.row().state, CampaignState::Cancelling, "it is not sealed");
    bench.seal(3, 970).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let counters = bench.counters();
    assert_eq!((counters.pending, counters.sent, counters.cancelled), (2, 3, 25), "claims settle later");
    assert_eq!(bench.row().state, CampaignState::Cancelling);
    bench.receipt(0, vec![entry(Fact::Accepted, 4, 4, 1, 5), entry(Fact::Unresolved, 5, 5, 1, 5)]).await;
    bench.reaches(CampaignState::Cancelled, 1).await;
    let event = &bench.events()[0].counters;
    assert_eq!((event["total"], event["sent"], event["unknown"], event["cancelled"]), (1_000, 4, 1, 995));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_receipt_on_its_way_is_not_written_again_at_every_look() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(2).await;
    bench.seal(2, 0).await;
    bench.claim(&[0].into_iter().collect()).await;
    let _running = bench.start("a");
    cancel(&bench.hand_ports(), id(), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(bench.log.inspect(Topic::Receipts, Partition(0)).len(), 2, "closed and cancelled");
}

#[tokio::test(start_paused = true)]
async fn g2_a_claim_that_is_given_back_is_cancelled_after_all() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.seal(1, 0).await;
    bench.claim(&[0, 1].into_iter().collect()).await;
    let _running = bench.start("a");
    cancel(&bench.hand_ports(), id(), None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (store, page) = (bench.hand_store(), PageId::from("page"));
    let fence = store.ledger(&page).await.unwrap().unwrap().fence;
    store.release(&page, fence, &LedgerBody::new()).await.unwrap();
    bench.reaches(CampaignState::Cancelled, 1).await;
    assert_eq!(bench.counters().cancelled, u64::from(SIZE));
}

#[tokio::test(start_paused = true)]
async fn g7_a_cancel_whose_process_died_before_it_told_the_pages_is_completed() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.seal(1, 0).await;
    bench.claim(&IndexSet::new()).await;
    let page = PageId::from("page");
    let before = bench.hand_store().ledger(&page).await.unwrap().unwrap().fence.control;
    bench.step(CampaignState::Cancelling).await;
    let _running = bench.start("a");
    bench.reaches(CampaignState::Cancelled, 1).await;
    assert!(bench.hand_store().ledger(&page).await.unwrap().unwrap().fence.control > before);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_repeatable_also_after_its_end() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.seal(1, 0).await;
    let ports = bench.hand_ports();
    cancel(&ports, id(), None).await.unwrap();
    cancel(&ports, id(), None).await.unwrap();
    let _running = bench.start("a");
    bench.reaches(CampaignState::Cancelled, 1).await;
    let again = cancel(&ports, id(), None).await.unwrap();
    assert_eq!((again.already, again.out.counters.cancelled), (true, u64::from(SIZE)));
    let nobody = cancel(&ports, CampaignId::of("t", "nobody"), None).await.unwrap_err();
    assert!(matches!(nobody, CommandError::NoCampaign(_)));
    assert_eq!(bench.event_ids().len(), 1);
}
