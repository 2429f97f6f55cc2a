//! How far each partition of launches is worked off, and whether it is still this member's.

use sluice_runtime::ports::log::{Committer, LogError, Partition, Position};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The positions of the assigned partitions; commits one after the other, so that they never go back.
pub(crate) struct Positions {
    committer: Arc<dyn Committer>,
    known: Mutex<BTreeMap<Partition, Position>>,
    turn: tokio::sync::Mutex<()>,
}

impl Positions {
    pub(crate) fn new(committer: Arc<dyn Committer>) -> Self {
        Self { committer, known: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<Partition, Position>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn assigned(&self, partition: Partition, position: Position) {
        self.known().insert(partition, position);
    }

    pub(crate) fn gone(&self, partition: Partition) {
        self.known().remove(&partition);
    }

    pub(crate) fn has(&self, partition: Partition) -> bool {
        self.known().contains_key(&partition)
    }

    /// Delivers nothing of a partition for a while, or again.
    pub(crate) fn pause(&self, partition: Partition, pause: bool) {
        if pause { self.committer.pause(partition) } else { self.committer.resume(partition) }
    }

    /// Commits. `false`: the partition belongs to another member.
    pub(crate) async fn advance(&self, partition: Partition, position: Position) -> Result<bool, LogError> {
        let _turn = self.turn.lock().await;
        if !self.commit(partition, position).await? {
            return Ok(false);
        }
        if let Some(known) = self.known().get_mut(&partition) {
            *known = position;
        }
        Ok(true)
    }

    /// Whether the partition is still this member's: a commit of what is known is refused for a former one, which
    /// may only believe so after a sleep (hazard 6).
    pub(crate) async fn is_ours(&self, partition: Partition) -> Result<bool, LogError> {
        let _turn = self.turn.lock().await;
        let Some(position) = self.known().get(&partition).copied() else { return Ok(false) };
        self.commit(partition, position).await
    }

    async fn commit(&self, partition: Partition, position: Position) -> Result<bool, LogError> {
        match self.committer.commit(partition, position).await {
            Ok(()) => Ok(true),
            Err(LogError::Fenced { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
