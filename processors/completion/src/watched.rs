//! Which chunks are known to be done: a hint that tells when a look is worth its reads.

use sluice_core::{CampaignId, ChunkId};
use std::collections::{BTreeSet, HashMap, HashSet};

#[derive(Debug, Default)]
struct Campaign {
    done: HashSet<ChunkId>,
    /// Of the seal, once it was seen.
    chunks: Option<u32>,
}

/// Bounded: beyond `chunks_max` everything is forgotten and counted anew at the next look.
#[derive(Debug)]
pub(crate) struct Watched {
    campaigns: HashMap<CampaignId, Campaign>,
    chunks: usize,
    chunks_max: usize,
}

impl Watched {
    pub(crate) fn new(chunks_max: usize) -> Self {
        Self { campaigns: HashMap::new(), chunks: 0, chunks_max }
    }

    /// Takes a chunk's progress in. True when a look may find the campaign's end: it is not known yet, its seal is
    /// not, or all its chunks are done.
    pub(crate) fn note(&mut self, chunk: ChunkId, is_done: bool) -> bool {
        let Some(campaign) = self.campaigns.get_mut(&chunk.campaign()) else { return true };
        if !is_done {
            self.chunks -= usize::from(campaign.done.remove(&chunk));
            return false;
        }
        self.chunks += usize::from(campaign.done.insert(chunk));
        let all = campaign.chunks.is_none_or(|chunks| campaign.done.len() >= chunks as usize);
        self.bound();
        all
    }

    /// What a look found.
    pub(crate) fn found(
        &mut self,
        id: CampaignId,
        chunks: Option<u32>,
        done: impl IntoIterator<Item = ChunkId>,
    ) {
        self.forget(id);
        let campaign = Campaign { done: done.into_iter().collect(), chunks };
        self.chunks += campaign.done.len();
        self.campaigns.insert(id, campaign);
        self.bound();
    }

    pub(crate) fn forget(&mut self, id: CampaignId) {
        if let Some(campaign) = self.campaigns.remove(&id) {
            self.chunks -= campaign.done.len();
        }
    }

    pub(crate) fn retain(&mut self, known: &BTreeSet<CampaignId>) {
        self.campaigns.retain(|id, _| known.contains(id));
        self.chunks = self.campaigns.values().map(|campaign| campaign.done.len()).sum();
    }

    fn bound(&mut self) {
        if self.chunks > self.chunks_max {
            self.campaigns.clear();
            self.chunks = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(number: u32) -> ChunkId {
        ChunkId::new(CampaignId::of("t", "c"), 0, 1, number)
    }

    #[test]
    fn only_the_last_chunk_of_a_sealed_campaign_is_worth_a_look() {
        let mut watched = Watched::new(100);
        assert!(watched.note(chunk(0), true), "an unknown campaign is");
        watched.found(chunk(0).campaign(), Some(3), [chunk(0)]);
        assert!(!watched.note(chunk(1), true));
        assert!(!watched.note(chunk(1), true), "twice is once");
        assert!(watched.note(chunk(2), true));
        assert!(!watched.note(chunk(2), false), "reopened");
        assert!(watched.note(chunk(2), true));
    }

    #[test]
    fn hazard_21_before_the_seal_is_seen_every_done_chunk_is_worth_a_look() {
        let mut watched = Watched::new(100);
        watched.found(chunk(0).campaign(), None, []);
        assert!(watched.note(chunk(0), true));
        assert!(!watched.note(chunk(1), false));
    }

    #[test]
    fn g9_beyond_its_bound_everything_is_counted_anew() {
        let mut watched = Watched::new(2);
        watched.found(chunk(0).campaign(), Some(9), [chunk(0), chunk(1), chunk(2)]);
        assert!(watched.note(chunk(3), true));
    }
}
