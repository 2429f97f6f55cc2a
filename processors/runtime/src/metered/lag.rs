//! Counts what waits in the log, every few seconds.

use super::oldest::Oldest;
use crate::metrics::Metrics;
use crate::metrics::labels::GROUPS;
use crate::metrics::lag::LagMetrics;
use crate::ports::log::{Log, LogError, Partition};
use crate::{Clock, Shutdown};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How often the lag is counted unless told otherwise.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Counts the lag of every group over all partitions.
pub struct LagSampler {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    metrics: LagMetrics,
    every: Duration,
    oldest: BTreeMap<(usize, u32), Oldest>,
}

impl LagSampler {
    /// A sampler; nothing happens before [`LagSampler::run`]. `log` is better the unmetered one: what the sampler
    /// asks for is no work.
    pub fn new(log: Arc<dyn Log>, metrics: &Metrics, clock: Arc<dyn Clock>, every: Duration) -> Self {
        Self { log, clock, metrics: LagMetrics::new(metrics), every, oldest: BTreeMap::new() }
    }

    /// Runs until it is stopped. A log that does not answer is waited for; what it refuses is tried again.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
               biased;
                () = shutdown.stopping() => return,
                counted = self.count() => {
                    if let Err(error) = counted {
                        tracing::debug!(%error, "the lag can't be counted");
                    }
                }
            }
            tokio::select! {
               biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Counts once.
    ///
    /// # Errors
    /// What the log refused; what was counted before is exported.
    pub async fn count(&mut self) -> Result<(), LogError> {
        for (place, (group, topic)) in GROUPS.iter().enumerate() {
            let (mut lag, mut age) = (0, Duration::ZERO);
            for number in 0..self.log.partitions(*topic) {
                let partition = Partition(number);
                let committed = self.log.committed(group, *topic, partition).await?;
                let bounds = self.log.bounds(*topic, partition).await?;
                // What retention removed is waited for by nobody.
                let committed = committed.unwrap_or_default().max(bounds.start).0;
                lag += bounds.end.0.saturating_sub(committed);
                let oldest = self.oldest.entry((place, number)).or_default();
                age = age.max(oldest.look(committed, bounds.end.0, self.clock.monotonic()));
            }
            self.metrics.records.at([place]).set(lag as f64);
            self.metrics.age.at([place]).set(age.as_secs_f64());
        }
        self.metrics.sampled.at([]).set(self.clock.wall_ms() as f64 / 1_000.0);
        Ok(())
    }
}

impl fmt::Debug for LagSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LagSampler")
    }
}
