//! Metrics of the completion processor.

use sluice_runtime::metrics::definition::{Definition, Kind, Labels, Stage};
use sluice_runtime::metrics::{Counters, Metrics};

/// Stalled campaigns.
pub const STALLED: Definition = Definition {
    name: "sluice_campaigns_stalled_total",
    kind: Kind::Counter,
    unit: "campaigns",
    stage: Stage::Completion,
    labels: Labels::None,
    help: "Campaigns that were found standing still without a reason, once each time that they stop.",
    look: "Any: a chunk was lost on its way to its page. It is asked for again; the log names the campaign.",
};

/// Records produced again.
pub const ASKED_AGAIN: Definition = Definition {
    name: "sluice_chunks_asked_again_total",
    kind: Kind::Counter,
    unit: "records",
    stage: Stage::Completion,
    labels: Labels::None,
    help: "Records of `chunks` that were produced again for stalled campaigns.",
    look: "One that grows while a campaign stays stalled: its page does not take them.",
};

/// The metrics of this crate.
pub const DEFINITIONS: &[&Definition] = &[&STALLED, &ASKED_AGAIN];

/// What the processor did, since the start of the process.
#[derive(Debug)]
pub struct CompletionStats {
    pub(crate) stalled: Counters,
    pub(crate) asked_again: Counters,
}

impl Default for CompletionStats {
    fn default() -> Self {
        Self { stalled: STALLED.counters(), asked_again: ASKED_AGAIN.counters() }
    }
}

impl CompletionStats {
    /// Exports them.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(&self.stalled);
        metrics.register(&self.asked_again);
    }

    /// Campaigns that were found standing still without a reason.
    pub fn stalled(&self) -> u64 {
        self.stalled.at([]).get()
    }

    /// Records that were produced again for them.
    pub fn asked_again(&self) -> u64 {
        self.asked_again.at([]).get()
    }
}
