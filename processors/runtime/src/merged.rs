//! Whether everything is merged that `receipts` held at some time: an outcome that lies there may settle what seems to
//! be open.

use crate::ports::log::{Log, LogError, Partition, Position, Topic};
use sluice_core::ChunkId;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The consumer group of the receipt processor: how far it has merged.
pub const RECEIPTS_GROUP: &str = "receipts";

/// The ends of some partitions of `receipts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptsBarrier(BTreeMap<Partition, Position>);

impl ReceiptsBarrier {
    /// The ends as they are now of the partitions that these chunks report to.
    ///
    /// # Errors
    /// The log's.
    pub async fn now(log: &dyn Log, chunks: &[ChunkId]) -> Result<Self, LogError> {
        let mut ends = BTreeMap::new();
        for chunk in chunks {
            let partition = Partition(u32::from(chunk.receipts_partition()));
            if let Entry::Vacant(entry) = ends.entry(partition) {
                entry.insert(log.bounds(Topic::Receipts, partition).await?.end);
            }
        }
        Ok(Self(ends))
    }

    /// Whether the receipt processor has merged all that lies before.
    ///
    /// # Errors
    /// The log's.
    pub async fn is_passed(&self, log: &dyn Log) -> Result<bool, LogError> {
        for (partition, end) in &self.0 {
            let merged = log.committed(RECEIPTS_GROUP, Topic::Receipts, *partition).await?;
            if merged.unwrap_or_default() < *end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
