//! Metrics of the completion processor.

use crate::found::CAUSES;
use sluice_runtime::metrics::definition::{Definition, Kind, Label, Labels, Stage};
use sluice_runtime::metrics::{Counters, Gauges, Metrics};

const REASON: Label = Label { name: "reason", values: CAUSES };

/// Stalled campaigns.
pub const STALLED: Definition = Definition {
    name: "sluice_campaigns_stalled_total",
    kind: Kind::Counter,
    unit: "campaigns",
    stage: Stage::Completion,
    labels: Labels::Each(&[REASON]),
    help: "Campaigns that were found standing still without a reason, once each time that they stop.",
    look: "Any; the log names the campaign. `lost`: a chunk was lost on its way to its page, and is asked for again.",
};

/// Campaigns that stand still.
pub const STANDING: Definition = Definition {
    name: "sluice_campaigns_stalled",
    kind: Kind::Gauge,
    unit: "campaigns",
    stage: Stage::Completion,
    labels: Labels::Each(&[REASON]),
    help: "Campaigns that this process has found standing still without a reason, and that have not gone on since.",
    look: "`no_sender`, `no_expander`: start a process with that role. `audience`: its source gives no more rows; \
           `sluice explain` says since when. `lost` that stays: its page does not take what it is asked for. `seal`: its \
           chunks do not add up to what was sealed, so that it does not end; `sluice verify` tells where. Each campaign is \
           looked at by one process: take the sum.",
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
pub const DEFINITIONS: &[&Definition] = &[&STALLED, &STANDING, &ASKED_AGAIN];

/// What the processor did, since the start of the process.
#[derive(Debug)]
pub struct CompletionStats {
    pub(crate) stalled: Counters,
    pub(crate) standing: Gauges,
    pub(crate) asked_again: Counters,
}

impl Default for CompletionStats {
    fn default() -> Self {
        Self { stalled: STALLED.counters(), standing: STANDING.gauges(), asked_again: ASKED_AGAIN.counters() }
    }
}

impl CompletionStats {
    /// Exports them.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(&self.stalled);
        metrics.register(&self.standing);
        metrics.register(&self.asked_again);
    }

    /// Campaigns that were found standing still without a reason.
    pub fn stalled(&self) -> u64 {
        (0..CAUSES.len()).map(|cause| self.stalled.at([cause]).get()).sum()
    }

    /// Records that were produced again for them.
    pub fn asked_again(&self) -> u64 {
        self.asked_again.at([]).get()
    }
}
