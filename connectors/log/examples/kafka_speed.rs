//! Appends and reads through the log, beside a bare librdkafka producer and consumer with the same settings and the
//! same bytes: `cargo run --release -p sluice-log --example kafka_speed -- 127.0.0.1:9092 1000000`.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement: a failed call ends it")]

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use sluice_log::KafkaLog;
use sluice_log::kafka::{KafkaOptions, topics};
use sluice_runtime::ports::log::{Generations, Log, NewRecord, Partition, Position, ReadLimit, Topic};
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PARTITIONS: u32 = 4;
const BATCH: usize = 1_024;
const ROUNDS: usize = 3;

struct First;

#[async_trait]
impl Generations for First {
    async fn generation(&self, _: &str, _: &str) -> Result<u32, String> {
        Ok(1)
    }
}

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl ClientContext for Count {}

impl ProducerContext for Count {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn batch(number: usize) -> Vec<NewRecord> {
    let value = |index: usize| -> Bytes {
        // Like a send: a name, an address, some ids; not all alike.
        let name = (number * BATCH + index).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{name:020}:{:<118}", format!("recipient-{name:x} of a campaign, page 106540352242922"))
            .into()
    };
    (0..BATCH).map(|index| NewRecord { key: "page:106540352242922".into(), value: value(index) }).collect()
}

fn rate(count: usize, since: Duration) -> f64 {
    count as f64 / (SystemClock.monotonic() - since).as_secs_f64() / 1_000.0
}

fn bare_append(options: &KafkaOptions, topic: &str, batches: usize) -> f64 {
    let count = Count::default();
    let producer: ThreadedProducer<Count> = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", "2")
        .set("batch.size", "524288")
        .set("batch.num.messages", "20000")
        .set("queue.buffering.max.messages", "500000")
        .create_with_context(count.clone())
        .unwrap();
    let since = SystemClock.monotonic();
    for number in 0..batches {
        for record in batch(number) {
            let partition = (number % PARTITIONS as usize) as i32;
            let mut bare =
                BaseRecord::to(topic).partition(partition).key(&record.key[..]).payload(&record.value[..]);
            while let Err((error, back)) = producer.send(bare) {
                assert_eq!(error.rdkafka_error_code(), Some(Code::QueueFull));
                std::thread::sleep(Duration::from_millis(1));
                bare = back;
            }
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    assert_eq!(count.0.load(Ordering::Relaxed), batches * BATCH);
    rate(batches * BATCH, since)
}

async fn log_append(log: &KafkaLog, batches: usize) -> f64 {
    let since = SystemClock.monotonic();
    let mut tickets = std::collections::VecDeque::new();
    for number in 0..batches {
        tickets.push_back(log.append(Topic::Sends, Partition(number as u32 % PARTITIONS), batch(number)));
        if tickets.len() > 64 {
            tickets.pop_front().unwrap().await.unwrap();
        }
    }
    for ticket in tickets {
        ticket.await.unwrap();
    }
    rate(batches * BATCH, since)
}

fn bare_read(options: &KafkaOptions, topic: &str, count: usize) -> f64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", "kafka-speed")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS as i32 {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    let since = SystemClock.monotonic();
    consumer.assign(&list).unwrap();
    let (mut seen, mut bytes) = (0, 0);
    while seen < count {
        if let Some(message) = consumer.poll(Duration::from_secs(1)) {
            bytes += message.unwrap().payload().map_or(0, <[u8]>::len);
            seen += 1;
        }
    }
    assert!(bytes > count);
    rate(count, since)
}

/// `places` at the same time, each from its own place on, `step` records a read.
async fn log_read(log: &Arc<KafkaLog>, count: usize, step: usize) -> f64 {
    let since = SystemClock.monotonic();
    let tasks: Vec<_> = (0..PARTITIONS)
        .map(|partition| {
            let log = log.clone();
            tokio::spawn(async move {
                let limit = ReadLimit { records_max: step, bytes_max: 64 << 20 };
                let (mut from, mut seen) = (Position(0), 0);
                while seen < count / PARTITIONS as usize {
                    let records = log.read(Topic::Sends, Partition(partition), from, limit).await.unwrap();
                    seen += records.len();
                    from = records.last().unwrap().offset.next();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    rate(count, since)
}

/// Spans of 1,024 at places that do not follow each other.
async fn log_seek(log: &KafkaLog, count: usize) -> Duration {
    let limit = ReadLimit { records_max: 1_024, bytes_max: 64 << 20 };
    let (since, seeks) = (SystemClock.monotonic(), 50);
    for number in 0..seeks {
        let from = (number * 7_919 * 1_024) % (count / PARTITIONS as usize - 1_024);
        let partition = Partition(number as u32 % PARTITIONS);
        assert!(!log.read(Topic::Sends, partition, Position(from as u64), limit).await.unwrap().is_empty());
    }
    (SystemClock.monotonic() - since) / seeks as u32
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().unwrap_or_else(|| "127.0.0.1:9092".to_owned());
    let count: usize = arguments.next().map_or(1_000_000, |count| count.parse().unwrap());
    let batches = count / BATCH / PARTITIONS as usize * PARTITIONS as usize;
    let count = batches * BATCH;
    for round in 0..ROUNDS {
        let prefix = format!("speed{}.", SystemClock.wall_ms());
        let options = KafkaOptions {
            brokers: brokers.clone(),
            group_prefix: prefix.clone(),
            prefix,
            replication: 1,
            min_insync: 1,
            partitions_sends: PARTITIONS,
            partitions_receipts: 1,
            partitions_webhooks: 1,
            partitions_other: 1,
            ..KafkaOptions::default()
        };
        topics::create(&options).await.unwrap();
        let log = Arc::new(KafkaLog::connect(options.clone(), &First).await.unwrap());
        let sends = options.topic_name(Topic::Sends);
        // The bare one writes elsewhere, in the first round before and then after.
        let other = options.topic_name(Topic::Chunks);
        let (bare, ours) = if round % 2 == 0 {
            let bare = bare_append(&options, &other, batches);
            (bare, log_append(&log, batches).await)
        } else {
            let ours = log_append(&log, batches).await;
            (bare_append(&options, &other, batches), ours)
        };
        println!("append: bare {bare:.0} k/s, log {ours:.0} k/s, ratio {:.2}", ours / bare);
        let bare = bare_read(&options, &sends, count);
        for step in [512, 4_096] {
            let ours = log_read(&log, count, step).await;
            println!("read by {step}: bare {bare:.0} k/s, log {ours:.0} k/s, ratio {:.2}", ours / bare);
        }
        println!("a span of 1,024 elsewhere: {:?}", log_seek(&log, count).await);
        let names: Vec<String> = Topic::ALL.iter().map(|topic| options.topic_name(*topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        admin.delete_topics(&names, &AdminOptions::new()).await.unwrap();
    }
}
