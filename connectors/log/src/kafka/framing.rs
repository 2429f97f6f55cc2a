//! The edge where values get and lose the header of a schema registry.

use async_trait::async_trait;
use bytes::Bytes;
use sluice_runtime::ports::log::{StoredRecord, Topic};
use std::sync::Arc;

/// A value that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// As the rest of Sluice reads it.
    Ready(Bytes),
    /// Its schema is not known yet: [`Framing::resolve`] finds it out.
    Unknown,
}

/// Changes the header of values on their way out and in. Inside Sluice every value has the header of Avro's
/// single-object encoding; on the topics it may have that of a schema registry.
#[async_trait]
pub trait Framing: Send + Sync {
    /// Puts the value as it goes out into `out`, which is empty; `false` sends it as it is. Never blocks: it
    /// runs where all records of the process pass.
    fn outgoing(&self, topic: Topic, value: &[u8], out: &mut Vec<u8>) -> bool;
    /// Looks at a value that came in. Never blocks.
    fn incoming(&self, topic: Topic, value: Bytes) -> Incoming;
    /// The value whose schema was not known, waiting while the registry is away. A value that can't be
    /// resolved comes back unchanged, so that its reader makes it a dead letter.
    async fn resolve(&self, topic: Topic, value: Bytes) -> Bytes;
    /// What keeps values from being read now, for people; `None` while all is well.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Reframes what was read, in order; gives how many are ready. The one after them is not known yet.
pub(crate) fn reframe(framing: &dyn Framing, topic: Topic, records: &mut [StoredRecord]) -> usize {
    for (index, record) in records.iter_mut().enumerate() {
        match framing.incoming(topic, record.value.clone()) {
            Incoming::Ready(value) => record.value = value,
            Incoming::Unknown => return index,
        }
    }
    records.len()
}

/// Reframes everything that was read, waiting for what is not known.
pub(crate) async fn reframe_all(
    framing: Option<&Arc<dyn Framing>>,
    topic: Topic,
    records: &mut [StoredRecord],
) {
    let Some(framing) = framing else { return };
    let mut rest = records;
    loop {
        let ready = reframe(&**framing, topic, rest);
        let Some(record) = rest.get_mut(ready) else { return };
        record.value = framing.resolve(topic, record.value.clone()).await;
        rest = &mut rest[ready + 1..];
    }
}
