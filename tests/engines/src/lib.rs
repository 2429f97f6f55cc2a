//! Real engines as plain processes, for tests: Kafka, Cassandra, a schema registry and Prometheus are
//! resolved, started, stopped, killed, frozen and restarted, without containers.
//!
//! An engine has ports and a directory of its own and ends with its handle, and also when the test
//! process ends, however it ends. Its artefacts are fetched once for a machine. A program that is missing
//! is an error that says what to install; no test is skipped.
//!
//! This crate speaks the engines' protocols no further than to ask "do you answer?" and to run a statement of CQL:
//! what is stored in them is the business of the crates that use them.
//!
//! - [`shared_kafka`], [`shared_cql`], [`shared_registry`]: an engine for a test that leaves it in peace
//! - [`Kafka`], [`Cassandra`], [`Registry`], [`Prometheus`]: an engine of the test's own
//! - [`CqlConnection`]: a statement that no command of the program makes
//! - [`Proxy`]: a connection that can be cut, delayed and hung

mod artefacts;
mod cache;
mod cassandra;
mod cassandra_settings;
mod certificate;
mod cql;
mod error;
mod jvm;
mod kafka;
mod kafka_security;
mod kafka_settings;
mod login;
mod ports;
mod probe;
mod process;
mod programs;
mod prometheus;
mod proxy;
mod registry;
mod shared;
mod wait;

pub use cassandra::{Cassandra, CassandraOptions};
pub use cassandra_settings::CommitLog;
pub use cql::CqlConnection;
pub use error::EngineError;
pub use jvm::Jit;
pub use kafka::{Kafka, KafkaOptions};
pub use login::Login;
pub use prometheus::Prometheus;
pub use proxy::Proxy;
pub use registry::Registry;
pub use shared::{
    CQL_VARIABLE, KAFKA_VARIABLE, REGISTRY_VARIABLE, shared_cql, shared_kafka, shared_registry,
};
