//! What all steps of one leased expansion share.

use crate::ExpanderPorts;
use crate::class::Pages;
use sluice_core::{CampaignId, CampaignRow, ChunkId};
use sluice_runtime::ports::log::Topic;

/// One lease: everything written for it carries its epoch (hazard 2).
#[derive(Debug)]
pub(crate) struct Expansion {
    pub(crate) ports: ExpanderPorts,
    pub(crate) row: CampaignRow,
    pub(crate) pages: Pages,
    receipts_partitions: u32,
}

impl Expansion {
    /// `None` when the launch names no page.
    pub(crate) fn new(ports: ExpanderPorts, row: CampaignRow) -> Option<Self> {
        let pages = Pages::new(&row.launch.pages, ports.log.partitions(Topic::Chunks))?;
        // The name of a chunk has 16 bits for its partition.
        let receipts_partitions = ports.log.partitions(Topic::Receipts).clamp(1, u32::from(u16::MAX) + 1);
        Some(Self { ports, row, pages, receipts_partitions })
    }

    pub(crate) fn id(&self) -> CampaignId {
        self.row.id
    }

    /// The campaign's name, for logs.
    pub(crate) fn name(&self) -> &str {
        &self.row.launch.campaign
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.row.exp_epoch
    }

    pub(crate) fn chunk_id(&self, number: u32) -> ChunkId {
        let partition = (number % self.receipts_partitions) as u16;
        // The epoch keeps chunks of a crashed expansion apart from ours; its low bits are enough for that.
        ChunkId::new(self.row.id, partition, self.row.exp_epoch as u16, number)
    }
}
