//! The layer below the port: single reads and writes of a process, and how they go wrong.

use super::SimStore;
use super::tables::{OperationId, Tables};
use sluice_runtime::ports::store::{StoreError, StoreResult};
use sluice_simulation::{ProcessId, StoreFaults};
use std::sync::Arc;
use std::time::Duration;

/// The store as one process has it.
pub(super) struct Session {
    pub(super) store: SimStore,
    pub(super) process: ProcessId,
}

/// Tests its condition and writes if it holds; says which. May run later than asked for, and twice.
pub(super) type Write = Arc<dyn Fn(&mut Tables) -> bool + Send + Sync>;

/// What the writer hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Applied,
    Refused,
    /// Nothing: it was applied, or not, or will be.
    Lost,
}

/// How long a process waits for an answer that does not come.
const TIMEOUT: Duration = Duration::from_millis(1_500);

/// Tries of one call before it says that nothing is known. High: with a chance of one in five for an
/// ambiguous answer it is not reached by accident.
pub(super) const TRIES_MAX: u32 = 30;

impl Session {
    pub(super) fn faults(&self) -> StoreFaults {
        self.store.world.faults(self.process).store
    }

    /// An operation begins: it takes its time, and the process may end there.
    async fn begin(&self, what: &'static str) {
        let distance_ms = self.faults().distance_ms;
        if distance_ms > 0 {
            tokio::time::sleep(Duration::from_millis(distance_ms)).await;
        }
        self.store.world.effect(self.process, what).await;
    }

    pub(super) fn next_operation(&self) -> OperationId {
        self.store.tables().next_operation()
    }

    pub(super) fn chance(&self, ppm: u32) -> bool {
        self.store.world.draw(|random| random.chance(ppm))
    }

    /// A linearisable read, which sometimes fails at first and rarely fails for good.
    pub(super) async fn look<T>(&self, what: &'static str, read: impl Fn(&Tables) -> T) -> StoreResult<T> {
        for _ in 0..2 {
            self.begin(what).await;
            if !self.chance(self.faults().unavailable_ppm) {
                return Ok(read(&self.store.tables()));
            }
            tokio::time::sleep(TIMEOUT).await;
        }
        Err(StoreError::Unavailable(what.to_owned()))
    }

    /// One compare-and-set.
    pub(super) async fn compare_and_set(&self, what: &'static str, write: Write) -> Answer {
        self.begin(what).await;
        let faults = self.faults();
        let answer = if self.chance(faults.ambiguous_ppm) {
            match self.store.world.draw(|random| random.below(4)) {
                0 => {}
                1 => {
                    write(&mut self.store.tables());
                }
                2 => self.apply_later(what, write, faults.late_ms_max),
                // Applied, and once more by a retry on the way.
                _ => {
                    write(&mut self.store.tables());
                    self.apply_later(what, write, faults.late_ms_max);
                }
            }
            Answer::Lost
        } else if write(&mut self.store.tables()) {
            Answer::Applied
        } else {
            Answer::Refused
        };
        if answer == Answer::Lost {
            self.store.world.note(self.process, format!("{what}: no answer"));
            tokio::time::sleep(TIMEOUT).await;
        }
        self.store.world.effect(self.process, "store answers").await;
        answer
    }

    fn apply_later(&self, what: &'static str, write: Write, late_ms_max: u64) {
        let (store, process) = (self.store.clone(), self.process);
        let late = Duration::from_millis(store.world.draw(|random| random.between(1, late_ms_max.max(1))));
        tokio::spawn(async move {
            tokio::time::sleep(late).await;
            let applied = write(&mut store.tables());
            store.world.note(process, format!("{what}: wakes up, applied: {applied}"));
        });
    }

    /// A plain write of rows that nobody else writes; the first `n` of `parts` may be written although it
    /// fails, and everything may be written although it says that it failed.
    pub(super) async fn put<T>(
        &self,
        what: &'static str,
        parts: Vec<T>,
        mut write: impl FnMut(&mut Tables, &T),
    ) -> StoreResult<()> {
        self.begin(what).await;
        let faults = self.faults();
        let (fails, written) = self.store.world.draw(|random| {
            if random.chance(faults.minority_ppm) {
                (true, random.between(0, parts.len() as u64) as usize)
            } else {
                (false, parts.len())
            }
        });
        for part in &parts[..written] {
            write(&mut self.store.tables(), part);
        }
        if fails {
            tokio::time::sleep(TIMEOUT).await;
            if self.chance(faults.unavailable_ppm) {
                return Err(StoreError::Unavailable(what.to_owned()));
            }
            // The driver tries once more.
            self.store.world.effect(self.process, what).await;
            for part in &parts {
                write(&mut self.store.tables(), part);
            }
        }
        self.store.world.effect(self.process, "store answers").await;
        Ok(())
    }

    /// After a lost answer: whether to say that nothing is known instead of settling it.
    pub(super) fn gives_up(&self, what: &str) -> StoreResult<()> {
        if self.chance(self.faults().unavailable_ppm) {
            return Err(StoreError::Unavailable(format!("{what}: no answer")));
        }
        Ok(())
    }
}
