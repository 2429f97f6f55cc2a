//! One assigned partition of `chunks`, as the pages on it use it: what is finished, committed, carried forward, read again.

use crate::backlog::Backlog;
use crate::shard::{Context, SenderError};
use sluice_runtime::ports::log::{
    Committer, LogError, NewRecord, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// Parked records of one read: about 200 KiB.
const REREAD: ReadLimit = ReadLimit { records_max: 512, bytes_max: 1 << 20 };

/// One assigned partition, as its pages use it.
pub(crate) struct ShardHandle {
    pub(crate) partition: Partition,
    committer: Arc<dyn Committer>,
    backlog: Mutex<Backlog>,
    /// Number of the newest commit that was asked for.
    asked: AtomicU64,
    /// Held while committing, so that commits never go backwards.
    committed: tokio::sync::Mutex<Committed>,
}

/// What was committed last.
#[derive(Default)]
struct Committed {
    position: Option<u64>,
    /// Commits up to this one had been asked for when it began.
    answers: u64,
}

impl ShardHandle {
    pub(crate) fn new(
        partition: Partition,
        committer: Arc<dyn Committer>,
        position: u64,
        records_max: usize,
    ) -> Self {
        let backlog = Mutex::new(Backlog::new(position, records_max));
        Self {
            partition,
            committer,
            backlog,
            asked: AtomicU64::new(0),
            committed: tokio::sync::Mutex::default(),
        }
    }

    pub(crate) fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records need nothing any more.
    pub(crate) fn finish(&self, records: &[u64]) {
        let mut backlog = self.backlog();
        records.iter().for_each(|&offset| backlog.finish(offset));
    }

    /// A synchronous commit that begins after this was called; refused for a former member, so that one can't take
    /// pages back (hazard 6). Pages that ask together share one: a shard may have hundreds that are all to be taken.
    pub(crate) async fn commit(&self) -> Result<(), LogError> {
        let question = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut committed = self.committed.lock().await;
        if committed.answers >= question {
            return Ok(());
        }
        let newest = self.asked.load(Ordering::SeqCst);
        let position = self.backlog().position();
        self.committer.commit(self.partition, Position(position)).await?;
        *committed = Committed { position: Some(position), answers: newest };
        Ok(())
    }

    pub(crate) async fn commit_if_moved(&self) -> Result<(), LogError> {
        let moved = self.committed.lock().await.position != Some(self.backlog().position());
        if moved { self.commit().await } else { Ok(()) }
    }

    /// An old unfinished record is produced again at the end, then counts as done (hazard 27).
    pub(crate) async fn carry_forward(&self, context: &Context) -> Result<(), SenderError> {
        let handle = self;
        let Some(offset) = handle.backlog().pinned(context.options.carry_after) else { return Ok(()) };
        let limit = ReadLimit { records_max: 1, bytes_max: usize::MAX };
        let log = &context.ports.log;
        let records = match log.read(Topic::Chunks, handle.partition, Position(offset), limit).await {
            Ok(records) => records,
            Err(LogError::BelowStart { .. }) => {
                // The page still has it; a restart would not find it (hazard 26).
                warn!(shard = handle.partition.0, offset, "retention removed an unfinished record of chunks");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(record) = records.into_iter().find(|record| record.offset.0 == offset) {
            let copy = NewRecord { key: record.key, value: record.value };
            log.append(Topic::Chunks, handle.partition, vec![copy]).await?;
            handle.backlog().carried(offset);
        }
        Ok(())
    }

    /// Records from the first parked one on that there is room for.
    pub(crate) async fn read_parked(&self, context: &Context) -> Result<Vec<StoredRecord>, SenderError> {
        let Some(first) = self.backlog().wanted() else { return Ok(Vec::new()) };
        match context.ports.log.read(Topic::Chunks, self.partition, Position(first), REREAD).await {
            Ok(records) => {
                if let Some(next) = records.first().filter(|record| record.offset.0 > first) {
                    self.forget_parked(first, next.offset.0);
                }
                Ok(records)
            }
            Err(LogError::BelowStart { start, .. }) => {
                self.forget_parked(first, start.0);
                Ok(Vec::new())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Parked records that the log does not have any more: whoever looks at campaigns that stand still has them
    /// produced again.
    fn forget_parked(&self, first: u64, end: u64) {
        warn!(shard = self.partition.0, first, end, "parked records of chunks are gone");
        self.backlog().forget_parked_below(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    /// Answers after 10 ms, and counts.
    #[derive(Default)]
    struct SlowCommitter {
        commits: AtomicU64,
        is_former: AtomicBool,
    }

    impl Committer for SlowCommitter {
        fn commit<'a, 'b>(
            &'a self,
            partition: Partition,
            _: Position,
        ) -> Pin<Box<dyn Future<Output = Result<(), LogError>> + Send + 'b>>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async move {
                self.commits.fetch_add(1, Ordering::SeqCst);
                let is_former = self.is_former.load(Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                let fenced = LogError::Fenced { topic: Topic::Chunks, partition };
                if is_former { Err(fenced) } else { Ok(()) }
            })
        }

        fn pause(&self, _: Partition) {}

        fn resume(&self, _: Partition) {}
    }

    #[tokio::test(start_paused = true)]
    async fn hazard_6_pages_that_are_taken_together_share_a_commit_and_none_that_began_before() {
        let committer = Arc::new(SlowCommitter::default());
        let handle = Arc::new(ShardHandle::new(Partition(0), committer.clone(), 0, 100));
        let taken = |count: usize| {
            let all = (0..count).map(|_| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.commit().await })
            });
            futures_util::future::join_all(all.collect::<Vec<_>>())
        };
        let all = taken(300).await;
        assert!(all.into_iter().all(|taken| taken.unwrap().is_ok()));
        // The first one had begun before the others asked; the second answers all of them.
        assert_eq!(committer.commits.load(Ordering::SeqCst), 2);
        // One that is under way says nothing about who asks now.
        let under_way = tokio::spawn({
            let handle = handle.clone();
            async move { handle.commit().await }
        });
        tokio::time::sleep(Duration::from_millis(5)).await;
        committer.is_former.store(true, Ordering::SeqCst);
        let later = taken(3).await;
        assert_eq!(under_way.await.unwrap(), Ok(()));
        assert!(later.into_iter().all(|taken| matches!(taken.unwrap(), Err(LogError::Fenced { .. }))));
    }
}
