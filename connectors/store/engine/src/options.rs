//! Sizes and times of the engine.

use std::time::Duration;

/// How the engine trades latency, memory and speed. The defaults keep a process well below 150 MB.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Writes that come within this time share one sync of the disk. A write that comes after a quiet
    /// interval is committed at once.
    pub commit_interval: Duration,
    /// Blocks of tables kept decoded, in bytes.
    pub cache_bytes: u64,
    /// Journals may grow to this before tables are flushed; opening again reads them. 64 MiB at least.
    pub journal_bytes_max: u64,
    /// Low-priority writes in one commit, in bytes; at least one is taken.
    pub low_bytes_per_commit: usize,
    /// Low-priority writes that may be reserved and not yet durable, in bytes.
    pub low_bytes_waiting_max: usize,
    /// Threads that flush and compact tables.
    pub worker_threads: usize,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            commit_interval: Duration::from_millis(2),
            cache_bytes: 16 << 20,
            journal_bytes_max: 64 << 20,
            low_bytes_per_commit: 256 << 10,
            low_bytes_waiting_max: 8 << 20,
            worker_threads: 2,
        }
    }
}
