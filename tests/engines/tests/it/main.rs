//! The engines are started for real: each answers, keeps its data over a kill, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test itself")]

mod cassandra;
mod guard;
mod http;
mod kafka;
mod kafka_wire;
mod prometheus;
mod proxy;
mod registry;
