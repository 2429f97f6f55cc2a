//! The framing at the edge of a real Kafka: an upstream in Python writes launches and reads events (A1, D9).

use crate::place::{names, options_at, prefix, registry_url};
use crate::upstream::{expected, read};
use bytes::Bytes;
use sluice_log::KafkaLog;
use sluice_log::kafka::{KafkaOptions, topics};
use sluice_registry::RegistryFraming;
use sluice_runtime::ports::log::{
    Delivery, Generations, Log, NewRecord, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use sluice_schemas::{CampaignEvent, CampaignEventKind, CampaignLaunch, DecodeError, decode, encode};
use std::collections::BTreeMap;
use std::process::Output;
use std::sync::Arc;

/// Topics that live once.
struct OneLife;

#[async_trait::async_trait]
impl Generations for OneLife {
    async fn generation(&self, _topic: &str, _life: &str) -> Result<u32, String> {
        Ok(1)
    }
}

fn options(prefix: &str) -> KafkaOptions {
    KafkaOptions {
        brokers: sluice_engines::shared_kafka().to_owned(),
        prefix: prefix.to_owned(),
        group_prefix: prefix.to_owned(),
        replication: 1,
        min_insync: 1,
        partitions_sends: 1,
        partitions_receipts: 1,
        partitions_webhooks: 1,
        partitions_other: 1,
        ..KafkaOptions::default()
    }
}

/// Runs a script of the upstream with the brokers and the prefix.
async fn script(name: &'static str, prefix: &str, arguments: &[&str]) -> Output {
    let mut all = vec!["--brokers", sluice_engines::shared_kafka(), "--prefix", prefix];
    all.extend(arguments);
    let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
    let run = move || sluice_upstream::script(name).args(all).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

async fn launch(prefix: &str, example: &str, arguments: &[&str]) {
    let path = crate::upstream::example(example);
    let mut all = vec![path.to_str().unwrap()];
    all.extend(arguments);
    script("launch.py", prefix, &all).await;
}

async fn remove_topics(prefix: &str) {
    let program = "import sys\nfrom confluent_kafka.admin import AdminClient\n\
        admin = AdminClient({'bootstrap.servers': sys.argv[1]})\n\
        for done in admin.delete_topics(sys.argv[2:]).values(): done.result()";
    let mut arguments = vec!["-c".to_owned(), program.to_owned(), sluice_engines::shared_kafka().to_owned()];
    arguments.extend(names(prefix).into_iter().map(|(_, name)| name));
    let run = move || std::process::Command::new(sluice_upstream::python()).args(arguments).status();
    assert!(tokio::task::spawn_blocking(run).await.unwrap().unwrap().success());
}

/// The first `count` launches as a member of a group gets them.
async fn delivered(log: &KafkaLog, count: usize) -> Vec<StoredRecord> {
    let mut membership = log.join("launches", Topic::Launches).await.unwrap();
    let mut all = Vec::new();
    while all.len() < count {
        if let Delivery::Records { records, .. } = membership.deliveries.next().await.unwrap() {
            all.extend(records);
        }
    }
    all
}

fn event(kind: CampaignEventKind) -> CampaignEvent {
    CampaignEvent {
        id: format!("x-1-{kind:?}"),
        campaign: "spring-sale".to_owned(),
        tenant: "default".to_owned(),
        kind,
        run: 1,
        at_ms: 5,
        counters: BTreeMap::from([("sent".to_owned(), 3)]),
        reason: None,
    }
}

async fn append(log: &KafkaLog, kind: CampaignEventKind) {
    let record = NewRecord { key: Bytes::from_static(b"x"), value: encode(&event(kind)).into() };
    log.append(Topic::Events, Partition(0), vec![record]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a1_d9_an_upstream_in_python_launches_and_follows_campaigns_through_kafka_and_a_registry() {
    let prefix = prefix();
    let options = options(&prefix);
    topics::create(&options).await.unwrap();
    // What is in the topics from a time without a registry stays readable.
    let without = KafkaLog::connect(options.clone(), &OneLife).await.unwrap();
    append(&without, CampaignEventKind::Started).await;
    let registry = registry_url();
    let framing = RegistryFraming::connect(&options_at(&registry), names(&prefix)).await.unwrap();
    let log = KafkaLog::connect(options, &OneLife).await.unwrap().with_framing(Arc::new(framing));

    launch(&prefix, "http.json", &[]).await;
    launch(&prefix, "whatsapp.json", &["--registry", &registry]).await;
    // With a schema of its own, one field more.
    let schema = std::fs::read_to_string(crate::upstream::schema()).unwrap();
    let mut schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let more = serde_json::json!({"name": "owner", "type": "string", "default": "growth"});
    schema["fields"].as_array_mut().unwrap().push(more);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), schema.to_string()).unwrap();
    let own = ["--registry", &registry, "--schema", file.path().to_str().unwrap()];
    launch(&prefix, "messenger.json", &own).await;

    let wanted = ["http.json", "whatsapp.json", "messenger.json"].map(expected);
    let member: Vec<CampaignLaunch> =
        delivered(&log, 3).await.iter().map(|record| read(&record.value)).collect();
    assert_eq!(member, wanted);
    let limit = ReadLimit { records_max: 10, bytes_max: 1 << 20 };
    let records = log.read(Topic::Launches, Partition(0), Position(0), limit).await.unwrap();
    let reader: Vec<CampaignLaunch> = records.iter().map(|record| read(&record.value)).collect();
    assert_eq!(reader, wanted);
    // Without the registry the first one is read, the others say what is missing.
    let records = without.read(Topic::Launches, Partition(0), Position(0), limit).await.unwrap();
    assert_eq!(read(&records[0].value), wanted[0]);
    assert!(matches!(decode::<CampaignLaunch>(&records[1].value), Err(DecodeError::Registry { .. })));

    append(&log, CampaignEventKind::Completed).await;
    let until = ["--registry", &registry, "--group", &prefix, "--until", "completed", "--seconds", "60"];
    let output = script("events.py", &prefix, &until).await;
    let lines: Vec<CampaignEvent> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, [event(CampaignEventKind::Started), event(CampaignEventKind::Completed)]);
    remove_topics(&prefix).await;
}
