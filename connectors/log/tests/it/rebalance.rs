//! Members that do not finish.

use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::ports::log::{Delivery, Log, LogError, Partition, Position, Topic};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;

#[tokio::test]
async fn hazard_34_who_holds_back_too_long_loses_its_partitions() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
    let timeout = Duration::from_millis(200);
    let options = EmbeddedLogOptions { rebalance_timeout: timeout, ..EmbeddedLogOptions::default() };
    let log = EmbeddedLog::open(engine, options).unwrap();
    let mut slow = log.join("group", Topic::Chunks).await.unwrap();
    for _ in 0..4 {
        assert!(matches!(slow.deliveries.next().await, Ok(Delivery::Assigned { .. })));
    }
    let before = SystemClock.monotonic();
    let mut quick = log.join("group", Topic::Chunks).await.unwrap();
    let Ok(Delivery::Revoking { partitions, done }) = slow.deliveries.next().await else { panic!() };
    assert!(done.deadline < before + timeout + Duration::from_millis(100), "below the timeout");
    slow.committer.commit(partitions[0], Position(3)).await.unwrap();

    // The guard stays alive: the time decides.
    for _ in &partitions {
        let Ok(Delivery::Assigned { partition, position, .. }) = quick.deliveries.next().await else {
            panic!()
        };
        assert!(partitions.contains(&partition));
        assert_eq!(position.0, if partition == partitions[0] { 3 } else { 0 });
    }
    assert!(SystemClock.monotonic() - before >= timeout);
    let refused = slow.committer.commit(partitions[0], Position(9)).await;
    assert_eq!(refused, Err(LogError::Fenced { topic: Topic::Chunks, partition: partitions[0] }));
    let Ok(Delivery::Lost { partitions: lost }) = slow.deliveries.next().await else { panic!() };
    assert_eq!(lost, partitions);
    drop(done);
    assert_eq!(log.committed("group", Topic::Chunks, partitions[0]).await, Ok(Some(Position(3))));
}

#[tokio::test]
async fn three_members_share_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let log = crate::open(dir.path());
    let mut tasks = Vec::new();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<(usize, Partition, bool)>();
    for number in 0..3 {
        let mut member = log.join("group", Topic::Chunks).await.unwrap();
        let tell = tell.clone();
        tasks.push(tokio::spawn(async move {
            while let Ok(delivery) = member.deliveries.next().await {
                match delivery {
                    Delivery::Assigned { partition, .. } => tell.send((number, partition, true)).unwrap(),
                    Delivery::Revoking { partitions, .. } => {
                        for partition in partitions {
                            tell.send((number, partition, false)).unwrap();
                        }
                    }
                    _ => {}
                }
            }
        }));
    }
    let mut owners: Vec<(usize, Partition)> = Vec::new();
    let balanced = |owners: &[(usize, Partition)]| {
        owners.len() == 4 && (0..3).all(|number| owners.iter().any(|(owner, _)| *owner == number))
    };
    while !balanced(&owners) {
        let change = tokio::time::timeout(Duration::from_secs(10), told.recv()).await.unwrap().unwrap();
        match change {
            (member, partition, true) => owners.push((member, partition)),
            (member, partition, false) => owners.retain(|owner| *owner != (member, partition)),
        }
        let mut seen: Vec<Partition> = owners.iter().map(|(_, partition)| *partition).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), owners.len(), "two have the same partition: {owners:?}");
    }
    tasks.into_iter().for_each(|task| task.abort());
}
