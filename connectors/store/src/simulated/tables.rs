//! The rows.

use super::replicas::Replicas;
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, PageId};
use sluice_runtime::ports::store::{
    CorrelatedSend, CorrelationKey, EarlyFact, LedgerRow, QuotaRow, RecipientRow,
};
use sluice_schemas::Channel;
use std::collections::{BTreeMap, BTreeSet};

/// Names one call of the port: what a compare-and-set leaves behind, so that its caller knows it again.
pub(super) type OperationId = u64;

#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) campaigns: BTreeMap<CampaignId, CampaignCell>,
    pub(super) ledgers: BTreeMap<PageId, LedgerCell>,
    pub(super) quotas: BTreeMap<String, QuotaCell>,
    pub(super) recipients: BTreeMap<ChunkId, BTreeMap<u16, RecipientRow>>,
    pub(super) states: Replicas,
    pub(super) sends: BTreeMap<CorrelationKey, BTreeSet<CorrelatedSend>>,
    pub(super) facts: BTreeMap<CorrelationKey, Vec<EarlyFact>>,
    /// Why, by tenant, channel and address.
    pub(super) suppressed: BTreeMap<(String, Channel, String), String>,
    pub(super) operations: OperationId,
}

#[derive(Clone)]
pub(super) struct CampaignCell {
    pub(super) row: CampaignRow,
    /// Grows with every change of `row`.
    pub(super) version: u64,
    /// Calls that changed `row`, and to what.
    pub(super) done: BTreeMap<OperationId, CampaignRow>,
    pub(super) chunks: BTreeMap<u32, ChunkRow>,
}

#[derive(Clone)]
pub(super) struct LedgerCell {
    pub(super) row: LedgerRow,
    /// The call that took the present epoch.
    pub(super) taken_by: OperationId,
}

#[derive(Clone)]
pub(super) struct QuotaCell {
    pub(super) row: QuotaRow,
    /// The last write.
    pub(super) writer: String,
}

impl CampaignCell {
    /// Replaces the row if it is still the one of `version`.
    pub(super) fn replace(&mut self, version: u64, operation: OperationId, row: &CampaignRow) -> bool {
        if self.version != version {
            return false;
        }
        self.row = row.clone();
        self.version += 1;
        self.done.insert(operation, row.clone());
        true
    }
}

impl Tables {
    pub(super) fn next_operation(&mut self) -> OperationId {
        self.operations += 1;
        self.operations
    }

    pub(super) fn chunk(&self, campaign: CampaignId, number: u32) -> Option<&ChunkRow> {
        self.campaigns.get(&campaign)?.chunks.get(&number)
    }

    pub(super) fn chunks_of(&self, campaign: CampaignId) -> Vec<ChunkRow> {
        self.campaigns.get(&campaign).map_or_else(Vec::new, |cell| cell.chunks.values().cloned().collect())
    }

    /// Oldest first.
    pub(super) fn sends_of(&self, key: &CorrelationKey) -> Vec<CorrelatedSend> {
        let mut sends: Vec<CorrelatedSend> = self.sends.get(key).into_iter().flatten().copied().collect();
        sends.sort_by_key(|send| send.sent_at_ms);
        sends
    }
}
