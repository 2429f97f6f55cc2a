//! Metrics of the sender that no port shows: leases of limits above pages.

use sluice_runtime::label_words;
use sluice_runtime::metrics::definition::{Definition, Kind, Label, Labels, Stage};
use sluice_runtime::metrics::{Counters, Metrics};

label_words! {
    /// What became of a lease.
    LeaseResult, LEASE_RESULTS:
    Written = "written",
    Refused = "refused",
    Lost = "lost",
}

label_words! {
    /// What became of tokens.
    TokenFate, TOKEN_FATES:
    Leased = "leased",
    GivenBack = "given_back",
    Lost = "lost",
}

/// Leases.
pub const LEASES: Definition = Definition {
    name: "sluice_quota_leases_total",
    kind: Kind::Counter,
    unit: "leases",
    stage: Stage::Grant,
    labels: Labels::Each(&[Label { name: "result", values: LEASE_RESULTS }]),
    help: "Compare-and-sets on the rows of quotas: written, refused since another process was faster, or without an \
           answer that could be settled.",
    look: "More `refused` than `written`: many processes share one quota. `lost` stays near 0 while the store is well.",
};

/// Tokens.
pub const TOKENS: Definition = Definition {
    name: "sluice_quota_tokens_total",
    kind: Kind::Counter,
    unit: "calls",
    stage: Stage::Grant,
    labels: Labels::Each(&[Label { name: "fate", values: TOKEN_FATES }]),
    help: "Calls that were leased of quotas, those of them that were not made and given back, and those that count \
           although nobody can make them.",
    look: "`given_back` close to `leased`: grants come later than tokens live, the store is slow. `lost` comes back \
           when its window is over.",
};

/// How much of each quota is used.
pub const QUOTA_USED: Definition = Definition {
    name: "sluice_quota_used_ratio",
    kind: Kind::Gauge,
    unit: "part of the limit",
    stage: Stage::Grant,
    labels: Labels::Told(&[
        ("quota", "its name in the configuration"),
        ("limit", "`rate`: its calls a window; `daily`: its calls in any 24 hours"),
    ]),
    help: "The part of each limit above pages that is used, from 0 to 1, as its row said within the last seconds.",
    look: "`rate` at 1 while campaigns run: the limit sets their pace, as it is meant to. `daily` at 1: what is under it \
           waits, `sluice explain` says for how long. Every process sees the whole: take the maximum, not the sum.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[&LEASES, &TOKENS, &QUOTA_USED];

/// Counts leases.
#[derive(Debug, Clone)]
pub struct QuotaStats {
    leases: Counters,
    tokens: Counters,
}

impl Default for QuotaStats {
    fn default() -> Self {
        Self { leases: LEASES.counters(), tokens: TOKENS.counters() }
    }
}

impl QuotaStats {
    /// Exports all of it. Once in a process.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(&self.leases);
        metrics.register(&self.tokens);
    }

    pub(crate) fn lease(&self, result: LeaseResult) {
        self.leases.at([result as usize]).inc();
    }

    pub(crate) fn tokens(&self, fate: TokenFate, count: u32) {
        self.tokens.at([fate as usize]).inc_by(u64::from(count));
    }
}
