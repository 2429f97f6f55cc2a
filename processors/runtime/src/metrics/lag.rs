//! Metrics of what waits in the log.

use super::Metrics;
use super::definition::{Definition, Kind, Labels, Stage};
use super::family::Gauges;
use super::labels::{GROUP_NAMES, GROUP_ROWS};

/// Records that wait.
pub const LAG: Definition = Definition {
    name: "sluice_lag_records",
    kind: Kind::Gauge,
    unit: "records",
    stage: Stage::Wait,
    labels: Labels::Rows(GROUP_NAMES, GROUP_ROWS),
    help: "Records between what a group has committed and the end, over all partitions of its topic.",
    look: "`sender` counts from the oldest chunk or retry on that is not settled: it falls as campaigns go out at their \
           pages' pace. Settled ones above that count too, up to `sender.carry_after` a partition, so a page that is held \
           up shows more than there is to do. The others should stay near 0; one that only grows has too little to work with, or does not \
           work. Every process sees the whole: take the maximum, not the sum.",
};

/// How long the oldest of them waits.
pub const LAG_AGE: Definition = Definition {
    name: "sluice_lag_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    stage: Stage::Wait,
    labels: Labels::Rows(GROUP_NAMES, GROUP_ROWS),
    help: "How long the oldest record that a group has not committed has been waiting, as far as this process has \
           seen it.",
    look: "Of `sender` it is the age of the oldest chunk that is not settled: as long as a campaign runs, or longer \
           where a page is held up. Of `receipts` and `webhooks` more than a minute means that counts are late.",
};

/// When they were counted.
pub const LAG_SAMPLED: Definition = Definition {
    name: "sluice_lag_sampled_timestamp_seconds",
    kind: Kind::Gauge,
    unit: "seconds since 1970",
    stage: Stage::Wait,
    labels: Labels::None,
    help: "When the lag was counted; 0 before the first time.",
    look: "Older than a minute: the log does not answer, and the lag is as it was then.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[&LAG, &LAG_AGE, &LAG_SAMPLED];

/// The handles.
#[derive(Debug)]
pub(crate) struct LagMetrics {
    pub(crate) records: Gauges,
    pub(crate) age: Gauges,
    pub(crate) sampled: Gauges,
}

impl LagMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let all = Self { records: LAG.gauges(), age: LAG_AGE.gauges(), sampled: LAG_SAMPLED.gauges() };
        for gauges in [&all.records, &all.age, &all.sampled] {
            metrics.register(gauges);
        }
        all
    }
}
