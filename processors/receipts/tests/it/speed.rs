//! How fast facts are merged and webhooks are split, without disks: `cargo test --release -- --ignored speed`.

use crate::support::{Bench, chunk, launch, one};
use sluice_core::SendId;
use sluice_core::chunk_state::entry;
use sluice_core::ids::EchoTag;
use sluice_receipts::WebhookOptions;
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::{Fact, OnUnknown, ReceiptEntry};
use sluice_simulation::Faults;

const FACTS: u32 = 1 << 20;

#[tokio::test(start_paused = true)]
#[ignore = "measures"]
async fn receipts_of_512_entries() {
    for with_ids in [false, true] {
        let bench = Bench::new(1, Faults::none());
        let chunks = FACTS / 8_192;
        bench.campaign(launch(3, OnUnknown::Keep), chunks).await;
        for number in 0..chunks {
            for first in (0..8_192u16).step_by(512) {
                let accepted = |index: u16| {
                    let id = with_ids.then(|| format!("m-{number}-{index}"));
                    ReceiptEntry { provider_id: id, ..one(Fact::Accepted, index, 1, 5) }
                };
                bench.receipt(chunk(number), (first..first + 512).map(accepted).collect()).await;
            }
            bench.receipt(chunk(number), vec![entry(Fact::Closed, 0, 8_191, 0, 0)]).await;
        }
        let start = SystemClock.monotonic();
        let _running = bench.receipts("a");
        bench.settled().await;
        let seconds = (SystemClock.monotonic() - start).as_secs_f64();
        println!("receipts, provider ids {with_ids}: {:.0} facts/s", f64::from(FACTS) / seconds);
    }
}

#[tokio::test(start_paused = true)]
#[ignore = "measures"]
async fn webhooks_by_echo_tag() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 16).await;
    for at in 0..FACTS / 8 {
        let send = SendId { chunk: chunk(at % 16), index: (at / 16 % 40) as u16 };
        bench.webhook(&format!("tag {} delivered 60", EchoTag { send, attempt: 1 })).await;
    }
    let start = SystemClock.monotonic();
    let _running = bench.webhooks("w", WebhookOptions::default());
    let _receipts = bench.receipts("r");
    bench.settled().await;
    let seconds = (SystemClock.monotonic() - start).as_secs_f64();
    println!("webhooks of one fact, split and merged: {:.0} facts/s", f64::from(FACTS / 8) / seconds);
}
