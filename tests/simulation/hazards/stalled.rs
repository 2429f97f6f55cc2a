//! D8: descriptors that are lost, which nothing in Sluice does by itself.

use super::run::{Run, for_each};
use crate::cluster::{Cluster, PARTITIONS, Scenario};
use sluice_core::CampaignState;
use sluice_runtime::ports::log::{Delivery, Partition, Position, Topic};
use sluice_simulation::truth::recipients_reached;
use sluice_simulation::{Faults, ProviderFaults};
use std::time::Duration;

/// Commits the sender's group past every record of `chunks`.
async fn lose_descriptors(cluster: &Cluster) {
    let log = &cluster.hands.log;
    let mut membership = log.join("sender", Topic::Chunks).await.unwrap();
    let mut assigned = 0;
    while assigned < PARTITIONS {
        if let Delivery::Assigned { partition, .. } = membership.deliveries.next().await.unwrap() {
            assigned += 1;
            let Position(end) = log.bounds(Topic::Chunks, partition).await.unwrap().end;
            membership.committer.commit(partition, Position(end)).await.unwrap();
        }
    }
    drop(membership);
    assert!((0..PARTITIONS).any(|number| {
        cluster.log.inspect_committed("sender", Topic::Chunks, Partition(number)).is_some_and(|at| at.0 > 0)
    }));
}

#[test]
fn d8_lost_descriptors_and_retries_are_asked_for_again_and_nobody_is_called_twice() {
    for_each("seed", 0..8, |seed| async move {
        let provider = ProviderFaults { transient_ppm: 300_000, ..ProviderFaults::none() };
        let provider = if seed % 2 == 0 { ProviderFaults::none() } else { provider };
        let scenario = Scenario {
            faults: Faults::latency(),
            provider,
            page_rate: Some("3/s"),
            rows: 90,
            ..Scenario::default()
        };
        let mut run = Run::started(seed, &scenario).await;
        run.until("the seal and some calls", |cluster| cluster.is_sealed() && cluster.calls().len() > 12)
            .await;
        run.stop_all().await;
        lose_descriptors(&run.cluster).await;
        let calls = run.cluster.calls().len();
        run.start_all();
        tokio::time::sleep(Duration::from_secs(60)).await;
        if seed % 2 == 0 {
            // A failure that is merged only now still makes its retry.
            assert_eq!(run.cluster.calls().len(), calls, "nobody knows of those who are left");
        }
        run.reaches(CampaignState::Completed).await;
        let cluster = run.ends().await;
        cluster.assert_no_attempt_twice();
        if seed % 2 == 0 {
            let reached = recipients_reached(&cluster.provider.truth()).len() as u64;
            assert_eq!(reached, cluster.audience.sendable());
        }
    });
}
