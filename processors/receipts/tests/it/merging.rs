//! Order and repetition of receipts, and who may write.

use crate::support::{Bench, SIZE, chunk, launch, one};
use sluice_core::chunk_state::entry;
use sluice_core::{ChunkState, Stamp};
use sluice_receipts::ReceiptError;
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_runtime::ports::store::ChunkSave;
use sluice_schemas::{Fact, OnUnknown, ReceiptEntry};
use sluice_simulation::{Faults, Random};
use std::time::Duration;

fn some_receipts(seed: u64) -> Vec<(u32, Vec<ReceiptEntry>)> {
    let mut random = Random::new(seed);
    let mut all: Vec<(u32, Vec<ReceiptEntry>)> =
        (0..6).map(|number| (number, vec![entry(Fact::Closed, 0, SIZE - 1, 0, 0)])).collect();
    let facts =
        [Fact::Accepted, Fact::Failed, Fact::FailedForGood, Fact::Delivered, Fact::Read, Fact::Unresolved];
    for _ in 0..150 {
        let number = random.between(0, 5) as u32;
        let entries = (0..random.between(1, 5))
            .map(|_| {
                let fact = facts[random.between(0, facts.len() as u64 - 1) as usize];
                one(fact, random.between(0, u64::from(SIZE) - 1) as u16, 1, random.between(0, 1_000) as i64)
            })
            .collect();
        all.push((number, entries));
    }
    all
}

/// Stored states, by chunk.
async fn stored(receipts: &[(u32, Vec<ReceiptEntry>)]) -> Vec<ChunkState> {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(0, OnUnknown::Keep), 6).await;
    let _running = bench.receipts("a");
    for (number, entries) in receipts {
        bench.receipt(chunk(*number), entries.clone()).await;
    }
    bench.settled().await;
    bench.check_states(6);
    let snapshot = bench.store.snapshot();
    (0..6).map(|number| snapshot.states[&chunk(number)].1.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn g3_duplicates_and_any_order_of_receipts_give_the_same_stored_states() {
    let receipts = some_receipts(7);
    let straight = stored(&receipts).await;
    let mut shuffled = receipts.clone();
    shuffled.extend(receipts.iter().take(60).cloned());
    let mut random = Random::new(3);
    for at in (1..shuffled.len()).rev() {
        shuffled.swap(at, random.between(0, at as u64) as usize);
    }
    assert_eq!(stored(&shuffled).await, straight);
}

#[tokio::test(start_paused = true)]
async fn g9_more_chunks_than_the_cache_holds_are_counted_right() {
    let mut bench = Bench::new(1, Faults::none());
    bench.options.chunks_max = 2;
    bench.options.facts_max = 7;
    bench.campaign(launch(0, OnUnknown::Keep), 6).await;
    for (number, entries) in some_receipts(9) {
        bench.receipt(chunk(number), entries).await;
    }
    let _running = bench.receipts("a");
    bench.settled().await;
    bench.check_states(6);
}

#[tokio::test(start_paused = true)]
async fn hazard_15_a_former_owner_that_goes_on_changes_nothing() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 6).await;
    let receipts = some_receipts(11);
    let (early, late) = receipts.split_at(80);
    let former = bench.receipts("former");
    for (number, entries) in early {
        bench.receipt(chunk(*number), entries.clone()).await;
    }
    // It stands still with records merged and not yet stored.
    tokio::time::sleep(Duration::from_millis(10)).await;
    bench.world.freeze(former.process);
    let _present = bench.receipts("present");
    for (number, entries) in late {
        bench.receipt(chunk(*number), entries.clone()).await;
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.settled().await;
    bench.check_states(6);
    let before = bench.store.snapshot().states;
    bench.world.thaw(former.process);
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.settled().await;
    bench.check_states(6);
    assert!(before.iter().all(|(chunk, (stamp, _))| bench.store.snapshot().states[chunk].0 >= *stamp));
}

#[tokio::test(start_paused = true)]
async fn hazard_17_a_state_that_knows_more_than_the_log_stops_the_processor() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 1).await;
    for stamp in [Stamp::new(1, 1_000), Stamp::new(7, 0)] {
        let state = ChunkState::new();
        let counters = state.counters();
        let save =
            ChunkSave { chunk: chunk(0), stamp, state, counters, details: Vec::new(), details_to: stamp };
        bench.hand_store().save_chunks(vec![save]).await.unwrap();
        bench.receipt(chunk(0), vec![one(Fact::Accepted, 0, 1, 0)]).await;
        let ended = tokio::time::timeout(Duration::from_secs(60), bench.receipts("a").task).await.unwrap();
        let error = ended.unwrap().unwrap_err();
        assert!(matches!(error, ReceiptError::StateBeyondEnd { .. }), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_use_becomes_a_dead_letter_and_stops_nothing() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(launch(3, OnUnknown::Keep), 2).await;
    let _running = bench.receipts("a");
    bench.raw(Topic::Receipts, 0, b"no record".to_vec()).await;
    let receipt = sluice_schemas::Receipt {
        chunk: serde_bytes::ByteArray::new(chunk(1).0),
        entries: vec![one(Fact::Accepted, 0, 1, 0)],
    };
    bench.raw(Topic::Receipts, 0, sluice_schemas::encode(&receipt)).await;
    bench.receipt(chunk(0), vec![one(Fact::Accepted, 3, 1, 0)]).await;
    bench.settled().await;
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert_eq!((letters[1].partition, letters[1].offset), (0, 1));
    let states = bench.store.snapshot().states;
    assert_eq!(states[&chunk(0)].1.counters().sent, 1);
    assert!(!states.contains_key(&chunk(1)));
    assert_eq!(bench.log.inspect(Topic::Receipts, Partition(0)).len(), 3);
}
