//! Counts everybody of a cancelled campaign who was not called.

use crate::check::is_done;
use crate::control::bump_pages;
use crate::error::CompletionError;
use crate::processor::CompletionPorts;
use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::chunk_state::entry;
use sluice_core::facts::Status;
use sluice_core::{
    CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody, PageId,
};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Fact, Receipt, encode};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Who is counted as cancelled: whoever is open and not claimed. A claimed one may be on the phone just now; its
/// outcome, or `unresolved`, settles it. A claim of an attempt whose outcome `state` shows is over, although it
/// stays in the ledger until the page writes again: its recipient waits for a retry that nobody will make.
pub(crate) fn to_cancel(state: &ChunkState, size: u32, claims: &LedgerBody, chunk: ChunkId) -> IndexSet {
    let mut open = state.select(size, |recipient| recipient.status() == Status::Pending);
    let mut claims = claims.clone();
    claims.settle(chunk, state);
    open.subtract(&claims.claimed(chunk));
    open
}

/// What was already asked for, so that a receipt on its way is not written again at every look.
#[derive(Debug, Default)]
pub(crate) struct Finalizer {
    campaigns: HashMap<CampaignId, HashMap<ChunkId, (Duration, IndexSet)>>,
}

impl Finalizer {
    /// Whether the campaign is being cancelled: claims settle late, so each of its receipts may be the last.
    pub(crate) fn is_at(&self, campaign: CampaignId) -> bool {
        self.campaigns.contains_key(&campaign)
    }

    /// The campaign has ended.
    pub(crate) fn forget(&mut self, campaign: CampaignId) {
        self.campaigns.remove(&campaign);
    }

    /// Forgets all but these.
    pub(crate) fn retain(&mut self, known: &BTreeSet<CampaignId>) {
        self.campaigns.retain(|id, _| known.contains(id));
    }

    /// Appends a `cancelled` receipt for each chunk with somebody to cancel. `again` is how long an earlier one
    /// may take to show.
    pub(crate) async fn run(
        &mut self,
        ports: &CompletionPorts,
        row: &CampaignRow,
        chunks: &[ChunkRow],
        counters: &[(ChunkId, Counters)],
        again: Duration,
    ) -> Result<(), CompletionError> {
        let asked = match self.campaigns.entry(row.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                // Whoever asked may have died before it told the pages. Only after this no claim can be added.
                bump_pages(&*ports.store, row).await?;
                new.insert(HashMap::new())
            }
        };
        let now = ports.clock.monotonic();
        let by_chunk: BTreeMap<ChunkId, &Counters> =
            counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
        let mut ledgers: BTreeMap<PageId, LedgerBody> = BTreeMap::new();
        let mut batches: BTreeMap<Partition, Vec<NewRecord>> = BTreeMap::new();
        let mut news: Vec<(ChunkId, IndexSet)> = Vec::new();
        for chunk in chunks {
            if is_done(chunk, by_chunk.get(&chunk.id).copied()) {
                asked.remove(&chunk.id);
                continue;
            }
            // The ledger first: a claim that has left it shows its outcome in a state that is read after it.
            if !ledgers.contains_key(&chunk.page) {
                let ledger = ports.store.ledger(&chunk.page).await?;
                ledgers.insert(chunk.page.clone(), ledger.map(|ledger| ledger.body).unwrap_or_default());
            }
            let Some(claims) = ledgers.get(&chunk.page) else { continue };
            let (_, state) = ports.store.load_chunk(chunk.id).await?.unwrap_or_default();
            let mut indexes = to_cancel(&state, chunk.size, claims, chunk.id);
            if let Some((_, before)) = asked.get(&chunk.id).filter(|(at, _)| now.saturating_sub(*at) < again)
            {
                indexes.subtract(before);
            }
            if indexes.is_empty() {
                continue;
            }
            let at_ms = ports.clock.wall_ms();
            let entries = indexes
                .ranges()
                .into_iter()
                .map(|(first, last)| entry(Fact::Cancelled, first, last, 0, at_ms))
                .collect();
            let receipt = Receipt { chunk: ByteArray::new(chunk.id.0), entries };
            batches.entry(Partition(u32::from(chunk.id.receipts_partition()))).or_default().push(NewRecord {
                key: Bytes::copy_from_slice(&chunk.id.0),
                value: Bytes::from(encode(&receipt)),
            });
            news.push((chunk.id, indexes));
        }
        let tickets: Vec<_> = batches
            .into_iter()
            .map(|(partition, records)| ports.log.append(Topic::Receipts, partition, records))
            .collect();
        for ticket in tickets {
            ticket.await?;
        }
        for (chunk, indexes) in news {
            let (at, all) = asked.entry(chunk).or_default();
            *at = now;
            all.union_with(&indexes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::tests::chunk_row;

    #[test]
    fn hazard_23_open_and_retrying_recipients_are_cancelled_claimed_and_final_ones_are_not() {
        let chunk = chunk_row(0, 6).id;
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Accepted, 0, 0, 1, 0));
        state.merge(&entry(Fact::Skipped, 1, 1, 0, 0));
        state.merge(&entry(Fact::Failed, 2, 2, 1, 0));
        state.merge(&entry(Fact::Unresolved, 3, 3, 1, 0));
        let mut claims = LedgerBody::new();
        // The first attempt of 2 is over, whatever the ledger still says.
        claims.claim(chunk, 1, &[2, 4].into_iter().collect()).unwrap();
        assert_eq!(to_cancel(&state, 6, &claims, chunk).ranges(), [(2, 2), (5, 5)]);
    }
}
