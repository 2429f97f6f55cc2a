//! How a process is, and waiting for a change of it.
//!
//! Not `tokio::sync::watch`: that one wakes its receivers in a random order, and a seed would not replay.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its port calls go on.
    Alive,
    /// Its port calls wait.
    Frozen,
    /// Its port calls never return.
    Dead,
}

/// The status of one process. Clones are the same one; waiters are woken in the order in which they came.
#[derive(Debug, Clone)]
pub struct StatusWatch(Arc<Cell>);

#[derive(Debug)]
struct Cell {
    status: Mutex<Status>,
    changed: Notify,
}

impl StatusWatch {
    pub(crate) fn new(status: Status) -> Self {
        Self(Arc::new(Cell { status: Mutex::new(status), changed: Notify::new() }))
    }

    /// The status now.
    pub fn get(&self) -> Status {
        *self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, status: Status) {
        *self.0.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.0.changed.notify_waiters();
    }

    /// Waits until `test` holds, and says for which status.
    pub async fn wait_for(&self, test: impl Fn(Status) -> bool) -> Status {
        loop {
            let changed = self.0.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let status = self.get();
            if test(status) {
                return status;
            }
            changed.await;
        }
    }
}
