//! Chunks that are known to exist, with their sizes.

use crate::again::until_answered;
use crate::error::ReceiptError;
use sluice_core::ChunkId;
use sluice_runtime::ports::store::Store;
use std::collections::BTreeMap;

/// Bounded: when it is full it starts anew.
#[derive(Debug)]
pub(crate) struct KnownChunks {
    sizes: BTreeMap<ChunkId, u32>,
    chunks_max: usize,
}

impl KnownChunks {
    pub(crate) fn new(chunks_max: usize) -> Self {
        Self { sizes: BTreeMap::new(), chunks_max }
    }

    /// Rows of a committed chunk; `None` for one that was never committed, which is looked up each time.
    pub(crate) async fn size(
        &mut self,
        store: &dyn Store,
        chunk: ChunkId,
    ) -> Result<Option<u32>, ReceiptError> {
        if let Some(size) = self.sizes.get(&chunk) {
            return Ok(Some(*size));
        }
        let Some(row) = until_answered("chunk", || store.chunk(chunk)).await? else { return Ok(None) };
        if self.sizes.len() >= self.chunks_max {
            self.sizes.clear();
        }
        self.sizes.insert(chunk, row.size);
        Ok(Some(row.size))
    }
}
