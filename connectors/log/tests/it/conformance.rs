//! The port's guarantees.

use crate::open;
use sluice_runtime::ports::log::Log;
use std::sync::{Arc, Mutex};

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_log_gives_every_guarantee_of_the_port() {
    let dirs = Mutex::new(Vec::new());
    let make = async || {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(open(dir.path()));
        dirs.lock().unwrap().push(dir);
        log
    };
    sluice_log::conformance::run_all(make).await;
}

#[tokio::test(flavor = "current_thread")]
async fn it_gives_them_on_one_thread_too() {
    let dirs = Mutex::new(Vec::new());
    let make = async || {
        let dir = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(open(dir.path()));
        dirs.lock().unwrap().push(dir);
        log
    };
    sluice_log::conformance::run_all(make).await;
}
