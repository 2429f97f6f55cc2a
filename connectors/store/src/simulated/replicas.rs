//! Chunk states on three replicas: cells of which the highest stamp wins, each for itself.

use sluice_core::chunk_state::Stamp;
use sluice_core::{CampaignId, ChunkId, Counters};
use sluice_schemas::ReceiptEntry;
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub(super) const REPLICAS: usize = 3;

/// All of them.
pub(super) const ALL: [usize; REPLICAS] = [0, 1, 2];

/// Every two that a reader may ask.
pub(super) const QUORUMS: [[usize; 2]; 3] = [[0, 1], [0, 2], [1, 2]];

/// A write of one chunk, as it goes to the replicas.
#[derive(Debug, Clone)]
pub(super) struct ChunkWrite {
    pub(super) chunk: ChunkId,
    pub(super) stamp: Stamp,
    pub(super) state: Vec<u8>,
    pub(super) counters: Counters,
    pub(super) details: Vec<ReceiptEntry>,
    pub(super) details_to: Stamp,
}

/// What one replica has of one chunk. State and counters are cells of their own: a read repairs only those
/// that it read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Row {
    pub(super) state: Option<(Stamp, Vec<u8>)>,
    pub(super) counters: Option<(Stamp, Counters)>,
    /// By the prefix that ends with them; of one prefix the save with the highest stamp wins.
    pub(super) details: Details,
}

/// All replicas.
#[derive(Debug, Clone, Default)]
pub(super) struct Replicas([BTreeMap<ChunkId, Row>; REPLICAS]);

/// The higher stamp; of equal stamps the greater bytes, so that replicas agree even where a writer broke the
/// rule of identical bytes (hazard 16).
fn newer<T: PartialOrd>(kept: &mut Option<(Stamp, T)>, stamp: Stamp, value: T) {
    let wins = match kept {
        None => true,
        Some((old, kept)) => (stamp, &value) > (*old, kept),
    };
    if wins {
        *kept = Some((stamp, value));
    }
}

fn newer_counters(kept: &mut Option<(Stamp, Counters)>, stamp: Stamp, value: Counters) {
    let order = |counters: &Counters| counters.named().map(|(_, count)| count);
    if kept.as_ref().is_none_or(|(old, kept)| (stamp, order(&value)) > (*old, order(kept))) {
        *kept = Some((stamp, value));
    }
}

/// Details of a chunk, each with the stamp of its save.
pub(super) type Details = BTreeMap<Stamp, (Stamp, Vec<ReceiptEntry>)>;

fn newer_details(kept: &mut Details, to: Stamp, stamp: Stamp, entries: &[ReceiptEntry]) {
    let is_kept = |(old, kept): &(Stamp, Vec<ReceiptEntry>)| match old.cmp(&stamp) {
        Ordering::Equal => format!("{kept:?}") >= format!("{entries:?}"),
        order => order == Ordering::Greater,
    };
    if !entries.is_empty() && !kept.get(&to).is_some_and(is_kept) {
        kept.insert(to, (stamp, entries.to_vec()));
    }
}

fn newest_details(kept: &mut Details, others: &Details) {
    others.iter().for_each(|(to, (stamp, entries))| newer_details(kept, *to, *stamp, entries));
}

impl Replicas {
    /// One replica takes a write in.
    pub(super) fn write(&mut self, replica: usize, write: &ChunkWrite) {
        let row = self.0[replica].entry(write.chunk).or_default();
        newer(&mut row.state, write.stamp, write.state.clone());
        newer_counters(&mut row.counters, write.stamp, write.counters);
        newer_details(&mut row.details, write.details_to, write.stamp, &write.details);
    }

    /// The newest state that these replicas know; they all know it afterwards.
    pub(super) fn read_state(&mut self, chunk: ChunkId, asked: &[usize]) -> Option<(Stamp, Vec<u8>)> {
        let mut newest = None;
        for replica in asked {
            if let Some((stamp, state)) = self.0[*replica].get(&chunk).and_then(|row| row.state.clone()) {
                newer(&mut newest, stamp, state);
            }
        }
        if let Some((stamp, state)) = &newest {
            for replica in asked {
                newer(&mut self.0[*replica].entry(chunk).or_default().state, *stamp, state.clone());
            }
        }
        newest
    }

    /// The newest counters of a campaign's chunks that these replicas know; they all know them afterwards.
    pub(super) fn read_counters(
        &mut self,
        id: CampaignId,
        asked: &[usize],
    ) -> BTreeMap<u32, (ChunkId, Counters)> {
        let mut newest: BTreeMap<ChunkId, Option<(Stamp, Counters)>> = BTreeMap::new();
        for replica in asked {
            for (chunk, row) in self.of_campaign(*replica, id) {
                if let Some((stamp, counters)) = row.counters {
                    newer_counters(newest.entry(chunk).or_default(), stamp, counters);
                }
            }
        }
        let mut by_number = BTreeMap::new();
        for (chunk, cell) in newest {
            let Some((stamp, counters)) = cell else { continue };
            for replica in asked {
                newer_counters(&mut self.0[*replica].entry(chunk).or_default().counters, stamp, counters);
            }
            by_number.insert(chunk.number(), (chunk, counters));
        }
        by_number
    }

    /// All entries that these replicas know; they all know them afterwards.
    pub(super) fn read_details(&mut self, chunk: ChunkId, asked: &[usize]) -> Vec<ReceiptEntry> {
        let mut all = Details::new();
        for replica in asked {
            if let Some(row) = self.0[*replica].get(&chunk) {
                newest_details(&mut all, &row.details);
            }
        }
        for replica in asked {
            newest_details(&mut self.0[*replica].entry(chunk).or_default().details, &all);
        }
        all.into_values().flat_map(|(_, entries)| entries).collect()
    }

    /// Chunks of which any replica knows something.
    pub(super) fn chunks(&self) -> std::collections::BTreeSet<ChunkId> {
        self.0.iter().flat_map(|replica| replica.keys().copied()).collect()
    }

    /// What these replicas know together, without repairing any.
    pub(super) fn inspect(&self, chunk: ChunkId, asked: &[usize]) -> Row {
        let mut together = Row::default();
        for row in asked.iter().filter_map(|replica| self.0[*replica].get(&chunk)) {
            if let Some((stamp, state)) = &row.state {
                newer(&mut together.state, *stamp, state.clone());
            }
            if let Some((stamp, counters)) = row.counters {
                newer_counters(&mut together.counters, stamp, counters);
            }
            newest_details(&mut together.details, &row.details);
        }
        together
    }

    fn of_campaign(&self, replica: usize, id: CampaignId) -> Vec<(ChunkId, Row)> {
        let first = ChunkId::new(id, 0, 0, 0);
        let last = ChunkId::new(id, u16::MAX, u16::MAX, u32::MAX);
        self.0[replica].range(first..=last).map(|(chunk, row)| (*chunk, row.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(stamp: u64, state: &[u8]) -> ChunkWrite {
        let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0);
        let counters = Counters { sent: stamp, ..Counters::default() };
        let (stamp, details) = (Stamp(stamp), Vec::new());
        ChunkWrite { chunk, stamp, state: state.to_vec(), counters, details, details_to: stamp }
    }

    #[test]
    fn hazard_15_a_minority_write_that_one_read_repairs_never_loses_to_an_older_one() {
        let mut replicas = Replicas::default();
        let (old, new) = (write(1, b"old"), write(2, b"new"));
        (0..3).for_each(|replica| replicas.write(replica, &old));
        replicas.write(2, &new);
        assert_eq!(
            replicas.read_state(old.chunk, &[0, 1]),
            Some((Stamp(1), b"old".to_vec())),
            "not seen yet"
        );
        assert_eq!(replicas.read_state(old.chunk, &[1, 2]), Some((Stamp(2), b"new".to_vec())));
        replicas.write(1, &old);
        assert_eq!(
            replicas.read_state(old.chunk, &[0, 1]),
            Some((Stamp(2), b"new".to_vec())),
            "it was repaired"
        );
    }

    #[test]
    fn hazard_15_a_read_repairs_only_the_cells_that_it_read() {
        let mut replicas = Replicas::default();
        let (old, new) = (write(1, b"old"), write(2, b"new"));
        (0..3).for_each(|replica| replicas.write(replica, &old));
        replicas.write(2, &new);
        replicas.read_state(old.chunk, &[0, 2]);
        let counters = replicas.read_counters(old.chunk.campaign(), &[0, 1]);
        assert_eq!(counters[&0].1.sent, 1, "the counters beside the state are older than it");
    }

    #[test]
    fn hazard_16_replicas_agree_on_one_of_two_values_under_one_stamp() {
        let (left, right) = (write(5, b"left"), write(5, b"right"));
        let mut replicas = Replicas::default();
        for (replica, order) in [[&left, &right], [&right, &left]].into_iter().enumerate() {
            order.into_iter().for_each(|write| replicas.write(replica, write));
        }
        assert_eq!(replicas.0[0], replicas.0[1]);
    }
}
