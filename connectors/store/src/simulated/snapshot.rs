//! Everything in the store, past all faults: for a test's questions.

use super::SimStore;
use sluice_core::chunk_state::Stamp;
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, PageId};
use sluice_runtime::ports::store::{LedgerRow, RecipientRow};
use sluice_schemas::ReceiptEntry;
use std::collections::BTreeMap;

/// The rows at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Campaign rows.
    pub campaigns: BTreeMap<CampaignId, CampaignRow>,
    /// Committed chunks.
    pub chunks: BTreeMap<ChunkId, ChunkRow>,
    /// Page ledgers.
    pub ledgers: BTreeMap<PageId, LedgerRow>,
    /// Chunk states at the highest stamp that any replica has.
    pub states: BTreeMap<ChunkId, (Stamp, ChunkState)>,
    /// The counters beside them.
    pub counters: BTreeMap<ChunkId, Counters>,
    /// Entries saved for a chunk, on any replica.
    pub details: BTreeMap<ChunkId, Vec<ReceiptEntry>>,
    /// Recipients by chunk, also of chunks that were never committed.
    pub recipients: BTreeMap<ChunkId, Vec<RecipientRow>>,
}

impl SimStore {
    /// All rows as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let tables = self.tables();
        let mut snapshot = Snapshot::default();
        for (id, cell) in &tables.campaigns {
            snapshot.campaigns.insert(*id, cell.row.clone());
            snapshot.chunks.extend(cell.chunks.values().map(|row| (row.id, row.clone())));
        }
        snapshot.ledgers =
            tables.ledgers.iter().map(|(page, cell)| (page.clone(), cell.row.clone())).collect();
        for chunk in tables.states.chunks() {
            let row = tables.states.inspect(chunk);
            if let Some((stamp, bytes)) = row.state {
                // What can't be read is missing here, and the test finds that.
                if let Ok(state) = ChunkState::decode(&bytes) {
                    snapshot.states.insert(chunk, (stamp, state));
                }
            }
            if let Some((_, counters)) = row.counters {
                snapshot.counters.insert(chunk, counters);
            }
            snapshot.details.insert(chunk, row.details.into_values().flatten().collect());
        }
        let rows = |rows: &BTreeMap<u16, RecipientRow>| rows.values().cloned().collect();
        snapshot.recipients = tables.recipients.iter().map(|(chunk, all)| (*chunk, rows(all))).collect();
        snapshot
    }
}
