//! What a write sees and does.

use crate::snapshot::pairs;
use crate::{EngineError, Keyspace, Value};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;

/// The batch that is being put together. A write sees everything durable and all earlier writes, also those of
/// the same batch; nobody else sees any of it before it is durable.
///
/// There is no way back: what a write has put in stays, also if it then answers with an error. Check first,
/// then write.
#[derive(Default)]
pub struct Tx {
    overlays: HashMap<u64, Overlay>,
    bytes: u64,
}

struct Overlay {
    keyspace: Keyspace,
    /// `None` removes.
    changes: BTreeMap<Value, Option<Value>>,
}

impl Tx {
    /// The present value of a key.
    ///
    /// # Errors
    /// When the disk can't be read or its contents are damaged.
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Value>, EngineError> {
        match self.overlays.get(&keyspace.id()).and_then(|overlay| overlay.changes.get(key)) {
            Some(change) => Ok(change.clone()),
            None => keyspace.get(key),
        }
    }

    /// The first `limit` pairs from `first` on and below `end`, in order.
    ///
    /// # Errors
    /// When the disk can't be read or its contents are damaged.
    pub fn range(
        &self,
        keyspace: &Keyspace,
        first: &[u8],
        end: Bound<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Value, Value)>, EngineError> {
        let bounds = (Bound::Included(first), end);
        let is_empty = match end {
            Bound::Included(end) => first > end,
            Bound::Excluded(end) => first >= end,
            Bound::Unbounded => false,
        };
        if is_empty {
            return Ok(Vec::new());
        }
        let mut durable = pairs(keyspace, keyspace.inner.range::<&[u8], _>(bounds)).peekable();
        let overlay = self.overlays.get(&keyspace.id());
        let mut changes =
            overlay.into_iter().flat_map(|overlay| overlay.changes.range::<[u8], _>(bounds)).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            // Of both sides the smaller key; of equal ones the change counts.
            let change_is_next = match (durable.peek(), changes.peek()) {
                (None, None) => break,
                (Some(Err(_)), _) | (Some(_), None) => false,
                (None, Some(_)) => true,
                (Some(Ok((durable_key, _))), Some((changed_key, _))) => {
                    if durable_key == *changed_key {
                        durable.next();
                        true
                    } else {
                        *changed_key < durable_key
                    }
                }
            };
            if change_is_next {
                if let Some((key, Some(value))) = changes.next() {
                    found.push((key.clone(), value.clone()));
                }
            } else if let Some(pair) = durable.next() {
                found.push(pair?);
            }
        }
        Ok(found)
    }

    /// The first `limit` pairs whose key begins with `prefix`, in order.
    ///
    /// # Errors
    /// When the disk can't be read or its contents are damaged.
    pub fn prefix(
        &self,
        keyspace: &Keyspace,
        prefix: &[u8],
        limit: usize,
    ) -> Result<Vec<(Value, Value)>, EngineError> {
        let end = after_prefix(prefix);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.range(keyspace, prefix, end, limit)
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, keyspace: &Keyspace, key: impl Into<Value>, value: impl Into<Value>) {
        self.change(keyspace, key.into(), Some(value.into()));
    }

    /// Removes a key.
    pub fn remove(&mut self, keyspace: &Keyspace, key: impl Into<Value>) {
        self.change(keyspace, key.into(), None);
    }

    fn change(&mut self, keyspace: &Keyspace, key: Value, value: Option<Value>) {
        self.bytes += (key.len() + value.as_ref().map_or(0, |value| value.len())) as u64;
        let overlay = self
            .overlays
            .entry(keyspace.id())
            .or_insert_with(|| Overlay { keyspace: keyspace.clone(), changes: BTreeMap::new() });
        overlay.changes.insert(key, value);
    }

    /// Bytes put in so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Moves all changes into a batch; says how many.
    pub(crate) fn drain_into(self, batch: &mut fjall::OwnedWriteBatch) -> usize {
        let mut count = 0;
        for overlay in self.overlays.into_values() {
            count += overlay.changes.len();
            for (key, change) in overlay.changes {
                match change {
                    Some(value) => batch.insert(&overlay.keyspace.inner, key, value),
                    None => batch.remove(&overlay.keyspace.inner, key),
                }
            }
        }
        count
    }
}

impl fmt::Debug for Tx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tx({} bytes)", self.bytes)
    }
}

/// The smallest key above all that begin with `prefix`; `None` where there is no such key.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::after_prefix;

    #[test]
    fn the_key_after_a_prefix_is_above_all_that_begin_with_it() {
        assert_eq!(after_prefix(b"ab").as_deref(), Some(b"ac".as_slice()));
        assert_eq!(after_prefix(&[1, 0xFF, 0xFF]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xFF]), None);
        assert_eq!(after_prefix(&[]), None);
    }
}
