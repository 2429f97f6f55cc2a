//! Counts what waits in the log, every few seconds.

use super::oldest::Oldest;
use super::sampling::Sampler;
use crate::Clock;
use crate::metrics::Metrics;
use crate::metrics::labels::GROUPS;
use crate::metrics::lag::LagMetrics;
use crate::ports::log::{Log, LogError, Partition};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Counts the lag of every group over all partitions.
pub struct LagSampler {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    metrics: LagMetrics,
    oldest: BTreeMap<(usize, u32), Oldest>,
}

impl LagSampler {
    /// A sampler. `log` is better the unmetered one: what the sampler asks for is no work.
    pub fn new(log: Arc<dyn Log>, metrics: &Metrics, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, metrics: LagMetrics::new(metrics), oldest: BTreeMap::new() }
    }
}

impl Sampler for LagSampler {
    const WHAT: &'static str = "the lag";
    type Error = LogError;

    async fn sample(&mut self) -> Result<(), LogError> {
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
