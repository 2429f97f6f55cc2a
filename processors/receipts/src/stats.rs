//! What the processors did, counted for metrics and benchmarks.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, since the start of the process.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

/// Of the receipt processor, since the start of the process.
#[derive(Debug, Default)]
pub struct ReceiptStats {
    /// Entries merged, replays included.
    pub facts: Count,
    /// Flushes.
    pub flushes: Count,
    /// Chunk states stored.
    pub saves: Count,
    /// Retry records made.
    pub retries: Count,
    /// Facts that had come before their send.
    pub early_facts: Count,
    /// Records nobody could use.
    pub dead_letters: Count,
}

/// Of the webhook processor, since the start of the process.
#[derive(Debug, Default)]
pub struct WebhookStats {
    /// Bodies read, replays included.
    pub bodies: Count,
    /// Facts found in them.
    pub facts: Count,
    /// Facts that went into a receipt.
    pub matched: Count,
    /// Facts given up because nobody knew their send.
    pub unmatched: Count,
    /// Bodies and facts nobody could use; unmatched ones included.
    pub dead_letters: Count,
}
