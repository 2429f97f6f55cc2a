//! A group membership with a meter.

use super::seconds_since;
use crate::Clock;
use crate::metrics::log::{GroupEvent, LogMetrics, LogOperation};
use crate::ports::log::{Committer, Deliveries, Delivery, LogError, Partition, Position};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Counts what a member hears, and which partitions it has.
pub(super) struct MeteredDeliveries {
    inner: Box<dyn Deliveries>,
    /// `None` for a group that is none of the processors': it is not counted.
    group: Option<usize>,
    owned: BTreeSet<Partition>,
    metrics: Arc<LogMetrics>,
}

impl MeteredDeliveries {
    pub(super) fn new(inner: Box<dyn Deliveries>, group: Option<usize>, metrics: Arc<LogMetrics>) -> Self {
        Self { inner, group, owned: BTreeSet::new(), metrics }
    }

    fn heard(&mut self, delivery: &Delivery) {
        let Some(group) = self.group else { return };
        let moved = |event: GroupEvent, count: usize| {
            self.metrics.moved.at([group, event as usize]).inc_by(count as u64);
        };
        let owned = self.metrics.owned.at([group]);
        match delivery {
            Delivery::Assigned { partition, .. } => {
                moved(GroupEvent::Assigned, 1);
                if self.owned.insert(*partition) {
                    owned.inc();
                }
            }
            Delivery::Records { records, .. } => {
                self.metrics.delivered.at([group]).inc_by(records.len() as u64);
            }
            Delivery::Revoking { partitions, .. } | Delivery::Lost { partitions } => {
                let asked = matches!(delivery, Delivery::Revoking { .. });
                let event = if asked { GroupEvent::Revoked } else { GroupEvent::Lost };
                moved(event, partitions.len());
                for partition in partitions {
                    if self.owned.remove(partition) {
                        owned.dec();
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Deliveries for MeteredDeliveries {
    async fn next(&mut self) -> Result<Delivery, LogError> {
        // Cancel-safe as the inner one is: nothing is awaited after it.
        let delivery = self.inner.next().await;
        match &delivery {
            Ok(delivery) => self.heard(delivery),
            Err(error) => self.metrics.failed(LogOperation::Deliver, error),
        }
        delivery
    }
}

impl Drop for MeteredDeliveries {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            self.metrics.owned.at([group]).sub(self.owned.len() as f64);
        }
    }
}

/// Measures commits.
pub(super) struct MeteredCommitter {
    inner: Arc<dyn Committer>,
    metrics: Arc<LogMetrics>,
    clock: Arc<dyn Clock>,
}

impl MeteredCommitter {
    pub(super) fn new(inner: Arc<dyn Committer>, metrics: Arc<LogMetrics>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, metrics, clock }
    }
}

#[async_trait]
impl Committer for MeteredCommitter {
    async fn commit(&self, partition: Partition, position: Position) -> Result<(), LogError> {
        let start = self.clock.monotonic();
        let answer = self.inner.commit(partition, position).await;
        self.metrics.took(LogOperation::Commit, seconds_since(&*self.clock, start));
        if let Err(error) = &answer {
            self.metrics.failed(LogOperation::Commit, error);
        }
        answer
    }

    fn pause(&self, partition: Partition) {
        self.inner.pause(partition);
    }

    fn resume(&self, partition: Partition) {
        self.inner.resume(partition);
    }
}
