//! The data directory: opened once, by one process at a time.

use crate::error::{Failure, Outcome};
use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::store::Store;
use sluice_store::EmbeddedStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open data directory. Clones share it; it is let go with the last one.
#[derive(Debug, Clone)]
pub struct Directory {
    engine: Arc<Engine>,
    log: EmbeddedLogHandle,
    store: Arc<EmbeddedStore>,
    path: PathBuf,
}

#[derive(Clone)]
struct EmbeddedLogHandle(Arc<EmbeddedLog>);

impl std::fmt::Debug for EmbeddedLogHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EmbeddedLog")
    }
}

impl Directory {
    /// Opens the directory for a node; makes it where there is none.
    pub async fn open(path: &Path, partitions: u32) -> Outcome<Self> {
        let path = path.to_owned();
        blocking(move || open(path, partitions)).await
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        self.log.0.clone()
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// What was written so far.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For files that are of no use after the process.
    pub fn temporary(&self) -> PathBuf {
        temporary(&self.path)
    }

    /// Makes everything durable and takes no more writes.
    pub async fn close(&self) {
        let engine = self.engine.clone();
        // A panic while closing is the engine's to tell; what was acknowledged is durable.
        drop(tokio::task::spawn_blocking(move || engine.close()).await);
    }
}

fn open(path: PathBuf, partitions: u32) -> Outcome<Directory> {
    let engine = Arc::new(Engine::open(&path, EngineOptions::default())?);
    super::make_temporary(&path)?;
    let busy = [Topic::Sends, Topic::Chunks, Topic::Receipts, Topic::WebhooksRaw];
    let mut options = EmbeddedLogOptions::default();
    options.partitions.extend(busy.map(|topic| (topic, partitions)));
    let log = EmbeddedLog::open(engine.clone(), options).map_err(|error| match error {
        sluice_log::embedded::OpenError::Engine(error) => error.into(),
        sluice_log::embedded::OpenError::Shrunk { present, wanted, .. } => Failure::refused(
            "partitions_shrunk",
            format!("{} was made with {present} partitions and can't have {wanted}", path.display()),
            format!("set topics.partitions = {present} or more in sluice.toml"),
        ),
        damaged => {
            Failure::refused("data_damaged", damaged.to_string(), "restore the directory from a backup")
        }
    })?;
    let store = open_store(engine.clone())?;
    Ok(Directory { engine, log: EmbeddedLogHandle(Arc::new(log)), store: Arc::new(store), path })
}

fn open_store(engine: Arc<Engine>) -> Outcome<EmbeddedStore> {
    EmbeddedStore::open(engine).map_err(|error| {
        Failure::refused(
            "data_damaged",
            error.to_string(),
            "restore the directory from a backup, or start with a new one",
        )
    })
}

fn temporary(path: &Path) -> PathBuf {
    path.join("tmp")
}

/// The rows of a directory that nobody else has open, to be read.
#[derive(Debug)]
pub struct Stored {
    store: Arc<EmbeddedStore>,
    path: PathBuf,
}

impl Stored {
    /// Opens a directory that exists. Another process in it is a failure that says how to ask that one.
    pub async fn open(path: &Path) -> Outcome<Self> {
        if !path.join("sluice.format").exists() {
            return Err(Failure::refused(
                "no_data",
                format!("there is no data in {}", path.display()),
                "name the directory of the campaign with --data-dir",
            ));
        }
        let path = path.to_owned();
        blocking(move || {
            let engine = Arc::new(Engine::open(&path, EngineOptions::default())?);
            super::make_temporary(&path)?;
            Ok(Self { store: Arc::new(open_store(engine)?), path })
        })
        .await
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// For files that are of no use after the process.
    pub fn temporary(&self) -> PathBuf {
        temporary(&self.path)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Outcome<T> + Send + 'static) -> Outcome<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(crate::error::storage(error)),
    }
}
