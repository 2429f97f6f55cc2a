//! Writing, reading, closing.

use crate::{block_on, open};
use sluice_engine::{EngineError, Priority, Shape};
use std::ops::Bound;

#[test]
fn a_write_sees_the_earlier_ones_of_its_batch() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let rows = engine.keyspace("rows", Shape::Rows).unwrap();
    let count = |rows: sluice_engine::Keyspace| {
        engine.write(Priority::High, move |tx| {
            let now = tx.get(&rows, b"count").unwrap().map_or(0, |value| value[0]);
            tx.insert(&rows, b"count", [now + 1]);
            now + 1
        })
    };
    let tickets: Vec<_> = (0..100).map(|_| count(rows.clone())).collect();
    block_on(async {
        for (before, ticket) in tickets.into_iter().enumerate() {
            assert_eq!(ticket.await, Ok(before as u8 + 1));
        }
    });
    assert_eq!(rows.get(b"count").unwrap().as_deref(), Some([100].as_slice()));
    assert!(engine.statistics().commits < 100, "many writes share a commit");
}

#[test]
fn a_scan_inside_a_write_merges_what_is_durable_with_what_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let rows = engine.keyspace("rows", Shape::Rows).unwrap();
    let table = rows.clone();
    engine
        .write_blocking(move |tx| {
            for key in ["a1", "a3", "a5", "b1"] {
                tx.insert(&table, key, "old");
            }
        })
        .unwrap();
    let found = engine
        .write_blocking(move |tx| {
            tx.insert(&rows, "a2", "new");
            tx.insert(&rows, "a3", "new");
            tx.insert(&rows, "a9", "new");
            tx.remove(&rows, "a5");
            let names = |pairs: Vec<(sluice_engine::Value, sluice_engine::Value)>| {
                pairs
                    .iter()
                    .map(|(key, value)| {
                        format!("{}={}", String::from_utf8_lossy(key), String::from_utf8_lossy(value))
                    })
                    .collect::<Vec<_>>()
            };
            (
                names(tx.prefix(&rows, b"a", 10).unwrap()),
                names(tx.prefix(&rows, b"a", 2).unwrap()),
                names(tx.range(&rows, b"a3", Bound::Excluded(b"b1"), 10).unwrap()),
                names(tx.range(&rows, b"b2", Bound::Included(b"a0"), 10).unwrap()),
            )
        })
        .unwrap();
    assert_eq!(found.0, ["a1=old", "a2=new", "a3=new", "a9=new"]);
    assert_eq!(found.1, ["a1=old", "a2=new"]);
    assert_eq!(found.2, ["a3=new", "a9=new"]);
    assert_eq!(found.3, [""; 0]);
}

#[test]
fn a_low_priority_burst_does_not_hold_up_a_high_one() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let blocks = engine.keyspace("blocks", Shape::Blocks).unwrap();
    let burst: Vec<_> = (0..200u32)
        .map(|number| {
            let blocks = blocks.clone();
            engine.write(Priority::Low { bytes: 256 << 10 }, move |tx| {
                tx.insert(&blocks, number.to_be_bytes(), vec![7; 256 << 10]);
            })
        })
        .collect();
    let ticket = engine.write(Priority::High, move |tx| tx.insert(&blocks, "grant", "1"));
    block_on(async {
        ticket.await.unwrap();
        let before = engine.statistics().bytes;
        assert!(before < 20 << 20, "{before} bytes of the burst were written first");
        for ticket in burst {
            ticket.await.unwrap();
        }
    });
}

#[test]
fn reservations_bound_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    block_on(async {
        let held = engine.reserve(100 << 20).await;
        let more = tokio::time::timeout(std::time::Duration::from_millis(20), engine.reserve(1)).await;
        assert!(more.is_err(), "the room is taken");
        drop(held);
        engine.reserve(1).await;
    });
}

#[test]
fn closing_commits_what_waits_and_refuses_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    {
        let engine = open(dir.path());
        let rows = engine.keyspace("rows", Shape::Rows).unwrap();
        let tickets: Vec<_> = (0..1_000u32)
            .map(|number| {
                let rows = rows.clone();
                engine.write(Priority::Low { bytes: 10_000 }, move |tx| {
                    tx.insert(&rows, number.to_be_bytes(), number.to_be_bytes());
                })
            })
            .collect();
        engine.close();
        let late = engine.write(Priority::High, |_| ());
        block_on(async {
            for ticket in tickets {
                ticket.await.unwrap();
            }
            assert_eq!(late.await, Err(EngineError::Closed));
        });
    }
    let engine = open(dir.path());
    let rows = engine.keyspace("rows", Shape::Rows).unwrap();
    assert_eq!(engine.snapshot().prefix(&rows, b"").count(), 1_000);
    let bounds = (Bound::Included([0, 0, 3, 0].as_slice()), Bound::Included([0, 0, 3, 9].as_slice()));
    let last = engine.snapshot().range(&rows, bounds).next_back().unwrap().unwrap().0;
    assert_eq!(&*last, [0, 0, 3, 9]);
}

#[test]
fn g9_what_a_process_wrote_is_no_memory_of_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3u32 {
        let engine = open(dir.path());
        let before = engine.statistics().unflushed_bytes;
        assert!(before < 64 << 10, "{before} bytes in memory at start {round}");
        let (rows, blocks) = (
            engine.keyspace("rows", Shape::Rows).unwrap(),
            engine.keyspace("blocks", Shape::Blocks).unwrap(),
        );
        let few = engine.keyspace("few", Shape::Rows).unwrap();
        for number in 0..200u32 {
            let (rows, blocks, few) = (rows.clone(), blocks.clone(), few.clone());
            let write = engine.write_blocking(move |tx| {
                tx.insert(&rows, number.to_be_bytes(), vec![round as u8; 4 << 10]);
                tx.insert(&blocks, number.to_be_bytes(), vec![round as u8; 8 << 10]);
                tx.insert(&few, "number", number.to_be_bytes());
            });
            write.unwrap();
        }
        assert!(engine.statistics().unflushed_bytes > 2 << 20);
        engine.close();
        for number in 0..200u32 {
            let row = rows.get(&number.to_be_bytes()).unwrap().map(|row| row.to_vec());
            assert_eq!(row, Some(vec![round as u8; 4 << 10]));
        }
        drop((engine, rows, blocks, few));
    }
    let engine = open(dir.path());
    let blocks = engine.keyspace("blocks", Shape::Blocks).unwrap();
    let few = engine.keyspace("few", Shape::Rows).unwrap();
    assert_eq!(
        engine.snapshot().prefix(&blocks, b"").filter(|pair| pair.as_ref().unwrap().1[0] == 3).count(),
        200
    );
    assert_eq!(few.get(b"number").unwrap().as_deref(), Some(199u32.to_be_bytes().as_slice()));
}

#[test]
fn a_panic_in_a_write_leaves_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let broken = engine.write(Priority::High, |_| panic!("broken on purpose"));
    block_on(async {
        assert_eq!(broken.await, Err::<(), _>(EngineError::Closed));
        assert_eq!(engine.write(Priority::High, |_| ()).await, Err(EngineError::Closed));
    });
    assert_eq!(engine.failure(), Some(EngineError::Closed));
}
