//! The engine on real files.
#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod disk;
mod kill;
mod lock;
mod writes;

use sluice_engine::{Engine, EngineOptions};
use std::path::Path;

fn open(dir: &Path) -> Engine {
    Engine::open(dir, EngineOptions::default()).unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
