//! Hazards 1, 2, 28: who is in which chunk.

use super::run::{Run, for_each, ms};
use crate::audience::SimAudience;
use crate::cluster::{Cluster, Scenario};
use sluice_schemas::Channel;
use sluice_simulation::Faults;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

fn scenario() -> Scenario {
    Scenario { faults: Faults::latency(), chunk_rows: 8, nodes: 1, ..Scenario::default() }
}

/// Each row of the audience is in exactly one committed chunk.
fn every_row_once(cluster: &Cluster) {
    let snapshot = cluster.store.snapshot();
    let lines: Vec<u64> = snapshot
        .chunks
        .keys()
        .flat_map(|chunk| snapshot.recipients[chunk].iter().map(|row| row.line))
        .collect();
    let distinct: BTreeSet<&u64> = lines.iter().collect();
    assert_eq!((lines.len() as u64, distinct.len()), (cluster.audience.rows, lines.len()), "rows in chunks");
}

fn epoch(cluster: &Cluster) -> u32 {
    cluster.store.snapshot().campaigns[&cluster.id()].exp_epoch
}

#[test]
fn hazard_01_who_opts_out_while_the_expander_is_dead_shifts_nobody() {
    let died_expanding = Cell::new(0);
    for_each("a crash at effect", (8..330).step_by(11), |effect| {
        let died_expanding = &died_expanding;
        async move {
            let mut run =
                Run::started(effect, &Scenario { faults: Faults::crash_at(effect), ..scenario() }).await;
            run.crash(Duration::from_secs(60)).await.unwrap();
            if !run.cluster.is_sealed() {
                died_expanding.set(died_expanding.get() + 1);
            }
            let opted_out: Vec<String> = (0..60).step_by(4).map(SimAudience::address).collect();
            let rows = opted_out.iter().map(|address| (address.clone(), "asked".to_owned())).collect();
            run.cluster.hands.store.suppress("default", Channel::Http, rows).await.unwrap();
            let at = run.cluster.world.now();
            run.start("node-1");
            let cluster = run.completes().await;
            every_row_once(&cluster);
            // What the dead process had on the wire may still arrive.
            for call in cluster.calls().iter().filter(|call| call.at > at + ms(50)) {
                assert!(!opted_out.contains(call.address.as_ref().unwrap()), "{call:?} after its opt-out");
            }
        }
    });
    assert!(died_expanding.get() > 5, "only {} crashes came during the expansion", died_expanding.get());
}

#[test]
fn hazard_02_an_expander_that_wakes_up_after_another_took_over_commits_nothing() {
    let overtaken = Cell::new(0);
    for_each("frozen after ms", (60..900).step_by(35), |after| {
        let overtaken = &overtaken;
        async move {
            let mut run = Run::started(after, &scenario()).await;
            let first = run.nodes[0].process;
            tokio::time::sleep(ms(after)).await;
            let sealed = run.cluster.is_sealed();
            // Short freezes: it wakes up in the middle of the other one's work.
            run.freeze(first, ms(100 + 3 * after));
            run.start("node-2");
            let cluster = run.completes().await;
            if !sealed && epoch(&cluster) > 1 {
                overtaken.set(overtaken.get() + 1);
            }
            every_row_once(&cluster);
        }
    });
    assert!(overtaken.get() > 5, "only {} expansions were taken over", overtaken.get());
}

#[test]
fn hazard_28_a_slow_source_starts_at_once_and_makes_few_chunks() {
    for_each("seed", 0..2, |seed| async move {
        let mut run = Run::new(seed, &Scenario { pages: 1, ..scenario() }).await;
        run.cluster.audience.batch = 1;
        run.cluster.audience.pause = ms(400);
        run.cluster.options.expander.chunk_rows_max = 1_000;
        run.start_all();
        let cluster = run.completes().await;
        every_row_once(&cluster);
        let chunks = cluster.store.snapshot().chunks.len();
        assert!(chunks < 15, "60 rows, one each 400 ms, made {chunks} chunks");
        let first = cluster.calls()[0].at;
        assert!(first < Duration::from_secs(5), "the first message left after {first:?}");
    });
}
