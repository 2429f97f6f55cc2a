//! Crashes between any two effects.

use crate::support::{Bench, SIZE, chunk, launch, one};
use sluice_core::chunk_state::entry;
use sluice_core::facts::Status;
use sluice_schemas::{Fact, OnUnknown, ReceiptEntry};
use sluice_simulation::{Faults, StoreFaults};
use std::time::Duration;

const CHUNKS: u32 = 3;

/// A third accepted, a third failed, a third without an outcome.
async fn append_all(bench: &Bench) {
    bench.campaign(launch(3, OnUnknown::Resend), CHUNKS).await;
    for number in 0..CHUNKS {
        bench.receipt(chunk(number), vec![entry(Fact::Closed, 0, SIZE - 1, 0, 0)]).await;
        for index in 0..SIZE {
            let fact = [Fact::Accepted, Fact::Failed, Fact::Unresolved][usize::from(index % 3)];
            let id = (fact == Fact::Accepted).then(|| format!("m-{number}-{index}"));
            bench
                .receipt(chunk(number), vec![ReceiptEntry { provider_id: id, ..one(fact, index, 1, 0) }])
                .await;
        }
    }
}

fn check(bench: &Bench) {
    bench.check_states(CHUNKS);
    let snapshot = bench.store.snapshot();
    for number in 0..CHUNKS {
        let state = &snapshot.states[&chunk(number)].1;
        for index in 0..SIZE {
            let waits = state.recipient(index).status() == Status::Pending;
            assert_eq!(waits, index % 3 != 0);
            // G2, hazard 12: whoever waits is told to be tried again.
            assert!(!waits || bench.is_retried(chunk(number), index, 2), "{index}; {}", bench.world.report());
        }
    }
}

/// Keeps one process alive until everything is settled.
async fn run(bench: &Bench) {
    let mut running = bench.receipts("first");
    loop {
        tokio::select! {
            biased;
            dead = bench.world.crashed() => {
                if dead == running.process {
                    running.task.abort();
                    running = bench.receipts("next");
                }
            }
            () = bench.settled() => return,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_12_a_crash_at_any_effect_loses_no_retry_and_counts_right() {
    let calm = Bench::new(1, Faults::latency());
    append_all(&calm).await;
    run(&calm).await;
    check(&calm);
    let effects = calm.world.effects_seen();
    assert!(effects > 20, "{effects}");
    for effect in 1..=effects {
        let bench = Bench::new(1, Faults::crash_at(effect));
        append_all(&bench).await;
        run(&bench).await;
        check(&bench);
    }
}

#[tokio::test(start_paused = true)]
async fn g3_seeds_of_crashes_freezes_and_a_torn_store_count_right() {
    for seed in 0..40 {
        let faults = Faults { crash_ppm: 10_000, freeze_ppm: 10_000, ..Faults::hostile() };
        let bench = Bench::new(seed, faults);
        let _second = bench.receipts("second");
        append_all(&bench).await;
        let calm = async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            bench.world.set_faults(Faults::none());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = calm => {}
            () = run(&bench) => {}
        }
        // What the store lets come late has come.
        tokio::time::sleep(Duration::from_secs(120)).await;
        bench.settled().await;
        check(&bench);
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_15_a_save_that_reached_one_replica_before_its_owner_died_is_made_again_with_all_its_columns()
{
    for seed in 0..8 {
        for effect in 1..=40 {
            let torn = StoreFaults { minority_ppm: 1_000_000, ..Faults::none().store };
            let faults = Faults { crash_at: Some(effect), store: torn, ..Faults::none() };
            let bench = Bench::new(seed, faults);
            // Nothing follows from them: no later save mends this one by the way.
            bench.campaign(launch(0, OnUnknown::Keep), CHUNKS).await;
            for number in 0..CHUNKS {
                bench.receipt(chunk(number), vec![entry(Fact::Closed, 0, SIZE - 1, 0, 0)]).await;
                bench.receipt(chunk(number), vec![entry(Fact::Accepted, 0, SIZE - 1, 1, 0)]).await;
            }
            let running = bench.receipts("first");
            tokio::select! {
                biased;
                _ = bench.world.crashed() => {}
                () = tokio::time::sleep(Duration::from_secs(600)) => {}
            }
            bench.crash(&running);
            bench.world.set_faults(Faults::none());
            let _next = bench.receipts("next");
            bench.settled().await;
            bench.check_states(CHUNKS);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_leaves_nothing_to_merge_again() {
    let bench = Bench::new(5, Faults::none());
    append_all(&bench).await;
    let running = bench.receipts("a");
    tokio::time::sleep(Duration::from_millis(5)).await;
    running.trigger.stop();
    running.task.await.unwrap().unwrap();
    let _next = bench.receipts("b");
    bench.settled().await;
    check(&bench);
}
