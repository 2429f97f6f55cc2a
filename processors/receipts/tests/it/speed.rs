//! How fast facts are merged and webhooks are split over the embedded pair:
//! `cargo test --release -p sluice-receipts --test it -- --ignored speed --nocapture --test-threads 1`.

use crate::support::{Lines, SIZE, chunk, launch, one, prepare};
use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::SendId;
use sluice_core::chunk_state::entry;
use sluice_core::ids::EchoTag;
use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_receipts::{
    ReceiptOptions, ReceiptPorts, ReceiptProcessor, WebhookOptions, WebhookPorts, WebhookProcessor,
};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, SystemClock, shutdown};
use sluice_schemas::{Channel, Fact, OnUnknown, Receipt, ReceiptEntry, WebhookReceived, encode};
use sluice_store::EmbeddedStore;
use std::sync::Arc;
use std::time::Duration;

const FACTS: u32 = 1 << 20;

struct Embedded {
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    _dir: tempfile::TempDir,
}

fn open() -> Embedded {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
    let log = EmbeddedLog::open(engine.clone(), EmbeddedLogOptions::default()).unwrap();
    let store = EmbeddedStore::open(engine).unwrap();
    Embedded { log: Arc::new(log), store: Arc::new(store), _dir: dir }
}

impl Embedded {
    async fn append(&self, topic: Topic, partition: u32, values: Vec<Vec<u8>>) {
        for values in values.chunks(1_000) {
            let record =
                |value: &Vec<u8>| NewRecord { key: Bytes::from_static(b"k"), value: value.clone().into() };
            self.log.append(topic, Partition(partition), values.iter().map(record).collect()).await.unwrap();
        }
    }

    fn receipts(&self) -> ReceiptProcessor {
        let clock = Arc::new(SystemClock);
        let ports = ReceiptPorts { log: self.log.clone(), store: self.store.clone(), clock };
        ReceiptProcessor::new(ports, ReceiptOptions::default())
    }

    async fn committed(&self, group: &str, topic: Topic) {
        for partition in (0..self.log.partitions(topic)).map(Partition) {
            let end = self.log.bounds(topic, partition).await.unwrap().end;
            while end.0 > 0 && self.log.committed(group, topic, partition).await.unwrap() < Some(end) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn receipts_of_512_entries() {
    for with_ids in [false, true] {
        let embedded = open();
        let chunks = FACTS / 8_192;
        prepare(&*embedded.store, launch(3, OnUnknown::Keep), chunks, 0).await;
        for number in 0..chunks {
            let accepted = |index: u16| {
                let id = with_ids.then(|| format!("m-{number}-{index}"));
                ReceiptEntry { provider_id: id, ..one(Fact::Accepted, index, 1, 5) }
            };
            let receipt = |entries| encode(&Receipt { chunk: ByteArray::new(chunk(number).0), entries });
            let mut values: Vec<Vec<u8>> = (0..8_192u16)
                .step_by(512)
                .map(|first| receipt((first..first + 512).map(accepted).collect()))
                .collect();
            values.push(receipt(vec![entry(Fact::Closed, 0, 8_191, 0, 0)]));
            embedded.append(Topic::Receipts, number % 4, values).await;
        }
        let start = SystemClock.monotonic();
        let (_trigger, stop) = shutdown::channel();
        let running = tokio::spawn(embedded.receipts().run(stop));
        embedded.committed("receipts", Topic::Receipts).await;
        let seconds = (SystemClock.monotonic() - start).as_secs_f64();
        println!("receipts, provider ids {with_ids}: {:.0} facts/s", f64::from(FACTS) / seconds);
        running.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn webhooks_by_echo_tag() {
    let embedded = open();
    prepare(&*embedded.store, launch(3, OnUnknown::Keep), 16, 0).await;
    let value = |at: u32| {
        let send = SendId { chunk: chunk(at % 16), index: (at / 16) as u16 % SIZE };
        let line = format!("tag {} delivered 60", EchoTag { send, attempt: 1 });
        let body = line.into_bytes();
        encode(&WebhookReceived { channel: Channel::Whatsapp, page: None, received_at_ms: 0, body })
    };
    embedded.append(Topic::WebhooksRaw, 0, (0..FACTS / 2).map(value).collect()).await;
    let start = SystemClock.monotonic();
    let ports = WebhookPorts {
        log: embedded.log.clone(),
        store: embedded.store.clone(),
        clock: Arc::new(SystemClock),
        parse: Arc::new(Lines),
    };
    let (_trigger, stop) = shutdown::channel();
    let splitting = tokio::spawn(WebhookProcessor::new(ports, WebhookOptions::default()).run(stop.clone()));
    let merging = tokio::spawn(embedded.receipts().run(stop));
    embedded.committed("webhooks", Topic::WebhooksRaw).await;
    let split = (SystemClock.monotonic() - start).as_secs_f64();
    embedded.committed("receipts", Topic::Receipts).await;
    let merged = (SystemClock.monotonic() - start).as_secs_f64();
    let facts = f64::from(FACTS / 2);
    println!("webhooks of one fact: split {:.0}/s, split and merged {:.0}/s", facts / split, facts / merged);
    splitting.abort();
    merging.abort();
}
