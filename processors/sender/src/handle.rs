//! One assigned partition of `chunks`, as the pages on it use it: what is finished, committed, carried forward, read again.

use crate::backlog::Backlog;
use crate::shard::{Context, SenderError};
use sluice_runtime::ports::log::{
    Committer, LogError, NewRecord, Partition, Position, ReadLimit, StoredRecord, Topic,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::warn;

/// Parked records of one read: about 200 KiB.
const REREAD: ReadLimit = ReadLimit { records_max: 512, bytes_max: 1 << 20 };

/// One assigned partition, as its pages use it.
pub(crate) struct ShardHandle {
    pub(crate) partition: Partition,
    committer: Arc<dyn Committer>,
    backlog: Mutex<Backlog>,
    /// The newest committed position; held while committing, so that commits never go backwards.
    committed: tokio::sync::Mutex<Option<u64>>,
}

impl ShardHandle {
    pub(crate) fn new(
        partition: Partition,
        committer: Arc<dyn Committer>,
        position: u64,
        records_max: usize,
    ) -> Self {
        let backlog = Mutex::new(Backlog::new(position, records_max));
        Self { partition, committer, backlog, committed: tokio::sync::Mutex::new(None) }
    }

    pub(crate) fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records need nothing any more.
    pub(crate) fn finish(&self, records: &[u64]) {
        let mut backlog = self.backlog();
        records.iter().for_each(|&offset| backlog.finish(offset));
    }

    /// A synchronous commit; refused for a former member, so that one can't take pages back (hazard 6).
    pub(crate) async fn commit(&self) -> Result<(), LogError> {
        let mut committed = self.committed.lock().await;
        let position = self.backlog().position();
        self.committer.commit(self.partition, Position(position)).await?;
        *committed = Some(position);
        Ok(())
    }

    pub(crate) async fn commit_if_moved(&self) -> Result<(), LogError> {
        let moved = *self.committed.lock().await != Some(self.backlog().position());
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
