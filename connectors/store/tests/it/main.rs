//! The embedded store on real files, and the simulated one.
#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod conformance;
mod cql;
mod cql_answers;
mod cql_clocks;
mod cql_faults;
mod cql_schema;
mod kill;
mod reopen;
mod simulated;

use sluice_engine::{Engine, EngineOptions};
use sluice_store::EmbeddedStore;
use std::path::Path;
use std::sync::Arc;

fn open(dir: &Path) -> EmbeddedStore {
    let engine = Engine::open(dir, EngineOptions::default()).unwrap();
    EmbeddedStore::open(Arc::new(engine)).unwrap()
}
