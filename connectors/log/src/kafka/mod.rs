//! The log on Kafka, over librdkafka.
//!
//! Guarantee: a ticket resolves when all in-sync copies have its records, in the order of the calls and once; what
//! retention removed is an error, never a skip; a former member of a group commits nothing; while brokers are away
//! everything waits and goes on by itself.
//!
//! What it does not do: it creates no topic on its own ([`topics::create`] does), and it has no transactions: a
//! record that is read was acknowledged to whoever appended it.
//!
//! Threads: one that hands records to the producer, one a place of the log that is read, two a group membership,
//! one that looks after the brokers' health; librdkafka has its own beside them.

mod client;
mod connection;
mod differences;
mod error;
pub mod framing;
mod gather;
mod group;
mod health;
mod lifeline;
mod log;
mod native;
mod options;
mod producer;
pub mod raw;
mod reader;
mod readers;
mod security;
pub mod topics;
mod trouble;

pub use error::KafkaError;
pub use framing::{Framing, Incoming};
pub use log::KafkaLog;
pub use native::keep_tls_until_exit;
pub use options::{GroupProtocol, KafkaOptions, SaslMechanism, SecurityProtocol};
