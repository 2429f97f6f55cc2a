//! The one thread that writes: many writes, one durable batch.
//!
//! The engine below syncs inside its journal's lock and knows no group commit, so all writes go through here.

use crate::queue::{Job, Queue};
use crate::{EngineError, EngineOptions, Tx};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) commits: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

pub(crate) struct Committer {
    pub(crate) database: fjall::Database,
    pub(crate) dir: Arc<Path>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) options: EngineOptions,
}

impl Committer {
    /// Commits until the queue is closed and drained, or the disk fails.
    #[expect(
        clippy::disallowed_methods,
        reason = "the pace of a thread of its own, which no decision depends on; real time is meant"
    )]
    pub(crate) fn run(self) {
        // Whatever ends this thread, nobody waits in vain.
        let _last_words = LastWords(self.queue.clone());
        let mut last = None;
        let (interval, low_bytes) = (self.options.commit_interval, self.options.low_bytes_per_commit);
        while let Some(mut jobs) = self.queue.next_batch(last, interval, low_bytes) {
            last = Some(std::time::Instant::now());
            let mut tx = Tx::default();
            for job in &mut jobs {
                job.run(&mut tx);
            }
            let committed = self.commit(tx);
            let failed = committed.clone().err();
            answer(jobs, &committed);
            if let Some(error) = failed {
                tracing::error!(%error, "nothing more is acknowledged");
                answer(self.queue.fail(error.clone()), &Err(error));
                return;
            }
        }
    }

    fn commit(&self, tx: Tx) -> Result<(), EngineError> {
        let bytes = tx.bytes();
        let mut batch = self.database.batch().durability(Some(fjall::PersistMode::SyncData));
        let changes = tx.drain_into(&mut batch);
        if changes == 0 {
            return Ok(());
        }
        batch.commit().map_err(|error| EngineError::from_fjall(&self.dir, &error))?;
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.counts.changes.fetch_add(changes as u64, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }
}

fn answer(jobs: Vec<Box<dyn Job>>, committed: &Result<(), EngineError>) {
    for job in jobs {
        job.finish(committed.clone());
    }
}

struct LastWords(Arc<Queue>);

impl Drop for LastWords {
    fn drop(&mut self) {
        answer(self.0.fail(EngineError::Closed), &Err(EngineError::Closed));
    }
}
