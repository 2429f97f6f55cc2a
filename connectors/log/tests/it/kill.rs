//! A process that is killed under load. The test binary starts itself again as that process.

use crate::open;
use bytes::Bytes;
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Position, ReadLimit, Topic};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const DIR: &str = "SLUICE_TEST_KILL_DIR";

/// Not a test of its own: appends until it is killed, and prints what was acknowledged.
#[tokio::test]
async fn child_that_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let log = open(Path::new(&dir));
    for round in 0u64.. {
        let batch = |size: u64| -> Vec<NewRecord> {
            (0..size)
                .map(|number| NewRecord { key: Bytes::from("k"), value: format!("{round}-{number}").into() })
                .collect()
        };
        let tickets = [
            (Topic::Sends, log.append(Topic::Sends, Partition((round % 4) as u32), batch(100))),
            (Topic::Receipts, log.append(Topic::Receipts, Partition((round % 4) as u32), batch(3))),
        ];
        for (topic, ticket) in tickets {
            let range = ticket.await.unwrap();
            let name = if topic == Topic::Sends { "sends" } else { "receipts" };
            writeln!(std::io::stdout(), "acknowledged {name} {} {} {round}", round % 4, range.start).unwrap();
        }
    }
}

#[tokio::test]
async fn g2_what_was_acknowledged_survives_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    for rounds in [300, 500, 200] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child_that_appends_until_it_is_killed", "--exact", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut acknowledged: Vec<String> =
            lines.by_ref().filter(|line| line.starts_with("acknowledged ")).take(rounds).collect();
        assert_eq!(acknowledged.len(), rounds, "the child ended");
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged.extend(lines.filter(|line| line.starts_with("acknowledged ")));

        let log = open(dir.path());
        for line in acknowledged {
            let words: Vec<&str> = line.split(' ').collect();
            let (topic, size) = if words[1] == "sends" { (Topic::Sends, 100) } else { (Topic::Receipts, 3) };
            let (partition, first) =
                (Partition(words[2].parse().unwrap()), Position(words[3].parse().unwrap()));
            let limit = ReadLimit { records_max: size, bytes_max: 1 << 20 };
            let read = log.read(topic, partition, first, limit).await.unwrap();
            assert_eq!(read.len(), size, "{line}");
            for (number, record) in read.iter().enumerate() {
                assert_eq!(record.value, format!("{}-{number}", words[4]), "{line}");
            }
        }
    }
}
