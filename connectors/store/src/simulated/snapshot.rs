//! Everything in the store, past all faults: for a test's questions.

use super::SimStore;
use super::replicas::{ALL, Details, QUORUMS, Row};
use sluice_core::chunk_state::Stamp;
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, PageId};
use sluice_runtime::ports::store::{LedgerRow, QuotaRow, RecipientRow};
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
    /// Quotas by their names.
    pub quotas: BTreeMap<String, QuotaRow>,
    /// Chunk states at the highest stamp that any replica has.
    pub states: BTreeMap<ChunkId, (Stamp, ChunkState)>,
    /// The counters beside them.
    pub counters: BTreeMap<ChunkId, Counters>,
    /// Entries saved for a chunk, on any replica.
    pub details: BTreeMap<ChunkId, Vec<ReceiptEntry>>,
    /// Recipients by chunk, also of chunks that were never committed.
    pub recipients: BTreeMap<ChunkId, Vec<RecipientRow>>,
}

/// A chunk state as a reader sees it who asks for all of its columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The stamp of the state.
    pub stamp: Stamp,
    /// The counters beside it.
    pub counters: Counters,
    /// All entries.
    pub details: Vec<ReceiptEntry>,
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
        snapshot.quotas =
            tables.quotas.iter().map(|(scope, cell)| (scope.clone(), cell.row.clone())).collect();
        for chunk in tables.states.chunks() {
            let row = tables.states.inspect(chunk, &ALL);
            if let Some((stamp, bytes)) = row.state {
                // What can't be read is missing here, and the test finds that.
                if let Ok(state) = ChunkState::decode(&bytes) {
                    snapshot.states.insert(chunk, (stamp, state));
                }
            }
            if let Some((_, counters)) = row.counters {
                snapshot.counters.insert(chunk, counters);
            }
            snapshot.details.insert(chunk, entries_of(row.details));
        }
        let rows = |rows: &BTreeMap<u16, RecipientRow>| rows.values().cloned().collect();
        snapshot.recipients = tables.recipients.iter().map(|(chunk, all)| (*chunk, rows(all))).collect();
        snapshot
    }

    /// What readers of a chunk may get now: they ask any two of the replicas.
    pub fn readers(&self, chunk: ChunkId) -> [Seen; 3] {
        let tables = self.tables();
        QUORUMS.map(|asked| seen(tables.states.inspect(chunk, &asked)))
    }
}

fn seen(row: Row) -> Seen {
    Seen {
        stamp: row.state.map(|(stamp, _)| stamp).unwrap_or_default(),
        counters: row.counters.map(|(_, counters)| counters).unwrap_or_default(),
        details: entries_of(row.details),
    }
}

fn entries_of(details: Details) -> Vec<ReceiptEntry> {
    details.into_values().flat_map(|(_, entries)| entries).collect()
}
