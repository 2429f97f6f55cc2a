//! Kafka and a CQL database, shared with other processes.

use super::make_temporary;
use super::refusals::{log_refused, registry_refused, store_refused};
use crate::config::Config;
use crate::error::Outcome;
use sluice_log::KafkaLog;
use sluice_registry::RegistryFraming;
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, SystemClock};
use sluice_store::CqlStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Connections to both. Clones share them.
#[derive(Clone)]
pub struct Cluster {
    log: Arc<KafkaLog>,
    store: Arc<CqlStore>,
    data_dir: PathBuf,
    temporary: PathBuf,
    described: Arc<str>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({})", self.described)
    }
}

impl Cluster {
    /// Connects to both and checks that they are fit for use: topics, schema, clocks.
    pub async fn connect(config: &Config) -> Outcome<Self> {
        let temporary = make_temporary(&config.data_dir)?;
        let store = Arc::new(connect_store(config).await?);
        let log = Arc::new(connect_log(config, &store).await?);
        let described = format!(
            "Kafka at {}, CQL at {} keyspace {}",
            config.kafka.brokers,
            config.cql.contact_points.join(","),
            config.cql.keyspace
        );
        let data_dir = config.data_dir.clone();
        Ok(Self { log, store, data_dir, temporary, described: described.into() })
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// For files that are of no use after the process.
    pub fn temporary(&self) -> PathBuf {
        self.temporary.clone()
    }

    /// Where this process keeps files of its own.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// For people; no credentials.
    pub fn describe(&self) -> String {
        self.described.to_string()
    }
}

/// Connects to the configured database and checks its schema and clock.
pub async fn connect_store(config: &Config) -> Outcome<CqlStore> {
    CqlStore::connect(&config.cql, SystemClock.wall_ms()).await.map_err(store_refused)
}

/// Connects to the configured brokers and checks the topics; `store` numbers their lives.
pub async fn connect_log(config: &Config, store: &CqlStore) -> Outcome<KafkaLog> {
    let log = KafkaLog::connect(config.kafka.clone(), store).await.map_err(log_refused)?;
    if !config.registry.is_configured() {
        return Ok(log);
    }
    let names = Topic::ALL.map(|topic| (topic, config.kafka.topic_name(topic)));
    let framing = RegistryFraming::connect(&config.registry, names).await;
    let framing = framing.map_err(|error| registry_refused(&error))?;
    Ok(log.with_framing(Arc::new(framing)))
}
