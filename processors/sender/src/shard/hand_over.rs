//! The end of shards: their pages are handed over, then their offsets are committed for the last time.

use super::SenderError;
use crate::handle::ShardHandle;
use sluice_runtime::ports::log::{Deliveries, Delivery, LogError, RevokeGuard};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};

/// How long a log that is away may hold the end of a shard up.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// Shards that go to others, and the guard that waits for them.
pub(super) struct HandOver {
    pub(super) shards: JoinSet<Result<(), SenderError>>,
    pub(super) guard: Option<RevokeGuard>,
}

impl HandOver {
    /// Finishes inside the group. Whoever leaves first has its pages taken in the middle of the drain, and all
    /// that was granted and not called becomes unknown (hazard 11).
    pub(super) async fn finish_as_member(self, deliveries: &mut dyn Deliveries) -> Result<(), SenderError> {
        let mut finished = std::pin::pin!(self.finish());
        let mut held: Vec<RevokeGuard> = Vec::new();
        loop {
            tokio::select! {
                biased;
                ended = &mut finished => return ended,
                delivery = deliveries.next() => match delivery {
                    Ok(Delivery::Revoking { done, .. }) => held.push(done),
                    // Nothing new is begun.
                    Ok(Delivery::Assigned { .. } | Delivery::Records { .. } | Delivery::Lost { .. }) => {}
                    Err(_) => return finished.await,
                },
            }
        }
    }

    pub(super) async fn finish(self) -> Result<(), SenderError> {
        let result = all_of(self.shards).await;
        drop(self.guard);
        result
    }
}

/// Waits for all, also after one that failed.
pub(super) async fn all_of(mut tasks: JoinSet<Result<(), SenderError>>) -> Result<(), SenderError> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        result = result.and(joined(ended).and_then(|ended| ended));
    }
    result
}

/// What a task brought; that it panicked is a bug.
pub(crate) fn joined<T>(ended: Result<T, JoinError>) -> Result<T, SenderError> {
    ended.map_err(|error| SenderError::Page(error.to_string()))
}

/// The last commit of a shard whose pages are handed over.
pub(super) async fn commit_last(shard: &ShardHandle) -> Result<(), SenderError> {
    match tokio::time::timeout(LAST_COMMIT, shard.commit_if_moved()).await {
        Ok(Ok(()) | Err(LogError::Fenced { .. })) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        // The log is away: what is finished is read once more, and found to be.
        Err(_) => Ok(()),
    }
}
