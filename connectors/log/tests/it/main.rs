//! The embedded log on real files, and the log on a real Kafka.
#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod conformance;
mod kafka;
mod kafka_brokers;
mod kafka_connect;
mod kafka_members;
mod kafka_records;
mod kill;
mod rebalance;
mod reopen;
mod simulated;

use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use std::path::Path;
use std::sync::Arc;

fn open(dir: &Path) -> EmbeddedLog {
    let engine = Engine::open(dir, EngineOptions::default()).unwrap();
    EmbeddedLog::open(Arc::new(engine), EmbeddedLogOptions::default()).unwrap()
}
