//! Records copied out of librdkafka's memory: many into one buffer, so that a record costs no allocation.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Message};
use sluice_runtime::ports::log::{Offset, StoredRecord};

/// Where a record lies.
#[derive(Debug)]
struct Place {
    offset: u64,
    /// Bytes of its key.
    key: usize,
    /// Bytes of its value.
    value: usize,
    appended_ms: Option<i64>,
}

/// Records that were polled together.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    raw: Vec<u8>,
    places: Vec<Place>,
}

impl Gather {
    /// Copies a record; gives its bytes.
    pub(crate) fn add(&mut self, message: &BorrowedMessage<'_>) -> usize {
        // A missing key or value (a tombstone of somebody else's) reads as an empty one.
        let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
        self.raw.extend_from_slice(key);
        self.raw.extend_from_slice(value);
        self.places.push(Place {
            offset: message.offset().max(0).cast_unsigned(),
            key: key.len(),
            value: value.len(),
            appended_ms: message.timestamp().to_millis(),
        });
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
        let cut = |Place { offset, key, value, appended_ms }| {
            let record = StoredRecord {
                offset: Offset(offset),
                key: raw.slice(at..at + key),
                value: raw.slice(at + key..at + key + value),
                appended_ms,
            };
            at += key + value;
            record
        };
        self.places.into_iter().map(cut).collect()
    }
}
