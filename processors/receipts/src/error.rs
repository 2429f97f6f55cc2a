//! Why a processor stopped.

use sluice_core::ChunkId;
use sluice_runtime::ports::log::{LogError, Partition};
use sluice_runtime::ports::store::StoreError;

/// Why a processor of this crate stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store refused for good; no answer at all is asked again instead.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The group committed more than the partition holds: the topic was made anew without a new generation,
    /// and every count would be lost silently (hazard 17).
    #[error(
        "receipts/{}: position {committed} is committed, the log ends at {end}: an older copy of the topic was restored; \
         delete the topic, have `sluice topics create` make it anew, and cancel what was under way",
        partition.0
    )]
    CommittedBeyondEnd {
        /// The partition.
        partition: Partition,
        /// What the group committed.
        committed: u64,
        /// Where the log ends.
        end: u64,
    },
    /// A chunk state knows more than the partition holds (hazard 17).
    #[error(
        "receipts/{}: the state of chunk {chunk} knows generation {generation} up to position {position}, the log is \
         at generation {log_generation} and ends at {end}: an older copy of the topic was restored; delete the topic, \
         have `sluice topics create` make it anew, and cancel what was under way",
        partition.0
    )]
    StateBeyondEnd {
        /// The partition.
        partition: Partition,
        /// The chunk.
        chunk: ChunkId,
        /// Of the stored stamp.
        generation: u32,
        /// Of the stored stamp.
        position: u64,
        /// Of the topic.
        log_generation: u32,
        /// Where the log ends.
        end: u64,
    },
}

impl ReceiptError {
    /// Whether somebody else has the partition now; nothing is wrong.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Log(LogError::Fenced { .. }))
    }
}
