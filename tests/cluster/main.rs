//! Several processes of the real program on real Kafka and a real CQL database.
//!
//! The engines are those that `SLUICE_TEST_KAFKA` and `SLUICE_TEST_CQL` name, or are started once; a test that
//! takes engines away starts its own. With the cargo feature `tls` the program has to be built with that of the same
//! name, and is shown to use it. Each test has topics and a keyspace of its own.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod absent;
mod brokers;
mod carried;
mod clocks;
mod dead_letters;
mod durability;
mod launches;
mod logins;
mod noise;
mod outages;
mod quotas;
mod refusals;
mod registry;
mod retention;
mod sharing;
mod still;
#[cfg(feature = "tls")]
mod tls;
mod upstream;
