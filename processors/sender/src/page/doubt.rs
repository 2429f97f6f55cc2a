//! Calls that nobody knows the answer of: how long their webhooks are waited for, kept in the page's ledger. Whichever
//! process is asked can tell it, and the wait goes on under the next owner instead of beginning again (G8).

use super::Page;
use crate::shard::SenderError;
use sluice_core::{ChunkId, IndexSet};
use sluice_runtime::ports::store::StoreError;
use std::time::Duration;

impl Page {
    /// Notes that the webhooks of these calls are waited for, for `wait` from now on; written with the next grant, or for
    /// its own sake. What is in doubt already keeps its time.
    pub(super) fn keep_doubt(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet, wait: Duration) {
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let until_ms = self.context.ports.clock.wall_ms().saturating_add(wait_ms);
        let Some(ownership) = &mut self.ownership else { return };
        ownership.is_unwritten |= ownership.body.doubt(chunk, attempt, indexes, until_ms);
        if let Some(grant) = &mut self.grant {
            grant.body.doubt(chunk, attempt, indexes, until_ms);
        }
    }

    /// What is left of `wait` for claims of a former owner, by when they came into doubt. A clock that is far off, or
    /// another configuration, makes none of them wait longer than `wait`. An eighth of it is left in any case: whatever
    /// kept the receipts from being merged, or all processes from running, kept webhooks as well, and they come now.
    pub(super) fn waits_left(
        &self,
        chunk: ChunkId,
        attempt: u8,
        indexes: IndexSet,
        wait: Duration,
    ) -> Vec<(Duration, IndexSet)> {
        let wall = self.context.ports.clock.wall_ms();
        let (mut waits, mut rest) = (Vec::new(), indexes);
        let doubts = self.ownership.iter().flat_map(|ownership| ownership.body.doubts());
        for doubt in doubts.filter(|doubt| (doubt.chunk, doubt.attempt) == (chunk, attempt)) {
            let mut known = doubt.indexes.clone();
            known.intersect_with(&rest);
            rest.subtract(&known);
            let left_ms = doubt.until_ms.saturating_sub(wall).max(0).unsigned_abs();
            waits.push((wait.min(Duration::from_millis(left_ms)).max(wait / 8), known));
        }
        waits.push((wait, rest));
        waits.retain(|(_, indexes)| !indexes.is_empty());
        waits
    }

    /// How long webhooks may still tell what became of a call of this chunk.
    pub(super) async fn webhooks_wait(&mut self, chunk: ChunkId) -> Result<Duration, SenderError> {
        match self.settles_by_webhook_or_unknown(chunk).await? {
            true => Ok(self.ms(self.context.options.unresolved_after_ms)),
            false => Ok(Duration::ZERO),
        }
    }

    async fn settles_by_webhook_or_unknown(&mut self, chunk: ChunkId) -> Result<bool, SenderError> {
        if let Some(known) = self.known_to_settle_by_webhook(chunk.campaign()) {
            return Ok(known);
        }
        match self.context.rows.read(chunk.campaign()).await {
            Ok(Some(row)) => Ok(self
                .context
                .ports
                .messages
                .plan(&row.launch, &self.id)
                .map_or(true, |plan| plan.correlation().settles_by_webhook)),
            Ok(None) | Err(StoreError::Unavailable(_)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}
