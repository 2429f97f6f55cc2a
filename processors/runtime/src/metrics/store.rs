//! Metrics of the store.

use super::Metrics;
use super::definition::{Definition, Kind, Label, Labels, QUICK, Stage};
use super::family::{Counters, Gauges, Histograms};
use crate::ports::store::StoreError;

crate::label_words! {
    /// What the store is asked for: the methods of the port.
    StoreOperation, STORE_OPERATIONS:
    CreateCampaign = "create_campaign",
    Campaign = "campaign",
    Campaigns = "campaigns",
    Unfinished = "unfinished",
    LeaseExpansion = "lease_expansion",
    PinSource = "pin_source",
    CommitChunk = "commit_chunk",
    Seal = "seal",
    Chunks = "chunks",
    Chunk = "chunk",
    Transition = "transition",
    Announced = "announced",
    Take = "take",
    Grant = "grant",
    Release = "release",
    BumpControl = "bump_control",
    Ledger = "ledger",
    Quota = "quota",
    Lease = "lease",
    WriteRecipients = "write_recipients",
    Recipients = "recipients",
    SaveChunks = "save_chunks",
    LoadChunk = "load_chunk",
    Counters = "counters",
    Details = "details",
    Correlate = "correlate",
    Correlated = "correlated",
    NoteFacts = "note_facts",
    NotedFacts = "noted_facts",
    ExpireFacts = "expire_facts",
    Suppress = "suppress",
    Suppressed = "suppressed",
}

crate::label_words! {
    /// Kinds of [`StoreError`].
    StoreErrorKind, STORE_ERROR_KINDS:
    Fenced = "fenced",
    Missing = "missing",
    Damaged = "damaged",
    Unavailable = "unavailable",
    Storage = "storage",
}

const OPERATION: Label = Label { name: "operation", values: STORE_OPERATIONS };

/// How long operations take.
pub const SECONDS: Definition = Definition {
    name: "sluice_store_operation_seconds",
    kind: Kind::Histogram(QUICK),
    unit: "seconds",
    stage: Stage::Engines,
    labels: Labels::Each(&[OPERATION]),
    help: "How long the store took for an operation, with what it does inside to settle an answer that was lost.",
    look: "`grant` is in the way of every batch of calls, `save_chunks` of every count, `write_recipients` and \
           `commit_chunk` of the expansion.",
};

/// Operations under way.
pub const IN_FLIGHT: Definition = Definition {
    name: "sluice_store_operations_in_flight",
    kind: Kind::Gauge,
    unit: "operations",
    stage: Stage::Engines,
    labels: Labels::None,
    help: "Operations of the store that are under way.",
    look: "A number that stays high while nothing is finished: the store hangs.",
};

/// Errors.
pub const ERRORS: Definition = Definition {
    name: "sluice_store_errors_total",
    kind: Kind::Counter,
    unit: "errors",
    stage: Stage::Engines,
    labels: Labels::Each(&[OPERATION, Label { name: "kind", values: STORE_ERROR_KINDS }]),
    help: "What the store refused or could not answer.",
    look: "`fenced` is normal while pages change hands. `unavailable` is asked again by itself; a steady rate of it \
           means that the store is overloaded or lacks replicas. `damaged` and `storage` need a person.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[&SECONDS, &IN_FLIGHT, &ERRORS];

/// The handles.
#[derive(Debug)]
pub(crate) struct StoreMetrics {
    pub(crate) seconds: Histograms,
    pub(crate) in_flight: Gauges,
    pub(crate) errors: Counters,
}

impl StoreMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let all =
            Self { seconds: SECONDS.histograms(), in_flight: IN_FLIGHT.gauges(), errors: ERRORS.counters() };
        metrics.register(&all.seconds);
        metrics.register(&all.in_flight);
        metrics.register(&all.errors);
        all
    }

    pub(crate) fn failed(&self, operation: StoreOperation, error: &StoreError) {
        let kind = match error {
            StoreError::Fenced(_) => StoreErrorKind::Fenced,
            StoreError::Missing(_) => StoreErrorKind::Missing,
            StoreError::Damaged { .. } => StoreErrorKind::Damaged,
            StoreError::Unavailable(_) => StoreErrorKind::Unavailable,
            StoreError::Storage(_) => StoreErrorKind::Storage,
        };
        self.errors.at([operation as usize, kind as usize]).inc();
    }
}
