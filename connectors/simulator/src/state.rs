//! What all connections share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::SimulatorConfig;
use crate::error::Error;
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::log::LogWriter;
use crate::pages::Pages;
use crate::server::Gate;
use crate::stats::Stats;
use crate::webhook::Dispatcher;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: SimulatorConfig,
    pub(crate) clock: Clock,
    pub(crate) log: LogWriter,
    pub(crate) ledger: Ledger,
    pub(crate) pages: Pages,
    pub(crate) next_id: AtomicU64,
    pub(crate) webhooks: Option<Dispatcher>,
    pub(crate) gate: watch::Sender<Gate>,
    /// Whether the port is open, as the accept loop reports it.
    pub(crate) listening: watch::Receiver<bool>,
    pub(crate) faults: RwLock<Arc<Faults>>,
}

impl State {
    pub(crate) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes new faults; returns once the port is open or closed as they say.
    pub(crate) async fn set_faults(self: &Arc<Self>, faults: Faults) -> Result<(), Error> {
        faults.validate()?;
        let (down, down_for_ms) = (faults.down, faults.down_for_ms);
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(faults);
        self.open_or_close(down).await;
        if let (true, Some(ms)) = (down, down_for_ms) {
            let state = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                let up = Faults { down: false, down_for_ms: None, ..(*state.faults()).clone() };
                *state.faults.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(up);
                state.open_or_close(false).await;
            });
        }
        Ok(())
    }

    async fn open_or_close(&self, down: bool) {
        let wanted = if down { Gate::Down } else { Gate::Up };
        self.gate.send_if_modified(|gate| {
            let changes = *gate != wanted && *gate != Gate::Stop;
            if changes {
                *gate = wanted;
            }
            changes
        });
        // An error means that the accept loop has ended: nothing to wait for.
        drop(self.listening.clone().wait_for(|listening| *listening != down).await.map(|_| ()));
    }

    pub(crate) fn stats(&self) -> Stats {
        let pages = self.pages.stats();
        let (accepted_twice, accepted_twice_first) = self.ledger.doubles();
        Stats {
            calls: pages.values().map(|page| page.calls).sum(),
            accepted: pages.values().map(|page| page.accepted).sum(),
            distinct_accepted: self.ledger.distinct_accepted(),
            accepted_twice,
            accepted_twice_first,
            pages,
            webhooks: self.webhooks.as_ref().map(Dispatcher::stats).unwrap_or_default(),
            log_lines: self.log.lines(),
            log_errors: self.log.errors(),
        }
    }
}
