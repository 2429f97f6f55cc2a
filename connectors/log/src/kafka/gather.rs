//! Records copied out of librdkafka's memory: many into one buffer, so that a record costs no allocation.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Message};
use sluice_runtime::ports::log::{Offset, StoredRecord};

/// Records that were polled together.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    raw: Vec<u8>,
    /// Offset, and the lengths of key and value.
    places: Vec<(u64, usize, usize)>,
}

impl Gather {
    /// Copies a record; gives its bytes.
    pub(crate) fn add(&mut self, message: &BorrowedMessage<'_>) -> usize {
        // A missing key or value (a tombstone of somebody else's) reads as an empty one.
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        self.raw.extend_from_slice(key);
        self.raw.extend_from_slice(value);
        self.places.push((message.offset().max(0).cast_unsigned(), key.len(), value.len()));
        key.len() + value.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.raw.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The records; they share one buffer.
    pub(crate) fn finish(self) -> Vec<StoredRecord> {
        let raw = Bytes::from(self.raw);
        let mut at = 0;
        let cut = |(offset, key, value): (u64, usize, usize)| {
            let record = StoredRecord {
                offset: Offset(offset),
                key: raw.slice(at..at + key),
                value: raw.slice(at + key..at + key + value),
            };
            at += key + value;
            record
        };
        self.places.into_iter().map(cut).collect()
    }
}
