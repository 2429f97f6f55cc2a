//! Engines for tests that need one, and do not care which.
//!
//! `./test` starts one of each for the whole run and names it in the environment; a test binary that
//! runs alone starts its own when the first test asks. Names of topics and keyspaces must therefore be
//! a test's own (random). A test that stops, kills or freezes an engine starts one for itself.

use std::env;
use std::sync::OnceLock;

use crate::{Cassandra, CassandraOptions, EngineError, Kafka, KafkaOptions, Registry};

/// The variable that names a running Kafka, `host:port`.
pub const KAFKA_VARIABLE: &str = "SLUICE_TEST_KAFKA";
/// The variable that names a running CQL database, `host:port`.
pub const CQL_VARIABLE: &str = "SLUICE_TEST_CQL";
/// The variable that names a running schema registry, a URL.
pub const REGISTRY_VARIABLE: &str = "SLUICE_TEST_REGISTRY";

/// A Kafka, `host:port`: the one that `SLUICE_TEST_KAFKA` names, otherwise one for this test process.
///
/// # Panics
/// If it cannot be started, with what to do about it.
pub fn shared_kafka() -> &'static str {
    static SHARED: OnceLock<Shared<Kafka>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            shared(KAFKA_VARIABLE, || {
                let kafka = Kafka::start(KafkaOptions::default())?;
                Ok((kafka.bootstrap(), kafka))
            })
        })
        .address
        .as_str()
}

/// A CQL database, `host:port`: the one that `SLUICE_TEST_CQL` names, otherwise one for this test process.
///
/// # Panics
/// If it cannot be started, with what to do about it.
pub fn shared_cql() -> &'static str {
    static SHARED: OnceLock<Shared<Cassandra>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            shared(CQL_VARIABLE, || {
                let cassandra = Cassandra::start(CassandraOptions::default())?;
                Ok((cassandra.contact_point(), cassandra))
            })
        })
        .address
        .as_str()
}

/// A schema registry, the base URL of Confluent's API: the one that `SLUICE_TEST_REGISTRY` names,
/// otherwise one for this test process.
///
/// # Panics
/// If it cannot be started, with what to do about it.
pub fn shared_registry() -> &'static str {
    static SHARED: OnceLock<Shared<Registry>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            shared(REGISTRY_VARIABLE, || {
                let registry = Registry::start()?;
                Ok((registry.url(), registry))
            })
        })
        .address
        .as_str()
}

/// An address, and the engine behind it if it is ours. Nothing drops a static: the engine's watcher
/// ends it when this process ends.
struct Shared<E> {
    address: String,
    _engine: Option<E>,
}

fn shared<E>(variable: &str, start: impl FnOnce() -> Result<(String, E), EngineError>) -> Shared<E> {
    if let Some(address) = env::var(variable).ok().filter(|value| !value.is_empty()) {
        return Shared { address, _engine: None };
    }
    match start() {
        Ok((address, engine)) => Shared { address, _engine: Some(engine) },
        // Tests have no use for an error value: what to do must reach the one who runs them.
        Err(error) => panic!("{error}"),
    }
}
