//! Whether everything is merged that `receipts` held at some time: an outcome that lies there may settle what seems to
//! be open.

use crate::ports::log::{Log, LogError, Partition, Position, Topic};
use sluice_core::ChunkId;
use std::collections::{BTreeMap, BTreeSet};

/// The consumer group of the receipt processor: how far it has merged.
pub const RECEIPTS_GROUP: &str = "receipts";

/// The ends of some partitions of `receipts`, as they were when it was first asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptsBarrier(Option<BTreeMap<Partition, Position>>);

impl ReceiptsBarrier {
    /// Whether the receipt processor has merged all that lay, at the first question, in the partitions that `chunks`
    /// report to; later questions take no other chunks into account.
    ///
    /// # Errors
    /// The log's.
    pub async fn is_passed(
        &mut self,
        log: &dyn Log,
        chunks: impl IntoIterator<Item = ChunkId>,
    ) -> Result<bool, LogError> {
        let ends = match &mut self.0 {
            Some(ends) => ends,
            none => none.insert(ends(log, chunks).await?),
        };
        for (partition, end) in ends {
            let merged = log.committed(RECEIPTS_GROUP, Topic::Receipts, *partition).await?;
            if merged.unwrap_or_default() < *end {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

async fn ends(
    log: &dyn Log,
    chunks: impl IntoIterator<Item = ChunkId>,
) -> Result<BTreeMap<Partition, Position>, LogError> {
    let partitions: BTreeSet<Partition> =
        chunks.into_iter().map(|chunk| Partition(u32::from(chunk.receipts_partition()))).collect();
    let mut ends = BTreeMap::new();
    for partition in partitions {
        ends.insert(partition, log.bounds(Topic::Receipts, partition).await?.end);
    }
    Ok(ends)
}
