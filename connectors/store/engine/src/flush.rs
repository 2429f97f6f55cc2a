//! At a close, rows that are only in memory and in the journal become files: what a process wrote is then no memory of
//! the next one, which may have a backlog to send and nothing else to do with it (G9).
//!
//! Nothing depends on it. The journal has every row until its file is complete, so what can't be flushed, or not in
//! time, is read from the journal as after a crash.

use fjall::{AbstractTree, Database, KeyspaceCreateOptions, PersistMode};
use std::time::Duration;

/// What a table may leave in memory and in the journal, in bytes: less is not worth a file.
const LEFT_BYTES_MAX: u64 = 256 << 10;

/// A flush takes some 100 ms. A disk that needs longer than this is left alone.
const PATIENCE: Duration = Duration::from_secs(5);

const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Flushes the larger tables in memory of a database that nobody writes to any more. Whether it was done in time.
pub(crate) fn flush(database: &Database) -> fjall::Result<bool> {
    let mut keyspaces = Vec::new();
    for name in database.list_keyspace_names() {
        // It exists: nothing is created.
        let keyspace = database.keyspace(&name, KeyspaceCreateOptions::default)?;
        if keyspace.tree.active_memtable().size() > LEFT_BYTES_MAX {
            keyspace.rotate_memtable()?;
        }
        keyspaces.push(keyspace);
    }
    for _ in 0..PATIENCE.as_millis() / LOOK_AGAIN.as_millis() {
        if keyspaces.iter().all(|keyspace| keyspace.sealed_memtable_count() == 0) {
            return Ok(true);
        }
        // An error where a flush has failed.
        database.persist(PersistMode::Buffer)?;
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(false)
}
