//! Tables.

use crate::{EngineError, Value};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What a table holds, so that it is laid out well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Many small values.
    Rows,
    /// Values of some KiB and more, compressed by their writer: kept apart from the keys, so that compaction
    /// does not copy them.
    Blocks,
}

/// Rows held in memory before they are written as a table file, in bytes.
const MEMTABLE_BYTES_MAX: u64 = 8 << 20;

/// Values of a table of blocks below this stay beside their keys.
const BLOCK_BYTES_MIN: u32 = 1 << 10;

/// A table: keys in order of their bytes. Cheap to clone.
#[derive(Clone)]
pub struct Keyspace {
    pub(crate) inner: fjall::Keyspace,
    pub(crate) dir: Arc<Path>,
}

impl Keyspace {
    pub(crate) fn open(
        database: &fjall::Database,
        dir: Arc<Path>,
        name: &str,
        shape: Shape,
    ) -> Result<Self, EngineError> {
        let options = || {
            let options = fjall::KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES_MAX)
                .manual_journal_persist(true);
            match shape {
                Shape::Rows => options,
                Shape::Blocks => options.with_kv_separation(Some(
                    fjall::KvSeparationOptions::default().separation_threshold(BLOCK_BYTES_MIN),
                )),
            }
        };
        let inner =
            database.keyspace(name, options).map_err(|error| EngineError::from_fjall(&dir, &error))?;
        Ok(Self { inner, dir })
    }

    /// The durable value of a key.
    ///
    /// # Errors
    /// When the disk can't be read or its contents are damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, EngineError> {
        self.inner.get(key).map_err(|error| EngineError::from_fjall(&self.dir, &error))
    }

    pub(crate) fn id(&self) -> u64 {
        self.inner.id()
    }
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyspace({:?})", self.inner.name())
    }
}
