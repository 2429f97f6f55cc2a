//! Closing and opening again.

use crate::open;
use bytes::Bytes;
use sluice_engine::{Engine, EngineOptions};
use sluice_log::embedded::OpenError;
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::ports::log::{Delivery, Log, LogError, NewRecord, Partition, Position, ReadLimit, Topic};
use std::sync::Arc;

const ALL: ReadLimit = ReadLimit { records_max: 100_000, bytes_max: 100 << 20 };
const ZERO: Partition = Partition(0);

fn batch(count: usize) -> Vec<NewRecord> {
    (0..count)
        .map(|number| NewRecord { key: Bytes::from("key"), value: format!("value {number}").into() })
        .collect()
}

#[tokio::test]
async fn everything_is_there_after_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    let before = {
        let log = open(dir.path());
        log.append(Topic::Sends, Partition(3), batch(1_300)).await.unwrap();
        log.append(Topic::Chunks, ZERO, batch(10)).await.unwrap();
        let member = log.join("group", Topic::Chunks).await.unwrap();
        let refused = member.committer.commit(Partition(9), Position(1)).await;
        assert!(matches!(refused, Err(LogError::Fenced { .. })));
        member.committer.commit(ZERO, Position(4)).await.unwrap();
        log.trim(Topic::Sends, Partition(3), Position(600)).await.unwrap();
        log.trim(Topic::Chunks, Partition(0), Position(2)).await.unwrap();
        log.read(Topic::Sends, Partition(3), Position(600), ALL).await.unwrap()
    };
    let log = open(dir.path());
    assert_eq!(log.read(Topic::Sends, Partition(3), Position(600), ALL).await.unwrap(), before);
    assert_eq!(before.len(), 700);
    let bounds = log.bounds(Topic::Sends, Partition(3)).await.unwrap();
    assert_eq!((bounds.start, bounds.end, bounds.generation), (Position(600), Position(1_300), 1));
    assert_eq!(log.append(Topic::Sends, Partition(3), batch(2)).await, Ok(1_300..1_302), "offsets go on");
    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    let first = member.deliveries.next().await.unwrap();
    assert!(matches!(first, Delivery::Assigned { partition: ZERO, position: Position(4), .. }), "{first:?}");
}

#[tokio::test]
async fn offsets_of_a_trimmed_partition_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    {
        let log = open(dir.path());
        log.append(Topic::Chunks, ZERO, batch(700)).await.unwrap();
        log.trim(Topic::Chunks, ZERO, Position(700)).await.unwrap();
    }
    let log = open(dir.path());
    assert_eq!(log.append(Topic::Chunks, ZERO, batch(1)).await, Ok(700..701));
    assert_eq!(log.append(Topic::Chunks, ZERO, Vec::new()).await, Ok(701..701));
}

#[tokio::test]
async fn partitions_grow_and_never_shrink() {
    let dir = tempfile::tempdir().unwrap();
    let with = |count: u32| {
        let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
        let mut options = EmbeddedLogOptions::default();
        options.partitions.insert(Topic::Receipts, count);
        EmbeddedLog::open(engine, options)
    };
    with(4).unwrap().append(Topic::Receipts, Partition(3), batch(3)).await.unwrap();
    let grown = with(6).unwrap();
    assert_eq!(grown.partitions(Topic::Receipts), 6);
    assert_eq!(grown.append(Topic::Receipts, Partition(3), batch(1)).await, Ok(3..4));
    assert_eq!(grown.append(Topic::Receipts, Partition(5), batch(1)).await, Ok(0..1));
    drop(grown);
    let error = with(4).unwrap_err();
    assert_eq!(error, OpenError::Shrunk { topic: Topic::Receipts, present: 6, wanted: 4 });
    assert!(error.to_string().contains("set 6 or more"), "{error}");
}

#[tokio::test]
async fn a_damaged_block_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
    let log = EmbeddedLog::open(engine.clone(), EmbeddedLogOptions::default()).unwrap();
    log.append(Topic::Chunks, ZERO, batch(10)).await.unwrap();
    let blocks = engine.keyspace("log.blocks", sluice_engine::Shape::Blocks).unwrap();
    let key = engine.snapshot().prefix(&blocks, b"").next().unwrap().unwrap().0;
    engine.write_blocking(move |tx| tx.insert(&blocks, key, "damaged")).unwrap();
    let error = log.read(Topic::Chunks, ZERO, Position(0), ALL).await.unwrap_err();
    assert!(error.to_string().contains("damaged block chunks/0/0"), "{error}");
}
