//! The simulated log: it keeps the port's promises, and does to its users what it may.

use bytes::Bytes;
use sluice_log::conformance;
use sluice_log::simulated::SimLog;
use sluice_runtime::ports::log::{
    Deliveries, Delivery, Log, LogError, Membership, NewRecord, Partition, Position, Topic,
};
use sluice_simulation::{Faults, LogFaults, ProcessId, World};
use std::sync::Arc;
use std::time::Duration;

const ZERO: Partition = Partition(0);

fn record(text: &str) -> NewRecord {
    NewRecord { key: Bytes::new(), value: Bytes::from(text.to_owned()) }
}

fn texts(log: &SimLog) -> Vec<String> {
    let records = log.inspect(Topic::Sends, ZERO);
    records.iter().map(|record| String::from_utf8(record.value.to_vec()).unwrap()).collect()
}

/// One partition a topic.
fn small_log(world: &World) -> SimLog {
    SimLog::with(world, |_| 1, Default::default())
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn it_keeps_what_the_port_promises() {
    conformance::run_all(async || {
        let world = World::new(1, Faults::none());
        SimLog::new(&world).handle(world.start("test"))
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_promises_when_batches_are_written_in_parts() {
    let log = LogFaults { split_ppm: 700_000, expire_ppm: 0 };
    let faults = Faults { log, ..Faults::none() };
    conformance::run_all(async || {
        let world = World::new(2, faults.clone());
        SimLog::new(&world).handle(world.start("test"))
    })
    .await;
}

/// Appends ten batches and waits for their tickets.
async fn append_ten(log: Arc<dyn Log>) -> u32 {
    let tickets: Vec<_> = (0..10)
        .map(|batch| {
            log.append(Topic::Sends, ZERO, vec![record(&format!("{batch}a")), record(&format!("{batch}b"))])
        })
        .collect();
    let mut acknowledged = 0;
    for ticket in tickets {
        ticket.await.unwrap();
        acknowledged += 1;
    }
    acknowledged
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_effect_leaves_a_prefix_of_the_calls_with_all_that_was_acknowledged() {
    let all: Vec<String> = (0..10).flat_map(|batch| [format!("{batch}a"), format!("{batch}b")]).collect();
    let (mut lost, mut torn, mut unheard) = (0, 0, 0);
    for seed in 0..20 {
        for effect in 1.. {
            let split = LogFaults { split_ppm: 300_000, expire_ppm: 0 };
            let world = World::new(seed, Faults { log: split, ..Faults::crash_at(effect) });
            let log = small_log(&world);
            let process = world.start("appender");
            let mut task = tokio::spawn(append_ten(log.handle(process)));
            let finished = tokio::select! {
                biased;
                crashed = world.crashed() => { assert_eq!(crashed, process); false }
                done = &mut task => { assert_eq!(done.unwrap(), 10); true }
            };
            task.abort();
            wait(60).await;
            let durable = texts(&log);
            assert!(all.starts_with(&durable), "{}", world.report());
            if finished {
                assert_eq!(durable, all);
                break;
            }
            lost += u32::from(durable.len() < all.len());
            torn += u32::from(durable.len() % 2 == 1);
            unheard += u32::from(durable.len() == all.len());
        }
    }
    assert!(lost > 0 && torn > 0 && unheard > 0, "lost {lost}, torn {torn}, durable but unheard {unheard}");
}

async fn join(log: &SimLog, process: ProcessId) -> Membership {
    log.handle(process).join("group", Topic::Sends).await.unwrap()
}

async fn next(deliveries: &mut Box<dyn Deliveries>) -> Delivery {
    tokio::time::timeout(Duration::from_secs(120), deliveries.next())
        .await
        .expect("something to hear")
        .unwrap()
}

/// Hears until a record is delivered; gives its text. Expects no loss.
async fn first_record(deliveries: &mut Box<dyn Deliveries>) -> String {
    loop {
        match next(deliveries).await {
            Delivery::Records { records, .. } => {
                return String::from_utf8(records[0].value.to_vec()).unwrap();
            }
            Delivery::Lost { partitions } => panic!("lost {partitions:?}"),
            _ => {}
        }
    }
}

async fn filled(world: &World) -> SimLog {
    let log = small_log(world);
    let records = (0..5).map(|number| record(&number.to_string())).collect();
    log.handle(world.observer("test")).append(Topic::Sends, ZERO, records).await.unwrap();
    log
}

#[tokio::test(start_paused = true)]
async fn hazard_6_a_frozen_member_wakes_up_and_its_commit_is_refused() {
    let world = World::new(3, Faults::latency());
    let log = filled(&world).await;
    let (a, b) = (world.start("a"), world.start("b"));
    let mut former = join(&log, a).await;
    first_record(&mut former.deliveries).await;
    former.committer.commit(ZERO, Position(2)).await.unwrap();
    let mut heir = join(&log, b).await;
    world.freeze(a);
    let committer = former.committer.clone();
    let late = tokio::spawn(async move { committer.commit(ZERO, Position(5)).await });
    assert_eq!(first_record(&mut heir.deliveries).await, "2", "again, from the committed position");
    assert!(world.now() >= Duration::from_secs(10), "only after its session expired");
    assert!(!late.is_finished());
    world.thaw(a);
    assert_eq!(late.await.unwrap(), Err(LogError::Fenced { topic: Topic::Sends, partition: ZERO }));
    assert!(matches!(next(&mut former.deliveries).await, Delivery::Lost { .. }));
    heir.committer.commit(ZERO, Position(4)).await.unwrap();
    assert_eq!(log.inspect_committed("group", Topic::Sends, ZERO), Some(Position(4)));
}

#[tokio::test(start_paused = true)]
async fn a_short_freeze_loses_nothing() {
    let world = World::new(4, Faults::latency());
    let log = filled(&world).await;
    let process = world.start("a");
    let mut member = join(&log, process).await;
    first_record(&mut member.deliveries).await;
    world.freeze(process);
    wait(9).await;
    world.thaw(process);
    member.committer.commit(ZERO, Position(1)).await.unwrap();
    wait(30).await;
    member.committer.commit(ZERO, Position(2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_thawed_member_that_was_alone_gets_its_partitions_again() {
    let world = World::new(5, Faults::latency());
    let log = filled(&world).await;
    let process = world.start("a");
    let mut member = join(&log, process).await;
    first_record(&mut member.deliveries).await;
    world.freeze(process);
    wait(30).await;
    world.thaw(process);
    while !matches!(next(&mut member.deliveries).await, Delivery::Lost { .. }) {}
    assert_eq!(first_record(&mut member.deliveries).await, "0", "nothing was committed");
    member.committer.commit(ZERO, Position(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_partitions_of_a_dead_member_wait_for_its_session() {
    let world = World::new(6, Faults::latency());
    let log = filled(&world).await;
    let dead = world.start("a");
    let mut member = join(&log, dead).await;
    first_record(&mut member.deliveries).await;
    world.kill(dead);
    drop(member);
    let died_at = world.now();
    let mut heir = join(&log, world.start("b")).await;
    assert_eq!(first_record(&mut heir.deliveries).await, "0");
    assert!(world.now() - died_at >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_revocation_is_carried_out_at_its_deadline_and_the_slow_member_is_told() {
    let world = World::new(7, Faults::latency());
    let log = SimLog::with(&world, |_| 2, Default::default());
    let mut slow = join(&log, world.start("a")).await;
    for _ in 0..2 {
        assert!(matches!(next(&mut slow.deliveries).await, Delivery::Assigned { .. }));
    }
    let mut other = join(&log, world.start("b")).await;
    let Delivery::Revoking { partitions, done } = next(&mut slow.deliveries).await else {
        panic!("no revocation")
    };
    assert!(done.deadline > world.now() && done.deadline < world.now() + Duration::from_secs(6));
    assert!(
        matches!(next(&mut other.deliveries).await, Delivery::Assigned { partition, .. } if partition == partitions[0])
    );
    assert!(world.now() >= done.deadline);
    assert!(
        matches!(next(&mut slow.deliveries).await, Delivery::Lost { partitions: lost } if lost == partitions)
    );
    assert!(slow.committer.commit(partitions[0], Position(0)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn hazard_17_a_topic_made_anew_starts_again_under_a_higher_generation() {
    let world = World::new(8, Faults::none());
    let log = filled(&world).await;
    let port = log.handle(world.start("a"));
    let before = port.bounds(Topic::Sends, ZERO).await.unwrap();
    log.recreate(Topic::Sends);
    let after = port.bounds(Topic::Sends, ZERO).await.unwrap();
    assert_eq!((after.end, after.generation), (Position(0), before.generation + 1));
}

/// Two members read and commit under every fault; gives the trace's digest.
async fn hostile_run(seed: u64) -> (u64, u64) {
    let world = World::new(seed, Faults { crash_ppm: 20_000, freeze_ppm: 10_000, ..Faults::hostile() });
    let log = SimLog::new(&world);
    let producer = log.handle(world.observer("test"));
    for number in 0..200u32 {
        drop(producer.append(Topic::Sends, Partition(number % 4), vec![record(&number.to_string())]));
    }
    let read = async |name: &str| {
        loop {
            let process = world.start(name);
            let work = async {
                let mut member = join(&log, process).await;
                loop {
                    match member.deliveries.next().await.unwrap() {
                        Delivery::Records { partition, records } => {
                            let position = records[records.len() - 1].offset.next();
                            let answer = member.committer.commit(partition, position).await;
                            world.note(process, format!("{partition:?} {position:?} {answer:?}"));
                        }
                        other => world.note(process, format!("{other:?}")),
                    }
                }
            };
            tokio::select! {
                biased;
                () = world.died(process) => {}
                () = work => {}
            }
        }
    };
    let everything = async { tokio::join!(read("a"), read("b")) };
    drop(tokio::time::timeout(Duration::from_secs(300), everything).await);
    for partition in 0..4 {
        assert_eq!(log.inspect(Topic::Sends, Partition(partition)).len(), 50);
        let committed = log.inspect_committed("group", Topic::Sends, Partition(partition));
        assert_eq!(committed, Some(Position(50)), "{}", world.report());
    }
    (world.digest(), world.effects_seen())
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(hostile_run(seed))
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}
