//! What a process stands on: a data directory of its own, or a cluster it shares with others.
//!
//! - [`directory`]: the embedded log and store, one process at a time.
//! - [`cluster`]: Kafka and a CQL database.
//!
//! Above this module nobody knows which of the two it is.

pub mod cluster;
pub mod directory;
mod refusals;

pub use cluster::Cluster;
pub use directory::Directory;
pub(crate) use refusals::{log_refused, store_refused};

use crate::config::Config;
use crate::error::{Failure, Outcome};
use directory::Stored;
use sluice_runtime::ports::log::Log;
use sluice_runtime::ports::store::Store;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log and the store of a process. Clones share them.
#[derive(Debug, Clone)]
pub enum Engines {
    /// Both in one directory of this machine.
    Embedded(Directory),
    /// Kafka and a CQL database, shared with other processes.
    Cluster(Cluster),
}

impl Engines {
    /// Opens what the configuration names.
    pub async fn open(config: &Config) -> Outcome<Self> {
        match config.engines.is_cluster() {
            false => {
                let directory = Directory::open(&config.data_dir, config.topics.partitions).await?;
                Ok(Self::Embedded(directory))
            }
            true => Ok(Self::Cluster(Cluster::connect(config).await?)),
        }
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(directory) => directory.log(),
            Self::Cluster(cluster) => cluster.log(),
        }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(directory) => directory.store(),
            Self::Cluster(cluster) => cluster.store(),
        }
    }

    /// For files that are of no use after the process.
    pub fn temporary(&self) -> PathBuf {
        match self {
            Self::Embedded(directory) => directory.temporary(),
            Self::Cluster(cluster) => cluster.temporary(),
        }
    }

    /// Where this process keeps files of its own.
    pub fn data_dir(&self) -> &Path {
        match self {
            Self::Embedded(directory) => directory.path(),
            Self::Cluster(cluster) => cluster.data_dir(),
        }
    }

    /// Which they are, for people: `embedded log and store in sluice-data`.
    pub fn describe(&self) -> String {
        match self {
            Self::Embedded(directory) => {
                format!("embedded log and store in {}", directory.path().display())
            }
            Self::Cluster(cluster) => cluster.describe(),
        }
    }

    /// What keeps one of them from working now, for people.
    pub fn trouble(&self) -> Option<String> {
        let (log, store) = (self.log().trouble(), self.store().trouble());
        match (log, store) {
            (Some(log), Some(store)) => Some(format!("{log}; {store}")),
            (log, store) => log.or(store),
        }
    }

    /// Makes everything durable and takes no more writes.
    pub async fn close(&self) {
        match self {
            Self::Embedded(directory) => directory.close().await,
            // What was acknowledged is durable there, and connections end with the process.
            Self::Cluster(_) => {}
        }
    }
}

/// The rows of the configured store, to be read; a data directory must not be open elsewhere.
pub struct Rows {
    store: Arc<dyn Store>,
    temporary: PathBuf,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("temporary", &self.temporary).finish_non_exhaustive()
    }
}

impl Rows {
    /// Opens what the configuration names.
    pub async fn open(config: &Config) -> Outcome<Self> {
        if config.engines.is_cluster() {
            let store = Arc::new(cluster::connect_store(config).await?);
            return Ok(Self { store, temporary: make_temporary(&config.data_dir)? });
        }
        let stored = Stored::open(&config.data_dir).await?;
        Ok(Self { store: stored.store(), temporary: stored.temporary() })
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// For files that are of no use after the process.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }
}

/// Makes the place for files that are of no use after the process.
fn make_temporary(data_dir: &Path) -> Outcome<PathBuf> {
    let temporary = data_dir.join("tmp");
    std::fs::create_dir_all(&temporary).map_err(|error| {
        let message = format!("cannot write in {}", data_dir.display());
        Failure::refused("data_dir_unusable", message, "check the disk and the permissions")
            .with(error.to_string())
    })?;
    Ok(temporary)
}
