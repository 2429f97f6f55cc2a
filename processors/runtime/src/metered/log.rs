//! The log with a meter.

use super::deliveries::{MeteredCommitter, MeteredDeliveries};
use super::seconds_since;
use crate::Clock;
use crate::metrics::labels::{group_place, topic_place};
use crate::metrics::log::{LogMetrics, LogOperation};
use crate::metrics::{Engine, Metrics};
use crate::ports::log::{
    AppendTicket, Attendance, Bounds, Log, LogError, Membership, NewRecord, Partition, Position, ReadLimit,
    StoredRecord, Topic,
};
use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Measures another implementation.
pub struct MeteredLog {
    inner: Arc<dyn Log>,
    metrics: Arc<LogMetrics>,
    clock: Arc<dyn Clock>,
}

impl MeteredLog {
    /// Around `inner`, whose trouble is exported too. Once in a process.
    pub fn new(inner: Arc<dyn Log>, metrics: &Metrics, clock: Arc<dyn Clock>) -> Self {
        // Weak: the registry must not keep a log open that everybody else has closed.
        let probed = Arc::downgrade(&inner);
        metrics.probe(Engine::Log, move || probed.upgrade()?.trouble());
        Self { inner, metrics: Arc::new(LogMetrics::new(metrics)), clock }
    }

    async fn measure<T>(
        &self,
        operation: LogOperation,
        work: impl Future<Output = Result<T, LogError>>,
    ) -> Result<T, LogError> {
        let start = self.clock.monotonic();
        let answer = work.await;
        self.metrics.took(operation, seconds_since(&*self.clock, start));
        if let Err(error) = &answer {
            self.metrics.failed(operation, error);
        }
        answer
    }
}

impl fmt::Debug for MeteredLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredLog")
    }
}

#[async_trait]
impl Log for MeteredLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.inner.partitions(topic)
    }

    fn append(&self, topic: Topic, partition: Partition, records: Vec<NewRecord>) -> AppendTicket {
        let count = records.len() as u64;
        let bytes: usize = records.iter().map(|record| record.key.len() + record.value.len()).sum();
        let start = self.clock.monotonic();
        let ticket = self.inner.append(topic, partition, records);
        let Ok(runtime) = Handle::try_current() else { return ticket };
        let (answered, outer) = AppendTicket::pair();
        let (metrics, clock) = (self.metrics.clone(), self.clock.clone());
        runtime.spawn(async move {
            let answer = ticket.await;
            match &answer {
                Ok(_) => {
                    let place = [topic_place(topic)];
                    metrics.appended.at(place).inc_by(count);
                    metrics.appended_bytes.at(place).inc_by(bytes as u64);
                    metrics.append_seconds.at(place).observe(seconds_since(&*clock, start));
                }
                Err(error) => metrics.failed(LogOperation::Append, error),
            }
            // Whoever appended may not wait for the answer.
            drop(answered.send(answer));
        });
        outer
    }

    async fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Position,
        limit: ReadLimit,
    ) -> Result<Vec<StoredRecord>, LogError> {
        let records =
            self.measure(LogOperation::Read, self.inner.read(topic, partition, from, limit)).await?;
        self.metrics.read.at([topic_place(topic)]).inc_by(records.len() as u64);
        Ok(records)
    }

    async fn bounds(&self, topic: Topic, partition: Partition) -> Result<Bounds, LogError> {
        self.measure(LogOperation::Bounds, self.inner.bounds(topic, partition)).await
    }

    async fn join(&self, group: &str, topic: Topic) -> Result<Membership, LogError> {
        let Membership { deliveries, committer } =
            self.measure(LogOperation::Join, self.inner.join(group, topic)).await?;
        let place = group_place(group, topic);
        let deliveries = Box::new(MeteredDeliveries::new(deliveries, place, self.metrics.clone()));
        let committer = Arc::new(MeteredCommitter::new(committer, self.metrics.clone(), self.clock.clone()));
        Ok(Membership { deliveries, committer })
    }

    async fn committed(
        &self,
        group: &str,
        topic: Topic,
        partition: Partition,
    ) -> Result<Option<Position>, LogError> {
        self.measure(LogOperation::Committed, self.inner.committed(group, topic, partition)).await
    }

    async fn attendance(&self, group: &str, topic: Topic) -> Result<Attendance, LogError> {
        self.measure(LogOperation::Attendance, self.inner.attendance(group, topic)).await
    }

    async fn trim(&self, topic: Topic, partition: Partition, position: Position) -> Result<(), LogError> {
        self.measure(LogOperation::Trim, self.inner.trim(topic, partition, position)).await
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }
}
