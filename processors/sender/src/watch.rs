//! Campaign rows that pages of this process have open, looked at now and then: a page that waits for a slow limit,
//! or for nothing at all, hears of a command within a second. A page that grants hears of it by its ledger (G7). So it
//! does of configured limits that change.

use sluice_core::CampaignId;
use sluice_runtime::ports::store::Store;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// Pause between two rounds; reading takes a while by itself where there are many.
const EVERY: Duration = Duration::from_millis(500);

/// The campaigns that are open in this process, and the steps their rows have made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    open: Arc<Mutex<BTreeMap<CampaignId, Weak<AtomicU32>>>>,
    /// A page that waits for something else looks once a second, which would be too late.
    moved: watch::Sender<()>,
    /// How often limits of pages, or above them, have changed.
    limits: Arc<AtomicU32>,
}

/// A campaign that is looked at as long as anybody holds this.
#[derive(Debug, Clone)]
pub(crate) struct Watched(Arc<AtomicU32>);

impl Watched {
    /// Whether the row has made steps after `steps`.
    pub(crate) fn moved_since(&self, steps: u32) -> bool {
        self.0.load(Ordering::Relaxed) > steps
    }
}

impl Watch {
    /// From now on `campaign` is looked at.
    pub(crate) fn open(&self, campaign: CampaignId) -> Watched {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let watched = open.get(&campaign).and_then(Weak::upgrade).unwrap_or_default();
        open.insert(campaign, Arc::downgrade(&watched));
        Watched(watched)
    }

    /// Wakes whoever waits for it when a row has made steps.
    pub(crate) fn moved(&self) -> watch::Receiver<()> {
        self.moved.subscribe()
    }

    /// Limits of pages, or above them, have changed.
    pub(crate) fn limits_changed(&self) {
        self.limits.fetch_add(1, Ordering::Release);
        self.moved.send_replace(());
    }

    /// How often they have. Who asks before it reads limits hears of every later change.
    pub(crate) fn limits(&self) -> u32 {
        self.limits.load(Ordering::Acquire)
    }

    /// Looks for ever. A store that gives no answer is asked again in the next round.
    pub(crate) async fn run(self, store: Arc<dyn Store>) {
        loop {
            tokio::time::sleep(EVERY).await;
            for (campaign, watched) in self.all() {
                if let Ok(Some(row)) = store.campaign(campaign).await
                    && watched.fetch_max(row.steps, Ordering::Relaxed) < row.steps
                {
                    self.moved.send_replace(());
                }
            }
        }
    }

    fn all(&self) -> Vec<(CampaignId, Arc<AtomicU32>)> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, watched| watched.strong_count() > 0);
        open.iter().filter_map(|(id, watched)| Some((*id, watched.upgrade()?))).collect()
    }
}
