//! Records: limits, the framing's edge, brokers that are away.

use crate::kafka::Own;
use async_trait::async_trait;
use bytes::Bytes;
use sluice_engines::{Kafka, KafkaOptions as BrokerOptions};
use sluice_log::kafka::{Framing, Incoming, topics};
use sluice_runtime::ports::log::{
    Delivery, Log, LogError, NewRecord, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const ZERO: Partition = Partition(0);
const ONE: Partition = Partition(1);
const START: Position = Position(0);
const ALL: ReadLimit = ReadLimit { records_max: 100_000, bytes_max: 100 << 20 };

fn records(name: &str, count: usize) -> Vec<NewRecord> {
    (0..count)
        .map(|number| NewRecord { key: Bytes::from("key"), value: format!("{name}-{number}").into() })
        .collect()
}

fn values(records: &[StoredRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.value).into_owned()).collect()
}

#[tokio::test]
async fn a_record_that_is_too_large_fails_its_own_batch_alone() {
    let mut own = Own::named();
    own.options.record_bytes_max = 1 << 20;
    topics::create(&own.options).await.unwrap();
    let log = own.log().await;
    let large = |size: usize| NewRecord { key: Bytes::new(), value: vec![b'x'; size].into() };
    let before = log.append(Topic::Chunks, ZERO, records("a", 3));
    let mixed = log.append(Topic::Chunks, ZERO, vec![large(10), large((1 << 20) + 1), large(10)]);
    let largest = log.append(Topic::Chunks, ZERO, vec![large(1 << 20)]);
    let after = log.append(Topic::Chunks, ZERO, records("b", 2));
    assert_eq!(before.await, Ok(0..3));
    let Err(LogError::Storage(text)) = mixed.await else { panic!() };
    assert!(text.contains("record_bytes_max"), "{text}");
    assert_eq!((largest.await, after.await), (Ok(3..4), Ok(4..6)), "nothing of the refused batch was stored");
    own.tidy_up().await;
}

#[tokio::test]
async fn b5_a_record_tells_when_it_was_appended() {
    let own = Own::named();
    topics::create(&own.options).await.unwrap();
    let log = own.log().await;
    let before_ms = SystemClock.wall_ms();
    log.append(Topic::Launches, ZERO, records("a", 1)).await.unwrap();
    let after_ms = SystemClock.wall_ms();
    let read = log.read(Topic::Launches, ZERO, START, ALL).await.unwrap();
    let appended_ms = read[0].appended_ms;
    assert!(appended_ms.is_some_and(|at_ms| (before_ms..=after_ms).contains(&at_ms)), "{appended_ms:?}");
    own.tidy_up().await;
}

/// Values go out with a mark. `late` ones are known when the registry is.
struct Marks {
    is_known: watch::Receiver<bool>,
}

#[async_trait]
impl Framing for Marks {
    fn outgoing(&self, _: Topic, value: &[u8], out: &mut Vec<u8>) -> bool {
        if value.starts_with(b"plain") {
            return false;
        }
        out.push(b'!');
        out.extend_from_slice(value);
        true
    }

    fn incoming(&self, _: Topic, value: Bytes) -> Incoming {
        if value.starts_with(b"!late") && !*self.is_known.borrow() {
            return Incoming::Unknown;
        }
        Incoming::Ready(value.strip_prefix(b"!").map(Bytes::copy_from_slice).unwrap_or(value))
    }

    async fn resolve(&self, topic: Topic, value: Bytes) -> Bytes {
        self.is_known.clone().wait_for(|is_known| *is_known).await.unwrap();
        match self.incoming(topic, value.clone()) {
            Incoming::Ready(ready) => ready,
            Incoming::Unknown => value,
        }
    }
}

#[tokio::test]
async fn g6_a_schema_that_is_not_known_yet_holds_up_its_own_partition_alone() {
    let own = Own::created().await;
    let (known, is_known) = watch::channel(false);
    let log = own.log().await.with_framing(Arc::new(Marks { is_known }));
    for name in ["a", "late", "b", "plain"] {
        log.append(Topic::Chunks, ZERO, records(name, 2)).await.unwrap();
    }
    let raw = own.log().await.read(Topic::Chunks, ZERO, START, ALL).await.unwrap();
    let expected = ["!a-0", "!a-1", "!late-0", "!late-1", "!b-0", "!b-1", "plain-0", "plain-1"];
    assert_eq!(values(&raw), expected);

    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    let mut heard = (Vec::new(), Vec::new());
    log.append(Topic::Chunks, ONE, records("other", 1)).await.unwrap();
    while heard.1.is_empty() || heard.0.len() < 2 {
        if let Delivery::Records { partition, records } = member.deliveries.next().await.unwrap() {
            if partition == ZERO { &mut heard.0 } else { &mut heard.1 }.extend(values(&records));
        }
    }
    assert_eq!(heard.0, ["a-0", "a-1"], "what is known goes on, what is behind it waits");
    let read = log.read(Topic::Chunks, ZERO, START, ALL);
    let resolve = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        known.send(true).unwrap();
    };
    let (read, ()) = tokio::join!(read, resolve);
    let inside = ["a-0", "a-1", "late-0", "late-1", "b-0", "b-1", "plain-0", "plain-1"];
    assert_eq!(values(&read.unwrap()), inside);
    while heard.0.len() < inside.len() {
        if let Delivery::Records { records, .. } = member.deliveries.next().await.unwrap() {
            heard.0.extend(values(&records));
        }
    }
    assert_eq!(heard.0, inside);
    drop(member);
    own.tidy_up().await;
}

#[tokio::test]
async fn hazard_26_what_retention_removed_under_a_reading_member_is_an_error_for_it() {
    let own = Own::created().await;
    let log = own.log().await;
    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    let mut assigned = 0;
    while assigned < 4 {
        if let Delivery::Assigned { .. } = member.deliveries.next().await.unwrap() {
            assigned += 1;
        }
    }
    member.committer.pause(ZERO);
    for _ in 0..4 {
        // More than is fetched ahead.
        log.append(Topic::Chunks, ZERO, records("a", 5_000)).await.unwrap();
    }
    let end = log.bounds(Topic::Chunks, ZERO).await.unwrap().end;
    tokio::time::sleep(Duration::from_millis(500)).await;
    log.trim(Topic::Chunks, ZERO, end).await.unwrap();
    member.committer.resume(ZERO);
    let mut next = 0;
    let refused = loop {
        match tokio::time::timeout(Duration::from_secs(20), member.deliveries.next()).await.unwrap() {
            Ok(Delivery::Records { records, .. }) => {
                for record in records {
                    assert_eq!(record.offset.0, next, "skipped");
                    next += 1;
                }
            }
            Ok(other) => panic!("unexpected {other:?}"),
            Err(error) => break error,
        }
    };
    let LogError::BelowStart { asked, start, .. } = refused else { panic!("{refused}") };
    assert_eq!((asked, start), (Position(next), end));
    drop(member);
    own.tidy_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g2_while_the_broker_is_away_everything_waits_and_goes_on_by_itself() {
    let start = || Kafka::start(BrokerOptions::default());
    let mut kafka = tokio::task::block_in_place(start).unwrap();
    let own = Own::on(&kafka.bootstrap());
    topics::create(&own.options).await.unwrap();
    let log = Arc::new(own.log().await);
    let mut member = log.join("group", Topic::Chunks).await.unwrap();
    log.append(Topic::Chunks, ZERO, records("before", 10)).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 10 {
        if let Delivery::Records { records, .. } = member.deliveries.next().await.unwrap() {
            heard.extend(values(&records));
        }
    }
    assert_eq!(log.trouble(), None);

    tokio::task::block_in_place(|| kafka.kill(0)).unwrap();
    let appended = log.append(Topic::Chunks, ZERO, records("during", 10));
    let reading = tokio::spawn({
        let log = log.clone();
        async move { log.read(Topic::Chunks, ZERO, START, ALL).await }
    });
    let committing = tokio::spawn({
        let committer = member.committer.clone();
        async move { committer.commit(ZERO, Position(5)).await }
    });
    let trouble = async {
        loop {
            if let Some(trouble) = log.trouble() {
                return trouble;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let trouble = tokio::time::timeout(Duration::from_secs(20), trouble).await.unwrap();
    assert!(trouble.starts_with("no broker answers at 127.0.0.1:"), "{trouble}");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(!reading.is_finished() && !committing.is_finished(), "they wait");

    tokio::task::block_in_place(|| kafka.restart(0)).unwrap();
    let patience = Duration::from_secs(60);
    assert_eq!(tokio::time::timeout(patience, appended).await.unwrap(), Ok(10..20));
    let read = tokio::time::timeout(patience, reading).await.unwrap().unwrap().unwrap();
    assert!(read.len() >= 10, "{}", read.len());
    let committed = tokio::time::timeout(patience, committing).await.unwrap().unwrap();
    // A group that had to be found again may have a new member in the place of the old one.
    assert!(matches!(committed, Ok(()) | Err(LogError::Fenced { .. })), "{committed:?}");
    let hearing = async {
        while !heard.contains(&"during-9".to_owned()) {
            if let Delivery::Records { records, .. } = member.deliveries.next().await.unwrap() {
                heard.extend(values(&records));
            }
        }
    };
    tokio::time::timeout(patience, hearing).await.unwrap();
    let healed = async {
        while log.trouble().is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(patience, healed).await.unwrap();
}
