//! The lock on the data directory: it goes with the process, however that ends, and names who has it.

use crate::EngineError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
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
                return Err(EngineError::InUse { dir: dir.to_owned(), holder: holder(&mut file) });
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

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text.trim().parse::<u32>().is_ok() => format!("process {}", text.trim()),
        _ => "another process".to_owned(),
    }
}
