//! Who works on a campaign when there are several processes (C8), and what becomes of its work when they change.

use super::run::{Run, for_each, ms};
use crate::cluster::{Cluster, PARTITIONS, Scenario};
use sluice_runtime::ports::log::Partition;
use sluice_simulation::{Faults, ProcessId};
use std::time::Duration;

/// Slow enough that processes come and go while it is expanded: 4 s.
async fn slow_expansion(seed: u64, home: u32) -> Run {
    let scenario = Scenario {
        faults: Faults { latency_ms_max: 5, ..Faults::none() },
        rows: 480,
        chunk_rows: 16,
        nodes: 0,
        ..Scenario::default()
    };
    let mut cluster = Cluster::new(seed, &scenario);
    cluster.audience.pause = ms(200);
    // Campaigns differ by their name alone.
    let names = (0..).map(|number| format!("campaign-{number}"));
    for name in names {
        cluster.launch.campaign = name;
        if cluster.home() == Partition(home) {
            break;
        }
    }
    Run { cluster, scenario, nodes: Vec::new() }
}

fn epoch(run: &Run) -> u32 {
    run.cluster.store.snapshot().campaigns.get(&run.cluster.id()).map_or(0, |row| row.exp_epoch)
}

fn chunks(cluster: &Cluster) -> usize {
    cluster.store.snapshot().chunks.len()
}

/// Starts a process and lets the groups settle.
async fn join(run: &mut Run, name: &str) -> ProcessId {
    let process = run.start(name);
    tokio::time::sleep(ms(500)).await;
    process
}

#[test]
fn c8_when_an_expander_dies_another_one_resumes_its_campaigns() {
    for_each("home", 0..2, |home| async move {
        let mut run = slow_expansion(home, home as u32).await;
        let members = [join(&mut run, "node-1").await, join(&mut run, "node-2").await];
        run.cluster.launch().await;
        run.until("some chunks", |cluster| chunks(cluster) > 4).await;
        assert_eq!(epoch(&run), 1);
        run.kill(members[home as usize]);
        let committed = chunks(&run.cluster);
        run.until("more chunks", |cluster| chunks(cluster) > committed + 2).await;
        assert_eq!(epoch(&run), 2);
        assert!(!run.cluster.is_sealed());
        run.completes().await.assert_no_attempt_twice();
    });
}

#[test]
fn c8_a_third_start_does_not_disturb_the_expansion_of_a_healthy_peer() {
    for_each("home", 0..2, |home| async move {
        let mut run = slow_expansion(home, home as u32).await;
        join(&mut run, "node-1").await;
        join(&mut run, "node-2").await;
        run.cluster.launch().await;
        run.until("some chunks", |cluster| chunks(cluster) > 4).await;
        join(&mut run, "node-3").await;
        assert!(!run.cluster.is_sealed());
        run.until("the seal", Cluster::is_sealed).await;
        assert_eq!(epoch(&run), 1, "one lease from the first row to the last");
        run.completes().await.assert_no_attempt_twice();
    });
}

#[test]
fn c8_an_expansion_moves_with_its_partition_and_nothing_that_was_written_is_written_again() {
    for_each("seed", 0..4, |seed| async move {
        // Of three members the third gets what the first of two had.
        let mut run = slow_expansion(seed, 2).await;
        join(&mut run, "node-1").await;
        join(&mut run, "node-2").await;
        run.cluster.launch().await;
        run.until("some chunks", |cluster| chunks(cluster) > 4).await;
        tokio::time::sleep(ms(37 * seed)).await;
        join(&mut run, "node-3").await;
        assert!(!run.cluster.is_sealed());
        assert_eq!(epoch(&run), 2);
        let cluster = run.completes().await;
        let written = cluster.store.snapshot().recipients.len();
        assert_eq!(
            written,
            chunks(&cluster),
            "a clean stop leaves no chunk that was written and not committed"
        );
    });
}

#[test]
fn c8_a_launch_in_any_partition_is_expanded_by_the_owner_of_its_campaign() {
    for_each("partition", 0..u64::from(PARTITIONS), |partition| async move {
        let mut run = slow_expansion(partition, 1).await;
        join(&mut run, "node-1").await;
        join(&mut run, "node-2").await;
        run.cluster.launch_at(Partition(partition as u32)).await;
        let launched = run.cluster.world.now();
        run.until("a chunk", |cluster| chunks(cluster) > 0).await;
        // The owner of partition 1 has 3 as well; for the other two it looks every two seconds.
        let limit = if partition % 2 == 1 { ms(500) } else { ms(2_500) };
        let took = run.cluster.world.now() - launched;
        assert!(took < limit, "{took:?}");
        run.until("the seal", Cluster::is_sealed).await;
        assert_eq!(epoch(&run), 1);
        run.completes().await;
    });
}

#[test]
fn hazard_06_an_expander_that_slept_does_not_take_its_campaigns_back() {
    for_each("frozen after ms", (0..2_000).step_by(250), |after| async move {
        let mut run = slow_expansion(after, 0).await;
        let members = [join(&mut run, "node-1").await, join(&mut run, "node-2").await];
        run.cluster.launch().await;
        run.until("some chunks", |cluster| chunks(cluster) > 2).await;
        tokio::time::sleep(ms(after)).await;
        if run.cluster.is_sealed() {
            return;
        }
        // Longer than its session and the rest of the expansion: later it may have its partition back by right.
        run.freeze(members[0], Duration::from_secs(20));
        run.until("the seal", Cluster::is_sealed).await;
        assert_eq!(epoch(&run), 2);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(epoch(&run), 2, "taken by the one who has the partition, and not back");
        run.completes().await.assert_no_attempt_twice();
    });
}
