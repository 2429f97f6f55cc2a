//! What `chunks` asks the sender for.

use super::ChunkRow;
use crate::index_set::IndexSet;
use sluice_schemas::{ChunkReady, IndexRange, RetryReady};

impl ChunkRow {
    /// The first attempt for all of its recipients who can be called.
    pub fn first_attempt(&self) -> ChunkReady {
        ChunkReady {
            chunk: self.id.0.into(),
            page: self.page.as_str().to_owned(),
            size: i32::try_from(self.size).unwrap_or(i32::MAX),
            spans: self.spans.clone(),
            class: self.class.clone(),
        }
    }

    /// Another attempt for some of them. `not_before_ms`: ms since 1970.
    pub fn another_attempt(&self, attempt: u8, not_before_ms: i64, indexes: &IndexSet) -> RetryReady {
        let range = |(first, last): (u16, u16)| IndexRange { first: first.into(), last: last.into() };
        RetryReady {
            chunk: self.id.0.into(),
            page: self.page.as_str().to_owned(),
            attempt: i32::from(attempt),
            not_before_ms,
            indexes: indexes.ranges().into_iter().map(range).collect(),
            class: self.class.clone(),
        }
    }
}
