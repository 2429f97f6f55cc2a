//! Campaign rows, read for all pages of this process.
//!
//! A launch names each of its pages, and each page needs the row: with a read and a copy a page, time and memory
//! would grow with the square of the pages (G9). So one read answers everybody who had asked before it began, and
//! who finds what another page found before shares that.

use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::store::{Store, StoreError, StoreResult};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Mutex as AsyncMutex;

/// Reads rows. Cheap to clone.
#[derive(Clone)]
pub(crate) struct CampaignRows {
    store: Arc<dyn Store>,
    campaigns: Arc<Mutex<BTreeMap<CampaignId, Arc<Asked>>>>,
}

/// Who asked for a row, and what was found last.
#[derive(Default)]
struct Asked {
    /// Number of the newest question.
    newest: AtomicU64,
    found: AsyncMutex<Found>,
}

#[derive(Default)]
struct Found {
    /// Questions up to this one had been asked when the read began.
    answers: u64,
    row: Option<Arc<CampaignRow>>,
    /// Why the store gave no answer.
    away: Option<String>,
}

impl CampaignRows {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, campaigns: Arc::default() }
    }

    /// The row as it is now or was after this was called: no answer is older than its question (G7).
    ///
    /// # Errors
    /// As the store's.
    pub(crate) async fn read(&self, id: CampaignId) -> StoreResult<Option<Arc<CampaignRow>>> {
        let asked = self.asked(id);
        let question = asked.newest.fetch_add(1, Ordering::SeqCst) + 1;
        let mut found = asked.found.lock().await;
        if found.answers < question {
            let newest = asked.newest.load(Ordering::SeqCst);
            let (row, away) = match self.store.campaign(id).await {
                Ok(row) => (row, None),
                Err(StoreError::Unavailable(reason)) => (None, Some(reason)),
                Err(error) => return Err(error),
            };
            let is_known = away.is_none() && row.is_some() && found.row.as_deref() == row.as_ref();
            if !is_known {
                found.row = row.map(Arc::new);
            }
            (found.answers, found.away) = (newest, away);
        }
        match &found.away {
            Some(reason) => Err(StoreError::Unavailable(reason.clone())),
            None => Ok(found.row.clone()),
        }
    }

    fn asked(&self, id: CampaignId) -> Arc<Asked> {
        let mut campaigns = self.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = campaigns.get(&id) {
            return asked.clone();
        }
        campaigns.retain(|_, asked| asked.is_used());
        campaigns.entry(id).or_default().clone()
    }
}

impl Asked {
    /// Whether a page reads the row or holds it.
    fn is_used(self: &Arc<Self>) -> bool {
        let is_held = |found: &Found| found.row.as_ref().is_some_and(|row| Arc::strong_count(row) > 1);
        Arc::strong_count(self) > 1 || self.found.try_lock().is_ok_and(|found| is_held(&found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::{CampaignState, Transition, launch};
    use sluice_simulation::{Faults, World};
    use sluice_store::simulated::SimStore;
    use std::time::Duration;

    fn launched() -> CampaignRow {
        let launch = r#"{"campaign": "c", "channel": "http", "pages": ["a"], "audience": {"path": "a.csv"},
            "message": {"http": {"body": {}}}}"#;
        CampaignRow::launched(launch::parse_json(launch).unwrap(), 0)
    }

    #[tokio::test(start_paused = true)]
    async fn g9_pages_that_find_the_same_share_one_row() {
        let world = World::new(1, Faults::latency());
        let store = SimStore::new(&world).handle(world.start("sender"));
        let rows = CampaignRows::new(store.clone());
        let row = launched();
        let id = row.id;
        assert!(rows.read(id).await.unwrap().is_none());
        store.create_campaign(row).await.unwrap();
        let reads = futures_util::future::join_all((0..1_000).map(|_| rows.read(id))).await;
        let later = rows.read(id).await.unwrap().unwrap();
        let all = reads.into_iter().map(|read| read.unwrap().unwrap());
        assert!(all.chain([rows.read(id).await.unwrap().unwrap()]).all(|row| Arc::ptr_eq(&row, &later)));
    }

    #[tokio::test(start_paused = true)]
    async fn g7_no_answer_is_older_than_its_question() {
        let world = World::new(1, Faults::latency());
        let store = SimStore::new(&world).handle(world.start("sender"));
        let rows = CampaignRows::new(store.clone());
        let mut row = launched();
        store.create_campaign(row.clone()).await.unwrap();
        for round in 0..200 {
            // Reads that began before the step are under way.
            let before = [0; 3].map(|_| {
                let (rows, id) = (rows.clone(), row.id);
                tokio::spawn(async move { rows.read(id).await })
            });
            let to = if round % 2 == 0 { CampaignState::Paused } else { CampaignState::Running };
            row = store.transition(row.id, Transition::of(&row, to, None, 0)).await.unwrap().unwrap();
            assert_eq!(rows.read(row.id).await.unwrap().unwrap().state, to);
            for read in before {
                tokio::time::timeout(Duration::from_secs(60), read).await.unwrap().unwrap().unwrap();
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn g9_a_row_that_no_page_holds_is_forgotten() {
        let world = World::new(1, Faults::none());
        let store = SimStore::new(&world).handle(world.start("sender"));
        let rows = CampaignRows::new(store.clone());
        store.create_campaign(launched()).await.unwrap();
        let held = rows.read(launched().id).await.unwrap();
        for number in 0..10 {
            rows.read(CampaignId::of("t", &number.to_string())).await.unwrap();
        }
        let known = || rows.campaigns.lock().unwrap().len();
        assert_eq!(known(), 2, "the one that is held, and the newest");
        drop(held);
        rows.read(CampaignId::of("t", "another")).await.unwrap();
        assert_eq!(known(), 1);
    }
}
