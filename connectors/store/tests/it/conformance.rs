//! The port's guarantees.

use crate::open;
use sluice_runtime::ports::store::Store;
use std::sync::{Arc, Mutex};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_store_gives_every_guarantee_of_the_port() {
    let dirs = Mutex::new(Vec::new());
    let make = async || {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(open(dir.path()));
        dirs.lock().unwrap().push(dir);
        store
    };
    sluice_store::conformance::run_all(make).await;
}
