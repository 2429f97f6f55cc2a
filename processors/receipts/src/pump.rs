//! Hears what the group says while the worker is busy.

use sluice_runtime::ports::log::{Deliveries, Delivery, LogError, Partition};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Deliveries that may wait for the worker.
pub(crate) const WAITING_MAX: usize = 4;

/// Partitions that went to others and whose state the worker still holds: nothing more is written for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lost(Arc<Mutex<BTreeSet<Partition>>>);

impl Lost {
    pub(crate) fn contains(&self, partition: Partition) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&partition)
    }

    fn mark(&self, partitions: &[Partition]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(partitions);
    }

    /// The worker has dropped its state.
    pub(crate) fn forget(&self, partitions: &[Partition]) {
        let mut lost = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for partition in partitions {
            lost.remove(partition);
        }
    }
}

/// Moves deliveries to the worker; a lost partition is marked at once, also while the worker waits for the store.
/// Ends only with an error, or when the worker is gone.
pub(crate) async fn pump(
    mut deliveries: Box<dyn Deliveries>,
    worker: mpsc::Sender<Delivery>,
    lost: Lost,
) -> LogError {
    loop {
        let delivery = match deliveries.next().await {
            Ok(delivery) => delivery,
            Err(error) => return error,
        };
        if let Delivery::Lost { partitions } = &delivery {
            lost.mark(partitions);
        }
        if worker.send(delivery).await.is_err() {
            return LogError::Closed;
        }
    }
}
