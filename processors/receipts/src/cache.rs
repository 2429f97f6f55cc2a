//! The chunk states in memory.

use sluice_core::{ChunkId, ChunkRow, ChunkState, Stamp};
use sluice_runtime::ports::log::Partition;
use sluice_schemas::{Fact, ReceiptEntry};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the entries since the last flush ask for beside being merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// Retries are to be decided.
    pub(crate) decision: bool,
    /// ... on a campaign row that is read now.
    pub(crate) row_now: bool,
    /// Sends are to be noted for webhooks, or people suppressed: the campaign's tenant and channel are needed.
    pub(crate) effects: bool,
    /// The chunk's page is needed.
    pub(crate) page: bool,
}

impl Wants {
    fn add(&mut self, entry: &ReceiptEntry) {
        match entry.fact {
            Fact::Failed => {
                self.decision = true;
                self.page = true;
            }
            Fact::Unresolved | Fact::Reopened => {
                self.decision = true;
                self.row_now = true;
                self.page = true;
            }
            Fact::OptedOut => self.effects = true,
            Fact::Accepted => {
                self.effects |= entry.provider_id.is_some() || entry.address.is_some();
                self.page |= entry.address.is_some();
            }
            _ => {}
        }
    }

    /// Whether the campaign row is needed at all.
    pub(crate) fn campaign(self) -> bool {
        self.decision || self.effects
    }
}

/// One chunk state.
#[derive(Debug)]
pub(crate) struct Cached {
    pub(crate) partition: Partition,
    pub(crate) state: ChunkState,
    /// Of the stored state.
    pub(crate) stamp: Stamp,
    /// A former owner saved the state and may have died before most replicas had all of it: what is read here may
    /// be repaired as far as it was read, and counters and details are not (hazard 15). Saved once more, also before
    /// the partition was merged up to its stamp.
    pub(crate) is_unsure: bool,
    /// Page and shard, once they were needed.
    pub(crate) row: Option<Arc<ChunkRow>>,
    /// Merged since the last flush.
    pub(crate) news: Vec<ReceiptEntry>,
    pub(crate) wants: Wants,
    /// Whether anything in `news` is not in the stored state. After a restart the stored state may be ahead of
    /// the partition's position; then only the outputs are repeated.
    pub(crate) is_ahead_of_store: bool,
    /// The state is not stored before the partition was merged up to here.
    pub(crate) held_until: u64,
    used: u64,
}

impl Cached {
    /// Everything merged so far is stored. What was kept of it is given back: hundreds of states wait here for facts
    /// that may never come, and a busy one has had thousands of entries at once (G9).
    pub(crate) fn stored(&mut self) {
        self.news = Vec::new();
        self.wants = Wants::default();
    }
}

/// Least recently used chunk states go first, but only those that are stored.
#[derive(Debug)]
pub(crate) struct ChunkCache {
    chunks: BTreeMap<ChunkId, Cached>,
    chunks_max: usize,
    uses: u64,
}

impl ChunkCache {
    pub(crate) fn new(chunks_max: usize) -> Self {
        Self { chunks: BTreeMap::new(), chunks_max, uses: 0 }
    }

    pub(crate) fn contains(&self, chunk: ChunkId) -> bool {
        self.chunks.contains_key(&chunk)
    }

    pub(crate) fn get_mut(&mut self, chunk: ChunkId) -> Option<&mut Cached> {
        self.chunks.get_mut(&chunk)
    }

    /// `committed` is the prefix whose saves were acknowledged.
    pub(crate) fn insert(
        &mut self,
        chunk: ChunkId,
        partition: Partition,
        (stamp, state): (Stamp, ChunkState),
        committed: Stamp,
    ) {
        self.uses += 1;
        let cached = Cached {
            partition,
            state,
            stamp,
            is_unsure: stamp > committed,
            row: None,
            news: Vec::new(),
            wants: Wants::default(),
            is_ahead_of_store: false,
            held_until: 0,
            used: self.uses,
        };
        self.chunks.insert(chunk, cached);
    }

    /// Merges entries; `after` is the stamp of the prefix that ends with them.
    pub(crate) fn merge(&mut self, chunk: ChunkId, entries: Vec<ReceiptEntry>, after: Stamp) {
        let Some(cached) = self.chunks.get_mut(&chunk) else { return };
        self.uses += 1;
        cached.used = self.uses;
        cached.is_ahead_of_store |= after > cached.stamp;
        for entry in &entries {
            cached.state.merge(entry);
            cached.wants.add(entry);
        }
        if cached.news.is_empty() {
            cached.news = entries;
        } else {
            cached.news.extend(entries);
        }
    }

    /// Makes room for one more. False when every state waits to be stored: flush, then try again.
    pub(crate) fn make_room(&mut self) -> bool {
        while self.chunks.len() >= self.chunks_max {
            let oldest = self
                .chunks
                .iter()
                .filter(|(_, cached)| cached.news.is_empty())
                .min_by_key(|(_, cached)| cached.used);
            let Some((&chunk, _)) = oldest else { return false };
            self.chunks.remove(&chunk);
        }
        true
    }

    /// Forgets the chunks of a partition.
    pub(crate) fn forget(&mut self, partition: Partition) {
        self.chunks.retain(|_, cached| cached.partition != partition);
    }

    /// Chunks with news, in the order of their names so that equal runs do equal things.
    pub(crate) fn touched(&self) -> Vec<ChunkId> {
        let mut touched: Vec<ChunkId> = self
            .chunks
            .iter()
            .filter(|(_, cached)| !cached.news.is_empty())
            .map(|(chunk, _)| *chunk)
            .collect();
        touched.sort_unstable();
        touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::CampaignId;
    use sluice_core::chunk_state::entry;

    fn chunk(number: u32) -> ChunkId {
        ChunkId::new(CampaignId::of("t", "c"), 0, 1, number)
    }

    fn cache_of(numbers: &[u32], chunks_max: usize) -> ChunkCache {
        let mut cache = ChunkCache::new(chunks_max);
        for number in numbers {
            cache.insert(chunk(*number), Partition(0), Default::default(), Stamp::default());
        }
        cache
    }

    #[test]
    fn g9_the_least_recently_used_stored_state_goes_first() {
        let mut cache = cache_of(&[1, 2, 3], 3);
        cache.merge(chunk(1), vec![entry(Fact::Accepted, 0, 0, 1, 0)], Stamp::new(1, 1));
        assert!(cache.make_room());
        assert!(cache.contains(chunk(1)) && !cache.contains(chunk(2)) && cache.contains(chunk(3)));
    }

    #[test]
    fn a_state_that_is_not_stored_is_never_dropped() {
        let mut cache = cache_of(&[1], 1);
        cache.merge(chunk(1), vec![entry(Fact::Accepted, 0, 0, 1, 0)], Stamp::new(1, 1));
        assert!(!cache.make_room());
        assert_eq!(cache.touched(), [chunk(1)]);
    }

    #[test]
    fn g9_a_state_whose_facts_are_stored_keeps_no_room_for_them() {
        let mut cache = cache_of(&[1], 1);
        for index in 0..2_000 {
            cache.merge(chunk(1), vec![entry(Fact::Accepted, index, index, 1, 0)], Stamp::new(1, 1));
        }
        let cached = cache.get_mut(chunk(1)).unwrap();
        assert_eq!(cached.news.len(), 2_000);
        cached.stored();
        assert_eq!((cached.news.capacity(), cached.wants), (0, Wants::default()));
        assert!(cache.make_room(), "it may go");
    }

    #[test]
    fn g3_a_replay_below_the_stored_stamp_repeats_outputs_and_stores_nothing() {
        let mut cache = ChunkCache::new(4);
        cache.insert(chunk(1), Partition(0), (Stamp::new(1, 10), ChunkState::new()), Stamp::new(1, 10));
        cache.merge(chunk(1), vec![entry(Fact::Failed, 0, 0, 1, 0)], Stamp::new(1, 9));
        let cached = cache.get_mut(chunk(1)).unwrap();
        assert!(cached.wants.decision && !cached.is_ahead_of_store);
        cache.merge(chunk(1), vec![entry(Fact::Failed, 1, 1, 1, 0)], Stamp::new(1, 11));
        assert!(cache.get_mut(chunk(1)).unwrap().is_ahead_of_store);
    }
}
