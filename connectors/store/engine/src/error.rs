//! Why the engine refused, in words that say what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why the engine refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Another process has the directory.
    #[error("the data directory {} is in use by {holder}; stop it or choose another directory", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// Who has it, as far as its lock file tells.
        holder: String,
    },
    /// The path is taken by something else.
    #[error("{} is not a directory", dir.display())]
    NotADirectory {
        /// The path.
        dir: PathBuf,
    },
    /// No space is left.
    #[error("the disk of {} is full: free some space and start again", dir.display())]
    DiskFull {
        /// The data directory.
        dir: PathBuf,
    },
    /// What is stored can't be read.
    #[error("the data in {} is damaged: {reason}", dir.display())]
    Damaged {
        /// The data directory.
        dir: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The disk failed, or access was denied.
    #[error("the data directory {} can't be used: {reason}", dir.display())]
    Storage {
        /// The data directory.
        dir: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The engine was closed before the write was durable: nothing is known about it.
    #[error("the storage engine is closed")]
    Closed,
}

/// Below this the disk counts as full when the engine only says that an earlier write failed.
const FREE_BYTES_MIN: u64 = 1 << 20;

impl EngineError {
    pub(crate) fn from_io(dir: &Path, error: &io::Error) -> Self {
        let dir = dir.to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => EngineError::DiskFull { dir },
            ErrorKind::NotADirectory => EngineError::NotADirectory { dir },
            _ => EngineError::Storage { dir, reason: error.to_string() },
        }
    }

    pub(crate) fn from_fjall(dir: &Path, error: &fjall::Error) -> Self {
        use fjall::{Error, LsmError};
        let damaged = |reason: String| EngineError::Damaged { dir: dir.to_owned(), reason };
        match error {
            Error::Io(error) | Error::Storage(LsmError::Io(error)) => Self::from_io(dir, error),
            Error::Locked => EngineError::InUse { dir: dir.to_owned(), holder: "another process".to_owned() },
            Error::Poisoned | Error::KeyspaceDeleted => {
                if is_full(dir) {
                    return EngineError::DiskFull { dir: dir.to_owned() };
                }
                EngineError::Storage { dir: dir.to_owned(), reason: "an earlier write failed".to_owned() }
            }
            Error::JournalRecovery(error) => damaged(format!("journal: {error:?}")),
            Error::InvalidVersion(Some(version)) => {
                damaged(format!("written in another format: {version:?}"))
            }
            Error::InvalidVersion(None) => damaged("not a data directory of this program".to_owned()),
            other => damaged(other.to_string()),
        }
    }
}

fn is_full(dir: &Path) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|space| space.f_bavail.saturating_mul(space.f_frsize) < FREE_BYTES_MIN)
}
