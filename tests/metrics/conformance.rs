//! A meter changes nothing: around the embedded engines the ports give every guarantee that they give alone.

use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::SystemClock;
use sluice_runtime::metered::{MeteredLog, MeteredStore};
use sluice_runtime::metrics::{Build, Metrics};
use sluice_runtime::ports::log::Log;
use sluice_runtime::ports::store::Store;
use sluice_store::EmbeddedStore;
use std::sync::{Arc, Mutex};

const BUILD: Build = Build { version: "0", log: "embedded", store: "embedded" };

fn metrics() -> Arc<Metrics> {
    Metrics::new(&BUILD, Arc::new(SystemClock))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metered_log_gives_every_guarantee_of_the_port() {
    let directories = Mutex::new(Vec::new());
    let make = async || {
        let directory = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(directory.path(), EngineOptions::default()).unwrap());
        let mut options = EmbeddedLogOptions::default();
        options.partitions.insert(sluice_runtime::ports::log::Topic::Chunks, 4);
        let log = Arc::new(EmbeddedLog::open(engine, options).unwrap());
        directories.lock().unwrap().push(directory);
        Arc::new(MeteredLog::new(log, &metrics(), Arc::new(SystemClock))) as Arc<dyn Log>
    };
    sluice_log::conformance::run_all(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metered_store_gives_every_guarantee_of_the_port() {
    let directories = Mutex::new(Vec::new());
    let make = async || {
        let directory = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(directory.path(), EngineOptions::default()).unwrap());
        let store = Arc::new(EmbeddedStore::open(engine).unwrap());
        directories.lock().unwrap().push(directory);
        Arc::new(MeteredStore::new(store, &metrics(), Arc::new(SystemClock))) as Arc<dyn Store>
    };
    sluice_store::conformance::run_all(make).await;
}
