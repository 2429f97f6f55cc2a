//! Webhooks find their sends, whoever comes first.

use crate::support::{Bench, chunk, launch, one};
use sluice_core::SendId;
use sluice_core::facts::Status;
use sluice_core::ids::EchoTag;
use sluice_receipts::WebhookOptions;
use sluice_runtime::ports::log::Topic;
use sluice_schemas::{Fact, OnUnknown, ReceiptEntry};
use sluice_simulation::Faults;
use std::time::Duration;

fn tag(number: u32, index: u16) -> EchoTag {
    EchoTag { send: SendId { chunk: chunk(number), index }, attempt: 1 }
}

fn accepted(index: u16, at_ms: i64, id: Option<&str>, address: Option<&str>) -> ReceiptEntry {
    ReceiptEntry {
        provider_id: id.map(str::to_owned),
        address: address.map(str::to_owned),
        ..one(Fact::Accepted, index, 1, at_ms)
    }
}

async fn bench() -> Bench {
    let bench = Bench::new(1, Faults::latency());
    bench.campaign(launch(3, OnUnknown::Keep), 2).await;
    bench
}

fn status(bench: &Bench, number: u32, index: u16) -> Status {
    bench
        .store
        .snapshot()
        .states
        .get(&chunk(number))
        .map_or(Status::Pending, |(_, state)| state.recipient(index).status())
}

#[tokio::test(start_paused = true)]
async fn an_echo_tag_needs_no_other_knowledge_and_duplicates_change_nothing() {
    let bench = bench().await;
    let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
    for _ in 0..3 {
        bench.webhook(&format!("tag {} read 70\ntag {} delivered 60", tag(0, 2), tag(1, 3))).await;
    }
    bench.receipt(chunk(0), vec![accepted(2, 50, None, None)]).await;
    bench.settled().await;
    assert_eq!((status(&bench, 0, 2), status(&bench, 1, 3)), (Status::Read, Status::Delivered));
    bench.check_states(2);
}

#[tokio::test(start_paused = true)]
async fn hazard_24_a_failure_told_later_is_final_and_makes_no_retry() {
    let bench = bench().await;
    let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
    bench.receipt(chunk(0), vec![accepted(2, 50, None, None)]).await;
    bench.webhook(&format!("tag {} failed 70", tag(0, 2))).await;
    bench.settled().await;
    assert_eq!(status(&bench, 0, 2), Status::Failed);
    assert!(bench.retries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn b6_a_refused_account_is_told_to_the_pages_shard_once_a_delivery_and_its_recipients_fail_as_ever() {
    let bench = bench().await;
    let failed =
        |index, at_ms| format!("tag {} failed {at_ms}\nrefused page account {at_ms}\n", tag(0, index));
    for body in [failed(1, 5_000), failed(2, 7_000), failed(3, 6_000), "refused other throttled 1".to_owned()]
    {
        bench.webhook(body.trim_end()).await;
    }
    // All of it waits and is delivered together.
    let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
    bench.settled().await;
    let told = |page: &str| {
        let refused = bench.refused(page);
        refused.into_iter().map(|refused| (refused.reason, refused.at_ms)).collect::<Vec<_>>()
    };
    assert_eq!(told("page"), [("account".to_owned(), 7_000)], "the latest");
    assert_eq!(told("other"), [("throttled".to_owned(), 1)]);
    assert_eq!([1, 2, 3].map(|index| status(&bench, 0, index)), [Status::Failed; 3]);
    assert!(bench.retries().is_empty() && bench.dead_letters().is_empty());
    bench.check_states(2);
}

#[tokio::test(start_paused = true)]
async fn hazard_19_a_webhook_before_its_send_is_found_by_the_send_and_after_it_finds_it() {
    for webhook_first in [true, false] {
        let bench = bench().await;
        let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
        let entry = accepted(5, 50, Some("m-1"), None);
        if webhook_first {
            bench.webhook("message m-1 read 70").await;
            bench.settled().await;
            bench.receipt(chunk(0), vec![entry]).await;
        } else {
            bench.receipt(chunk(0), vec![entry]).await;
            bench.settled().await;
            bench.webhook("message m-1 read 70").await;
        }
        bench.settled().await;
        assert_eq!(status(&bench, 0, 5), Status::Read, "webhook first: {webhook_first}");
    }
}

#[tokio::test(start_paused = true)]
async fn d3_a_reply_finds_its_send_by_the_id_of_a_status_where_the_calls_answer_never_came() {
    for reply_first in [true, false] {
        let bench = bench().await;
        let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
        let status_sent = format!("tag {0} sent 60", tag(0, 5));
        let reply = format!("message id-of-{} responded 70", tag(0, 5));
        let in_order = if reply_first { [&reply, &status_sent] } else { [&status_sent, &reply] };
        for body in in_order {
            bench.webhook(body).await;
            bench.settled().await;
        }
        assert_eq!(status(&bench, 0, 5), Status::Responded, "reply first: {reply_first}");
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_19_both_at_once_under_any_latency_find_each_other() {
    for seed in 0..60 {
        let bench = Bench::new(seed, Faults::latency());
        bench.campaign(launch(3, OnUnknown::Keep), 2).await;
        let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
        tokio::time::sleep(Duration::from_millis(seed * 7)).await;
        bench.webhook("message m-1 delivered 70\nperson anna read 70").await;
        bench.receipt(chunk(0), vec![accepted(5, 50, Some("m-1"), None)]).await;
        bench.receipt(chunk(1), vec![accepted(6, 50, None, Some("anna"))]).await;
        bench.settled().await;
        let found = (status(&bench, 0, 5), status(&bench, 1, 6));
        assert_eq!(found, (Status::Delivered, Status::Read), "seed {seed}; {}", bench.world.report());
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_19_a_watermark_reaches_every_earlier_send_and_no_later_one() {
    let bench = bench().await;
    let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
    bench.receipt(chunk(0), vec![accepted(1, 10_000, None, Some("anna"))]).await;
    bench.settled().await;
    // It finds the first send and is not satisfied: the second one is recorded after it.
    bench.webhook("person anna read 20000").await;
    bench.settled().await;
    bench.receipt(chunk(0), vec![accepted(2, 15_000, None, Some("anna"))]).await;
    bench
        .receipt(chunk(1), vec![accepted(3, 30_000, None, Some("anna")), accepted(4, 5, None, Some("bert"))])
        .await;
    bench.settled().await;
    assert_eq!((status(&bench, 0, 1), status(&bench, 0, 2)), (Status::Read, Status::Read));
    assert_eq!((status(&bench, 1, 3), status(&bench, 1, 4)), (Status::Sent, Status::Sent));
}

#[tokio::test(start_paused = true)]
async fn a_fact_whose_message_nobody_knows_becomes_a_dead_letter_after_a_while() {
    let bench = bench().await;
    let options = WebhookOptions { unmatched_after_ms: 60_000, ..WebhookOptions::default() };
    let _running = (bench.receipts("r"), bench.webhooks("w", options));
    bench.webhook("message nobody delivered 70\nmessage m-1 delivered 70").await;
    bench.receipt(chunk(0), vec![accepted(5, 50, Some("m-1"), None)]).await;
    bench.settled().await;
    assert!(bench.dead_letters().is_empty());
    tokio::time::sleep(Duration::from_secs(200)).await;
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].key, b"nobody");
    assert!(letters[0].reason.starts_with("unmatched"));
}

#[tokio::test(start_paused = true)]
async fn bodies_and_tags_nobody_knows_become_dead_letters_and_stop_nothing() {
    let bench = bench().await;
    let _running = (bench.receipts("r"), bench.webhooks("w", WebhookOptions::default()));
    bench.raw(Topic::WebhooksRaw, 0, b"no record".to_vec()).await;
    bench.webhook("what is this").await;
    bench.webhook(&format!("tag {} read 70\ntag {} read 70", tag(9, 0), tag(0, 1))).await;
    bench.webhook(&format!("tag {} read 70", tag(0, 8_000))).await;
    bench.settled().await;
    assert_eq!(bench.dead_letters().len(), 4);
    assert_eq!(status(&bench, 0, 1), Status::Read);
    assert_eq!(bench.store.snapshot().states.len(), 1);
    bench.check_states(2);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_effect_of_the_webhook_processor_loses_no_fact() {
    for effect in 1..60 {
        let bench = Bench::new(effect, Faults::none());
        bench.campaign(launch(3, OnUnknown::Keep), 2).await;
        bench.world.set_faults(Faults::crash_at(effect));
        bench.webhook(&format!("tag {} read 70\nmessage m-1 read 70", tag(0, 1))).await;
        bench.receipt(chunk(1), vec![accepted(5, 50, Some("m-1"), None)]).await;
        let mut running = [bench.receipts("r"), bench.webhooks("w", WebhookOptions::default())];
        loop {
            tokio::select! {
                biased;
                dead = bench.world.crashed() => {
                    for (at, name) in ["r", "w"].iter().enumerate() {
                        if running[at].process == dead {
                            bench.crash(&running[at]);
                            running[at] = if at == 0 {
                                bench.receipts(name)
                            } else {
                                bench.webhooks(name, WebhookOptions::default())
                            };
                        }
                    }
                }
                () = bench.settled() => break,
            }
        }
        assert_eq!(
            (status(&bench, 0, 1), status(&bench, 1, 5)),
            (Status::Read, Status::Read),
            "effect {effect}"
        );
    }
}
