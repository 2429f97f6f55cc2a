//! Reading several things as they were at one moment.

use crate::{EngineError, Keyspace, Value};
use fjall::Readable;
use std::fmt;
use std::ops::Bound;

/// The durable contents at one moment. Keep it short: what is removed later stays on the disk meanwhile.
pub struct Snapshot {
    inner: fjall::Snapshot,
}

impl Snapshot {
    pub(crate) fn new(inner: fjall::Snapshot) -> Self {
        Self { inner }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// When the disk can't be read or its contents are damaged.
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Value>, EngineError> {
        self.inner.get(&keyspace.inner, key).map_err(|error| EngineError::from_fjall(&keyspace.dir, &error))
    }

    /// All pairs whose key begins with `prefix`, in order; `rev()` reads them backwards.
    pub fn prefix(
        &self,
        keyspace: &Keyspace,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Value, Value), EngineError>> + use<> {
        pairs(keyspace, self.inner.prefix(&keyspace.inner, prefix))
    }

    /// All pairs between two keys, in order; `rev()` reads them backwards.
    pub fn range(
        &self,
        keyspace: &Keyspace,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl DoubleEndedIterator<Item = Result<(Value, Value), EngineError>> + use<> {
        pairs(keyspace, self.inner.range::<&[u8], _>(&keyspace.inner, bounds))
    }

    /// The keys between two keys, in order, without reading their values.
    pub fn keys(
        &self,
        keyspace: &Keyspace,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl DoubleEndedIterator<Item = Result<Value, EngineError>> + use<> {
        let dir = keyspace.dir.clone();
        let iter = self.inner.range::<&[u8], _>(&keyspace.inner, bounds);
        iter.map(move |pair| pair.key().map_err(|error| EngineError::from_fjall(&dir, &error)))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot")
    }
}

pub(crate) fn pairs(
    keyspace: &Keyspace,
    iter: fjall::Iter,
) -> impl DoubleEndedIterator<Item = Result<(Value, Value), EngineError>> + use<> {
    let dir = keyspace.dir.clone();
    iter.map(move |pair| pair.into_inner().map_err(|error| EngineError::from_fjall(&dir, &error)))
}
