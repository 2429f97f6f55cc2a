//! The lock on the data directory: it goes with the process, however that ends, and names who has it.

use crate::EngineError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

/// Held as long as the engine is open.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

/// The system drops the lock with the process, so a file that a crash left behind locks nothing.
const FILE: &str = "sluice.lock";

impl DirectoryLock {
    /// Locks the directory, which exists.
    pub(crate) fn acquire(dir: &Path) -> Result<Self, EngineError> {
        let storage = |error: std::io::Error| EngineError::from_io(dir, &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(FILE))
            .map_err(storage)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder =
                    holder(dir).map_or("another process".to_owned(), |process| format!("process {process}"));
                return Err(EngineError::InUse { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(storage(error)),
        }
        // The number is for people: without it (a full disk) the lock holds as well.
        let noted = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(%error, "the lock file does not say who has it");
        }
        Ok(Self { _file: file })
    }
}

/// The process that opened the directory last: the one that has it open, as long as somebody has.
pub fn holder(dir: &Path) -> Option<u32> {
    std::fs::read_to_string(dir.join(FILE)).ok()?.trim().parse().ok()
}
