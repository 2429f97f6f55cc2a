//! Campaigns of this process's partitions that wait for their time. Only a hint: the row decides.

use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::log::Partition;
use std::collections::{BTreeMap, BTreeSet};

/// Who waits, and until when: ms since 1970.
#[derive(Debug, Default)]
pub(crate) struct Waiting(BTreeMap<CampaignId, (Partition, i64)>);

impl Waiting {
    /// A scheduled campaign as it was read last.
    pub(crate) fn note(&mut self, home: Partition, row: &CampaignRow) {
        self.0.insert(row.id, (home, row.wakes_ms()));
    }

    /// These partitions belong to others.
    pub(crate) fn forget(&mut self, partitions: &BTreeSet<Partition>) {
        self.0.retain(|_, (home, _)| !partitions.contains(home));
    }

    /// The first time at which one is due.
    pub(crate) fn next_ms(&self) -> Option<i64> {
        self.0.values().map(|(_, at_ms)| *at_ms).min()
    }

    /// Gives those that are due, each once.
    pub(crate) fn take_due(&mut self, now_ms: i64) -> Vec<(Partition, CampaignId)> {
        let due: Vec<_> = self
            .0
            .iter()
            .filter(|(_, (_, at_ms))| *at_ms <= now_ms)
            .map(|(id, (home, _))| (*home, *id))
            .collect();
        for (_, id) in &due {
            self.0.remove(id);
        }
        due
    }
}
