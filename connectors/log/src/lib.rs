//! Implementations of the log port.
//!
//! Guarantee: each of them passes [`conformance`], which holds what `sluice_runtime::ports::log` promises.
//!
//! What this crate does not do: it knows no record types; keys and values are bytes.
//!
//! - [`embedded`]: blocks of records in the storage engine of one process.
//! - [`kafka`]: topics of Apache Kafka, for several machines.
//! - [`simulated`]: in memory, for tests that move time by hand and crash anywhere.
//! - [`conformance`]: the port's guarantees as assertions, for tests.

pub mod conformance;
pub mod embedded;
pub mod kafka;
pub mod simulated;

pub use embedded::{EmbeddedLog, EmbeddedLogOptions};
pub use kafka::{KafkaLog, KafkaOptions};
