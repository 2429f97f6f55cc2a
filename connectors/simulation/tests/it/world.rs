//! Processes and effects.

use sluice_runtime::Clock;
use sluice_simulation::{Faults, Status, World};
use std::time::Duration;

async fn work(world: &World, name: &str, effects: u32) {
    let process = world.start(name);
    for _ in 0..effects {
        world.effect(process, "work").await;
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(async {
            let world = World::new(seed, Faults::hostile());
            let all = async { tokio::join!(work(&world, "a", 100), work(&world, "b", 100)) };
            drop(tokio::time::timeout(Duration::from_secs(600), all).await);
            (world.digest(), world.trace())
        })
    };
    for seed in 0..50 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}

#[tokio::test(start_paused = true)]
async fn a_crash_happens_at_exactly_the_effect_it_is_asked_for() {
    let world = World::new(1, Faults::crash_at(7));
    let process = world.start("a");
    let task = tokio::spawn({
        let world = world.clone();
        async move {
            loop {
                world.effect(process, "work").await;
            }
        }
    });
    assert_eq!(world.crashed().await, process);
    assert_eq!((world.effects_seen(), world.status(process)), (7, Status::Dead));
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(world.effects_seen(), 7, "the dead do nothing");
    task.abort();
    assert!(world.report().contains("#7 work"), "{}", world.report());
    work(&world, "the next incarnation", 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_process_goes_on_where_it_stood() {
    let world = World::new(1, Faults::latency());
    let process = world.start("a");
    world.freeze(process);
    let waits = tokio::time::timeout(Duration::from_secs(50), world.effect(process, "work")).await;
    assert!(waits.is_err());
    let clock = world.clock(process);
    assert!(clock.monotonic() >= Duration::from_secs(50), "its clock counts the freeze (hazard 5)");
    world.thaw(process);
    world.effect(process, "work").await;
    world.kill(process);
    world.thaw(process);
    assert_eq!(world.status(process), Status::Dead);
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_never_touched() {
    let world = World::new(1, Faults { crash_ppm: 1_000_000, crashes_max: 9, ..Faults::hostile() });
    let observer = world.observer("test");
    for _ in 0..100 {
        world.effect(observer, "look").await;
    }
    assert_eq!((world.now(), world.effects_seen()), (Duration::ZERO, 0));
    assert_eq!(world.faults(observer), Faults::none());
}

#[tokio::test(start_paused = true)]
async fn hazard_7_wall_clocks_differ_and_monotonic_ones_do_not() {
    let world = World::new(1, Faults::ambiguous());
    let clocks: Vec<_> = (0..5).map(|_| world.clock(world.start("a"))).collect();
    let walls: std::collections::BTreeSet<i64> = clocks.iter().map(|clock| clock.wall_ms()).collect();
    assert!(walls.len() > 1 && walls.iter().all(|wall| (wall - world.wall_ms()).abs() <= 6_000), "{walls:?}");
    assert!(clocks.iter().all(|clock| clock.monotonic() == world.now()));
}
