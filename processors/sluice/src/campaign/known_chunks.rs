//! Chunk rows of campaigns whose audience is read, kept: nothing is added to them and nothing in them changes, so what is
//! derived from them and from counters that were read just now is exact (G3). Who follows ten campaigns every second
//! reads their counters, not their chunks.
//!
//! Memory: [`ROWS_MAX`] rows of at most some 300 bytes.

use crate::error::Outcome;
use sluice_core::{CampaignId, CampaignRow, ChunkRow};
use sluice_runtime::ports::store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that are kept, of all campaigns: those of 400 million recipients.
const ROWS_MAX: usize = 50_000;

/// What was read before.
#[derive(Debug, Default)]
pub struct KnownChunks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    campaigns: HashMap<CampaignId, Kept>,
    rows: usize,
    /// Grows with every question.
    asked: u64,
}

#[derive(Debug)]
struct Kept {
    chunks: Arc<[ChunkRow]>,
    /// When it was asked for last.
    asked: u64,
}

impl KnownChunks {
    /// The committed chunks of a campaign.
    ///
    /// # Errors
    /// The store's.
    pub async fn of(&self, store: &dyn Store, row: &CampaignRow) -> Outcome<Arc<[ChunkRow]>> {
        if let Some(chunks) = row.seal.and_then(|_| self.get(row.id)) {
            return Ok(chunks);
        }
        let chunks: Arc<[ChunkRow]> = store.chunks(row.id).await?.into();
        // Sealed, and all that the seal counts can be seen.
        if row.seal.is_some_and(|seal| seal.chunks as usize == chunks.len()) {
            self.keep(row.id, &chunks);
        }
        Ok(chunks)
    }

    fn get(&self, id: CampaignId) -> Option<Arc<[ChunkRow]>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.asked += 1;
        let asked = known.asked;
        let kept = known.campaigns.get_mut(&id)?;
        kept.asked = asked;
        Some(kept.chunks.clone())
    }

    fn keep(&self, id: CampaignId, chunks: &Arc<[ChunkRow]>) {
        if chunks.len() > ROWS_MAX {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = known.asked;
        let before = known.campaigns.insert(id, Kept { chunks: chunks.clone(), asked });
        known.rows += chunks.len() - before.map_or(0, |kept| kept.chunks.len());
        while known.rows > ROWS_MAX {
            let others = known.campaigns.iter().filter(|(other, _)| **other != id);
            let Some(oldest) = others.min_by_key(|(_, kept)| kept.asked).map(|(oldest, _)| *oldest) else {
                return;
            };
            known.rows -= known.campaigns.remove(&oldest).map_or(0, |kept| kept.chunks.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::tests::{row, stored};
    use super::*;
    use sluice_core::Seal;
    use sluice_engine::{Engine, EngineOptions};
    use sluice_store::EmbeddedStore;

    fn store(place: &tempfile::TempDir) -> EmbeddedStore {
        EmbeddedStore::open(Arc::new(Engine::open(place.path(), EngineOptions::default()).unwrap())).unwrap()
    }

    #[tokio::test]
    async fn g3_the_chunks_of_a_sealed_campaign_are_read_once_and_before_its_seal_every_time() {
        let places = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [full, empty] = [store(&places[0]), store(&places[1])];
        let row = row("null", "{}");
        full.create_campaign(row.clone()).await.unwrap();
        full.lease_expansion(row.id).await.unwrap();
        full.commit_chunk(1, stored(row.clone(), &[("a", 9)]).chunks[0].clone()).await.unwrap();
        let sealed = CampaignRow { seal: Some(Seal { chunks: 1, total: 9, not_expanded: 0 }), ..row.clone() };
        let known = KnownChunks::default();
        // A second question is answered by the store that it names only where nothing was kept.
        for (store, row, found) in [
            (&full, &row, 1),
            (&empty, &row, 0),
            (&empty, &sealed, 0),
            (&full, &sealed, 1),
            (&empty, &sealed, 1),
        ] {
            assert_eq!(known.of(store, row).await.unwrap().len(), found);
        }
    }

    fn kept(known: &KnownChunks) -> usize {
        known.0.lock().unwrap().rows
    }

    #[test]
    fn g9_what_is_kept_is_bounded_and_what_was_asked_for_last_stays() {
        let known = KnownChunks::default();
        let chunk = stored(row("null", "{}"), &[("a", 9)]).chunks[0].clone();
        let chunks = |count: usize| -> Arc<[ChunkRow]> { vec![chunk.clone(); count].into() };
        let id = |name: &str| CampaignId::of("t", name);
        known.keep(id("a"), &chunks(20_000));
        known.keep(id("b"), &chunks(20_000));
        known.keep(id("b"), &chunks(20_000));
        assert_eq!(kept(&known), 40_000, "twice is once");
        assert!(known.get(id("a")).is_some());
        known.keep(id("c"), &chunks(20_000));
        assert!(known.get(id("a")).is_some() && known.get(id("b")).is_none() && known.get(id("c")).is_some());
        known.keep(id("d"), &chunks(ROWS_MAX + 1));
        assert_eq!((kept(&known), known.get(id("d"))), (40_000, None));
    }
}
