//! Several processes of the real program on real Kafka and a real CQL database.
//!
//! The engines are those that `SLUICE_TEST_KAFKA` and `SLUICE_TEST_CQL` name, or are started once; a test that
//! takes engines away starts its own. Each test has topics and a keyspace of its own.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod brokers;
mod clocks;
mod dead_letters;
mod launches;
mod logins;
mod noise;
mod outages;
mod refusals;
mod registry;
mod sharing;
mod upstream;
