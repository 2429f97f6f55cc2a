//! The log on a real Kafka: the port's guarantees, and what goes on around them.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use sluice_log::KafkaLog;
use sluice_log::kafka::{GroupProtocol, KafkaOptions, topics};
use sluice_runtime::ports::log::{Generations, Log, Topic};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Numbers lives in memory.
#[derive(Default)]
pub(crate) struct Lives(Mutex<BTreeMap<String, Vec<String>>>);

#[async_trait::async_trait]
impl Generations for Lives {
    async fn generation(&self, topic: &str, life: &str) -> Result<u32, String> {
        let mut all = self.0.lock().unwrap();
        let lives = all.entry(topic.to_owned()).or_default();
        if let Some(at) = lives.iter().position(|known| known == life) {
            return if at + 1 == lives.len() { Ok(at as u32 + 1) } else { Err("an older one".to_owned()) };
        }
        lives.push(life.to_owned());
        Ok(lives.len() as u32)
    }
}

/// Topics of a test's own, removed at its end.
pub(crate) struct Own {
    pub(crate) options: KafkaOptions,
    pub(crate) lives: Lives,
}

impl Own {
    /// Options with a prefix nobody else has; nothing is created.
    pub(crate) fn named() -> Self {
        Self::on(sluice_engines::shared_kafka())
    }

    pub(crate) fn on(brokers: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
        let prefix = format!("t{since}-{}-{number}.", std::process::id());
        let options = KafkaOptions {
            brokers: brokers.to_owned(),
            group_prefix: prefix.clone(),
            prefix,
            replication: 1,
            min_insync: 1,
            partitions_sends: 4,
            partitions_receipts: 2,
            partitions_webhooks: 1,
            partitions_other: 1,
            ..KafkaOptions::default()
        };
        Self { options, lives: Lives::default() }
    }

    pub(crate) async fn created() -> Self {
        let own = Self::named();
        topics::create(&own.options).await.unwrap();
        own
    }

    pub(crate) async fn log(&self) -> KafkaLog {
        KafkaLog::connect(self.options.clone(), &self.lives).await.unwrap()
    }

    pub(crate) fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.options.brokers).create().unwrap()
    }

    pub(crate) async fn delete(&self, topics: &[Topic]) {
        let names: Vec<String> = topics.iter().map(|topic| self.options.topic_name(*topic)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(10)));
        self.admin().delete_topics(&names, &options).await.unwrap();
    }

    /// At the end of a test that went well; the broker is shared.
    pub(crate) async fn tidy_up(self) {
        self.delete(&Topic::ALL).await;
    }
}

async fn conformance(protocol: GroupProtocol) {
    let all = Mutex::new(Vec::new());
    let make = async || {
        let mut own = Own::created().await;
        own.options.group_protocol = protocol;
        own.options.session_timeout_ms = 6_000;
        own.options.drain_ms = 5_000;
        let log: Arc<dyn Log> = Arc::new(own.log().await);
        all.lock().unwrap().push(own);
        log
    };
    sluice_log::conformance::run_all_at(Duration::from_millis(1_500), make).await;
    for own in all.into_inner().unwrap() {
        own.tidy_up().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_gives_every_guarantee_of_the_port() {
    conformance(GroupProtocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_gives_them_with_the_classic_group_protocol_too() {
    conformance(GroupProtocol::Classic).await;
}
