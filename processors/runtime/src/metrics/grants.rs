//! Metrics of grants: claims made in page ledgers. They are seen where the store is asked.

use super::Metrics;
use super::definition::{Definition, Kind, Label, Labels, Stage};
use super::family::Counters;

crate::label_words! {
    /// The answer to a grant.
    GrantResult, GRANT_RESULTS: Granted = "granted", Refused = "refused"
}

crate::label_words! {
    /// What was known about the former owner at a take.
    TakenFrom, TAKEN_FROM: HandedOver = "handed_over", Gone = "gone", MayRun = "may_run"
}

/// Grants.
pub const GRANTS: Definition = Definition {
    name: "sluice_grants_total",
    kind: Kind::Counter,
    unit: "grants",
    stage: Stage::Grant,
    labels: Labels::Each(&[Label { name: "result", values: GRANT_RESULTS }]),
    help: "Compare-and-sets on page ledgers that claim a batch of sends or give claims back.",
    look: "`refused` is normal after a pause, a cancel or a change of owner; a steady rate of it means that two \
           processes want the same pages. How long a grant takes is \
           `sluice_store_operation_seconds{operation=\"grant\"}`.",
};

/// Pages taken.
pub const TAKES: Definition = Definition {
    name: "sluice_page_takes_total",
    kind: Kind::Counter,
    unit: "pages",
    stage: Stage::Grant,
    labels: Labels::Each(&[Label { name: "predecessor", values: TAKEN_FROM }]),
    help: "Pages that this process became the owner of, by what is known about the owner before.",
    look: "`may_run` follows a crash or a freeze: the page waits until the former owner's last call is over.",
};

/// Pages handed over.
pub const RELEASES: Definition = Definition {
    name: "sluice_page_releases_total",
    kind: Kind::Counter,
    unit: "pages",
    stage: Stage::Grant,
    labels: Labels::None,
    help: "Pages that this process handed over cleanly.",
    look: "Takes without releases elsewhere: processes end without handing over.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[&GRANTS, &TAKES, &RELEASES];

/// The handles.
#[derive(Debug)]
pub(crate) struct GrantMetrics {
    pub(crate) grants: Counters,
    pub(crate) takes: Counters,
    pub(crate) releases: Counters,
}

impl GrantMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let all = Self { grants: GRANTS.counters(), takes: TAKES.counters(), releases: RELEASES.counters() };
        for counters in [&all.grants, &all.takes, &all.releases] {
            metrics.register(counters);
        }
        all
    }
}
