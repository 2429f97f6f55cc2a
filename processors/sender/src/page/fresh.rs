//! What is granted was looked at a moment ago. A slow page or a long hold keeps decoded sends for minutes; people who
//! opted out and recipients who were settled meanwhile must not be called (A4, G7).

use super::{Page, Ready, ReadySend, loading::skipped};
use crate::shard::SenderError;
use sluice_core::{CampaignId, ChunkId};
use sluice_runtime::ports::store::StoreError;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How old a look may be when its send is granted. The call follows within the life of the grant.
const FRESH: Duration = Duration::from_secs(2);

impl ReadySend {
    /// Whether it may be granted without another look.
    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        now.saturating_sub(self.looked_at) <= FRESH
    }
}

impl Page {
    /// Looks again at what would be granted next, where the last look is too long ago.
    pub(super) async fn look_again(&mut self) -> Result<(), SenderError> {
        let now = self.now();
        if self.grant.is_some() {
            return Ok(());
        }
        let limit = self.grantable(now);
        if limit == 0 {
            return Ok(());
        }
        let ids: Vec<CampaignId> = self.lanes.keys().copied().collect();
        for id in ids {
            let Some(state) = self.lanes.get(&id) else { continue };
            if self.template_waits(&state.template, now) {
                continue;
            }
            let next = state.window.iter().take(limit);
            let stale: Vec<&Ready> = next.filter(|ready| !ready.is_fresh(now)).collect();
            if stale.is_empty() {
                continue;
            }
            let addresses: Vec<String> = stale.iter().map(|ready| ready.to.clone()).collect();
            let mut chunks: Vec<ChunkId> = stale.iter().map(|ready| ready.chunk).collect();
            chunks.sort();
            chunks.dedup();
            let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
            let Some(suppressed) = self.suppressed(id, &addresses).await? else { return Ok(()) };
            let mut states = BTreeMap::new();
            for chunk in chunks {
                let Some(state) = self.chunk_state(chunk).await? else { return Ok(()) };
                self.settle_claims(chunk, &state);
                states.insert(chunk, state);
            }
            let settle = self.ms(self.context.options.settle_ms);
            let Some(state) = self.lanes.get_mut(&id) else { continue };
            let mut suppressed = suppressed.into_iter();
            let mut kept = VecDeque::with_capacity(state.window.len());
            let mut reports = Vec::new();
            for (place, mut ready) in std::mem::take(&mut state.window).into_iter().enumerate() {
                if place < limit && !ready.is_fresh(now) {
                    if suppressed.next().unwrap_or(false) {
                        reports.push((ready.chunk, ready.index));
                        continue;
                    }
                    let known = states.get(&ready.chunk);
                    if known.is_some_and(|known| !known.recipient(ready.index).may_attempt(ready.attempt)) {
                        self.settling.look(ready.chunk, now, settle);
                        continue;
                    }
                    ready.looked_at = now;
                }
                kept.push_back(ready);
            }
            state.window = kept;
            let now_ms = self.context.ports.clock.wall_ms();
            for (chunk, index) in reports {
                self.report(chunk, skipped(index, now_ms));
            }
        }
        Ok(())
    }

    /// Which of these people want no messages; `None` while the store is not available.
    pub(super) async fn suppressed(
        &mut self,
        id: CampaignId,
        addresses: &[&str],
    ) -> Result<Option<Vec<bool>>, SenderError> {
        let Some(state) = self.lanes.get(&id) else { return Ok(Some(vec![false; addresses.len()])) };
        let launch = &state.campaign.row.launch;
        match self.context.ports.store.suppressed(&launch.tenant, launch.channel, addresses).await {
            Ok(suppressed) => Ok(Some(suppressed)),
            Err(StoreError::Unavailable(reason)) => {
                self.wait_for_store(reason).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The store gave no answer: says so, and waits a moment.
    pub(super) async fn wait_for_store(&mut self, reason: String) {
        self.away = Some(reason);
        self.show();
        tokio::time::sleep(self.ms(self.context.options.again_ms)).await;
    }
}
