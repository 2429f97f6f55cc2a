//! A broker of three that dies: what it led is found elsewhere.

use crate::kafka::Own;
use sluice_engines::{Kafka, KafkaOptions as BrokerOptions};
use sluice_log::kafka::topics;
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Position, ReadLimit, Topic};
use std::time::Duration;

/// Brokers miss one of them after 4 s. What a client remembers about leaders is good for minutes.
const WITHIN: Duration = Duration::from_secs(30);

const ONE: ReadLimit = ReadLimit { records_max: 1, bytes_max: 1 << 20 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_places_that_a_dead_broker_led_are_read_from_the_new_leader_within_seconds() {
    let starting = tokio::task::spawn_blocking(|| {
        Kafka::start(BrokerOptions { brokers: 3, ..BrokerOptions::default() })
    });
    let mut kafka = starting.await.unwrap().unwrap();
    let mut own = Own::on(&kafka.bootstrap());
    (own.options.replication, own.options.min_insync, own.options.partitions_sends) = (3, 2, 6);
    // The reads after the kill have clients of their own, which learn the old leaders before the new ones are elected
    // and have no reason to ask again.
    own.options.readers_max = 12;
    topics::create(&own.options).await.unwrap();
    let log = own.log().await;
    let partitions = (0..6).map(Partition);
    for partition in partitions.clone() {
        let record =
            |number| NewRecord { key: "key".into(), value: format!("{partition:?} {number}").into() };
        log.append(Topic::Sends, partition, (0..20).map(record).collect()).await.unwrap();
        log.read(Topic::Sends, partition, Position(0), ONE).await.unwrap();
    }

    kafka.kill(1).unwrap();
    let reads = partitions.map(|partition| {
        let log = log.clone();
        tokio::spawn(async move {
            let reading = log.read(Topic::Sends, partition, Position(10), ONE);
            let records = tokio::time::timeout(WITHIN, reading).await.expect("the new leader").unwrap();
            assert_eq!(records[0].value, format!("{partition:?} 10").as_bytes());
        })
    });
    for read in reads.collect::<Vec<_>>() {
        read.await.unwrap();
    }
}
