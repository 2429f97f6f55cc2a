//! A process that is killed under load. The test binary starts itself again as that process.

use crate::{block_on, open};
use sluice_engine::{Engine, EngineError, EngineOptions, Keyspace, Priority, Shape};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const DIR: &str = "SLUICE_TEST_KILL_DIR";

/// Not a test of its own: the process that gets killed. Prints each number once it was acknowledged.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let engine = open(Path::new(&dir));
    let rows = engine.keyspace("rows", Shape::Rows).unwrap();
    let blocks = engine.keyspace("blocks", Shape::Blocks).unwrap();
    let first = highest(&engine, &rows).map_or(0, |number| number + 1);
    let mut out = std::io::stdout().lock();
    block_on(async {
        for start in (first..).step_by(64) {
            let tickets: Vec<_> =
                (start..start + 64).map(|number| put(&engine, &rows, &blocks, number)).collect();
            for (number, ticket) in (start..).zip(tickets) {
                ticket.await.unwrap();
                writeln!(out, "acknowledged {number}").unwrap();
            }
        }
    });
}

/// Two tables in one write: both or none.
fn put(engine: &Engine, rows: &Keyspace, blocks: &Keyspace, number: u64) -> sluice_engine::Ticket<()> {
    let (rows, blocks) = (rows.clone(), blocks.clone());
    let priority = if number.is_multiple_of(2) { Priority::High } else { Priority::Low { bytes: 4 << 10 } };
    engine.write(priority, move |tx| {
        tx.insert(&rows, number.to_be_bytes(), number.to_le_bytes());
        tx.insert(&blocks, number.to_be_bytes(), vec![number as u8; 4 << 10]);
    })
}

fn highest(engine: &Engine, rows: &Keyspace) -> Option<u64> {
    let (key, _) = engine.snapshot().prefix(rows, b"").next_back()?.unwrap();
    Some(u64::from_be_bytes((&*key).try_into().unwrap()))
}

fn start(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["kill::child_that_writes_until_it_is_killed", "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn what_was_acknowledged_survives_sigkill_and_the_lock_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let mut child = start(dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 700 + round * 911;
        let mut heard = 0;
        while heard < enough {
            let line = lines.next().expect("the child ended").unwrap();
            if let Some(number) = line.strip_prefix("acknowledged ") {
                acknowledged.push(number.parse::<u64>().unwrap());
                heard += 1;
            }
        }
        if round == 0 {
            let error = Engine::open(dir.path(), EngineOptions::default()).unwrap_err();
            let holder = format!("process {}", child.id());
            assert_eq!(error, EngineError::InUse { dir: dir.path().to_owned(), holder });
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it printed before the kill was acknowledged, too.
        let rest = lines.map_while(Result::ok);
        acknowledged.extend(rest.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok()));

        let engine = open(dir.path());
        let rows = engine.keyspace("rows", Shape::Rows).unwrap();
        let blocks = engine.keyspace("blocks", Shape::Blocks).unwrap();
        for number in &acknowledged {
            let row = rows.get(&number.to_be_bytes()).unwrap();
            assert_eq!(row.as_deref(), Some(number.to_le_bytes().as_slice()), "{number} is lost");
        }
        let in_both = engine.snapshot().prefix(&rows, b"").map(|row| row.unwrap().0);
        for key in in_both {
            let block = blocks.get(&key).unwrap();
            assert_eq!(block.map(|block| block.len()), Some(4 << 10), "a batch is there whole or not at all");
        }
    }
}
