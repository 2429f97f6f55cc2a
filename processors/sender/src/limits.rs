//! Limits of pages and above them that change while the sender runs.

use crate::quotas::Quotas;
use crate::watch::Watch;
use sluice_core::quota::Quota;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tells a running sender that limits have changed.
///
/// Guarantee: a changed limit is in force within a second, and no window holds more calls than the largest of the limits
/// that were in force in any part of it (G4). A quota that is new, or has another unit, counts from when it is in
/// force.
#[derive(Debug, Clone)]
pub struct SenderLimits {
    quotas: Arc<Quotas>,
    watch: Watch,
}

impl SenderLimits {
    pub(crate) fn new(quotas: Arc<Quotas>, watch: Watch) -> Self {
        Self { quotas, watch }
    }

    /// From now on these limits above pages are kept, and each page asks
    /// [`Messages`](sluice_runtime::ports::messages::Messages) for its own limits again: they have to be in place before.
    pub fn change(&self, quotas: &BTreeMap<String, Quota>) {
        self.quotas.replace(quotas);
        self.watch.limits_changed();
    }
}
