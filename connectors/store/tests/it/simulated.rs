//! The simulated store: it keeps the port's promises whatever the cluster below does.

use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::{CampaignId, ChunkId, ChunkState, IndexSet, LedgerBody, PageId};
use sluice_runtime::ports::store::{
    ChunkSave, Fence, Granted, Predecessor, RecipientRow, Store, StoreError, StoreResult,
};
use sluice_schemas::Fact;
use sluice_simulation::{Faults, StoreFaults, World};
use sluice_store::conformance;
use sluice_store::simulated::SimStore;
use std::sync::Arc;
use std::time::Duration;

fn faults(store: StoreFaults) -> Faults {
    Faults { latency_ms_max: 20, store, ..Faults::none() }
}

fn ambiguous() -> StoreFaults {
    StoreFaults { ambiguous_ppm: 300_000, late_ms_max: 20_000, ..Faults::none().store }
}

fn replicas_apart() -> StoreFaults {
    StoreFaults { minority_ppm: 300_000, straggler_ppm: 500_000, late_ms_max: 5_000, ..Faults::none().store }
}

fn store(seed: u64, store: StoreFaults) -> Arc<dyn Store> {
    let world = World::new(seed, faults(store));
    SimStore::new(&world).handle(world.start("test"))
}

#[tokio::test(start_paused = true)]
async fn it_keeps_what_the_port_promises() {
    conformance::run_all(async || {
        let world = World::new(1, Faults::none());
        SimStore::new(&world).handle(world.start("test"))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn hazard_3_it_keeps_the_promises_when_answers_are_lost_and_writes_come_late() {
    for seed in 0..30 {
        conformance::run_all(async || store(seed, ambiguous())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_15_it_keeps_the_promises_when_writes_reach_a_minority() {
    for seed in 0..100 {
        conformance::hazard_15_the_highest_stamp_wins_in_any_order(&*store(seed, replicas_apart())).await;
        conformance::hazard_16_an_equal_stamp_changes_nothing(&*store(seed, replicas_apart())).await;
        conformance::counters_are_those_beside_the_states(&*store(seed, replicas_apart())).await;
        conformance::recipients_may_be_written_in_parts_and_again(&*store(seed, replicas_apart())).await;
        conformance::correlated_sends_come_oldest_first_and_once(&*store(seed, replicas_apart())).await;
        conformance::hazard_19_one_of_both_sides_sees_the_other(&*store(seed, replicas_apart())).await;
    }
}

fn chunk() -> ChunkId {
    ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0)
}

fn claims(count: u32) -> LedgerBody {
    let mut body = LedgerBody::new();
    body.claim(chunk(), 1, &IndexSet::full(count)).unwrap();
    body
}

/// Asks again as long as nothing is known, with the same.
async fn insist<T>(ask: impl AsyncFn() -> StoreResult<T>) -> StoreResult<T> {
    loop {
        match ask().await {
            Err(StoreError::Unavailable(_)) => {}
            answer => return answer,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hazard_3_a_late_grant_never_overwrites_a_later_one() {
    let page = PageId::from("page-1");
    for seed in 0..50 {
        let hard = StoreFaults {
            ambiguous_ppm: 500_000,
            unavailable_ppm: 100_000,
            late_ms_max: 60_000,
            ..ambiguous()
        };
        let world = World::new(seed, faults(hard));
        let sim = SimStore::new(&world);
        let port = sim.handle(world.start("owner"));
        let mut fence = insist(async || port.take(&page, "owner").await).await.unwrap().fence;
        for count in 1..20 {
            let body = claims(count);
            let granted = insist(async || port.grant(&page, fence, &body).await).await.unwrap();
            let Granted::Yes(next) = granted else { panic!("{granted:?}\n{}", world.report()) };
            assert_eq!(next.seq, fence.seq + 1);
            fence = next;
            assert_eq!(sim.snapshot().ledgers[&page].body, body, "{}", world.report());
        }
        tokio::time::sleep(Duration::from_secs(120)).await;
        let row = sim.snapshot().ledgers[&page].clone();
        assert_eq!((row.fence, row.body), (fence, claims(19)), "{}", world.report());
    }
}

#[tokio::test(start_paused = true)]
async fn g1_a_former_owner_never_writes_after_a_take_however_late_its_writes_are() {
    let page = PageId::from("page-1");
    for seed in 0..100 {
        let world = World::new(seed, faults(ambiguous()));
        let sim = SimStore::new(&world);
        let (former, heir) = (sim.handle(world.start("a")), sim.handle(world.start("b")));
        let fence = former.take(&page, "a").await.unwrap().fence;
        let body = claims(5);
        let (granted, taken) = tokio::join!(former.grant(&page, fence, &body), heir.take(&page, "b"));
        let taken = taken.unwrap();
        assert_eq!(taken.predecessor, Predecessor::MayRun);
        if let Granted::Yes(_) = granted.unwrap() {
            assert_eq!(taken.body, body, "what was granted is found: {}", world.report());
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let row = sim.snapshot().ledgers[&page].clone();
        let Fence { epoch, seq, .. } = row.fence;
        assert_eq!((epoch, seq, row.body), (taken.fence.epoch, taken.fence.seq, taken.body));
    }
}

fn save(position: u64) -> ChunkSave {
    let mut state = ChunkState::new();
    let entries: Vec<_> =
        (1..=position).map(|at| entry(Fact::Accepted, at as u16, at as u16, 1, at as i64)).collect();
    entries.iter().for_each(|entry| state.merge(entry));
    let counters = state.counters();
    let details = entries.last().cloned().into_iter().collect();
    let stamp = Stamp::new(1, position);
    ChunkSave { chunk: chunk(), stamp, state, counters, details, details_to: stamp }
}

#[tokio::test(start_paused = true)]
async fn hazard_16_what_was_saved_is_never_read_older_and_every_cell_is_a_whole_one() {
    for seed in 0..100 {
        let world = World::new(seed, faults(StoreFaults { unavailable_ppm: 200_000, ..replicas_apart() }));
        let sim = SimStore::new(&world);
        let port = sim.handle(world.start("receipts"));
        let mut saved = Stamp::default();
        for position in 1..40 {
            // After a failure it goes on with a higher stamp, or repeats the same bytes.
            match port.save_chunks(vec![save(position)]).await {
                Ok(()) => saved = save(position).stamp,
                Err(_) if position % 2 == 0 => {
                    insist(async || port.save_chunks(vec![save(position)]).await).await.unwrap();
                    saved = save(position).stamp;
                }
                Err(_) => {}
            }
            let read = insist(async || port.load_chunk(chunk()).await).await.unwrap();
            let Some((stamp, state)) = read else {
                assert_eq!(saved, Stamp::default());
                continue;
            };
            assert!(stamp >= saved, "read {stamp:?} after {saved:?}: {}", world.report());
            assert_eq!(state, save(stamp.position()).state);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_recipients_are_written_leaves_some_of_them() {
    let rows: Vec<RecipientRow> =
        (0..50).map(|index| RecipientRow { index, line: 1, skipped: None, payload: "x".into() }).collect();
    let mut partly = 0;
    for seed in 0..50 {
        let world = World::new(seed, Faults { store: replicas_apart(), ..Faults::crash_at(2) });
        let sim = SimStore::new(&world);
        let port = sim.handle(world.start("expander"));
        tokio::select! {
            biased;
            _ = world.crashed() => {}
            _ = port.write_recipients(chunk(), rows.clone()) => panic!("it should have crashed"),
        }
        let written = sim.snapshot().recipients.get(&chunk()).map_or(0, Vec::len);
        partly += u32::from(written > 0 && written < 50);
    }
    assert!(partly > 0);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(async {
            let world = World::new(seed, Faults { crash_ppm: 0, ..Faults::hostile() });
            let sim = SimStore::new(&world);
            let work = async |name: &str| {
                let port = sim.handle(world.start(name));
                for count in 1..30 {
                    let page = PageId::from(["page-1", "page-2"][count as usize % 2]);
                    let Ok(taken) = port.take(&page, name).await else { continue };
                    let _any = port.grant(&page, taken.fence, &claims(count)).await;
                    let _any = port.save_chunks(vec![save(u64::from(count))]).await;
                }
            };
            tokio::join!(work("a"), work("b"));
            (world.digest(), world.effects_seen(), format!("{:?}", sim.snapshot().ledgers))
        })
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}
