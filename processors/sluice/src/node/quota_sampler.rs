//! Reads how much of each limit above pages is used, every few seconds: its row says so, whoever leases of it.

use crate::campaign::quotas::QuotaUse;
use crate::error::{Failure, Outcome};
use sluice_core::quota::{Kind, Quota};
use sluice_runtime::Clock;
use sluice_runtime::metered::Sampler;
use sluice_runtime::metrics::{Gauges, Metrics};
use sluice_runtime::ports::store::Store;
use sluice_sender::metrics::QUOTA_USED;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Exports the use of the configured quotas.
pub(super) struct QuotaSampler {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    quotas: BTreeMap<String, Quota>,
    used: Gauges,
}

impl QuotaSampler {
    /// A sampler. `store` is better the unmetered one: looking is no work.
    pub(super) fn new(
        store: Arc<dyn Store>,
        quotas: BTreeMap<String, Quota>,
        metrics: &Metrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let used = QUOTA_USED.gauges();
        for (name, quota) in &quotas {
            quota.windows().for_each(|window| used.told(&[name, word(window.kind)]).set(0.0));
        }
        metrics.register(&used);
        Self { store, clock, quotas, used }
    }
}

impl Sampler for QuotaSampler {
    const WHAT: &'static str = "the use of quotas";
    type Error = Failure;

    async fn sample(&mut self) -> Outcome<()> {
        for QuotaUse { name, quota, body } in QuotaUse::read(&*self.store, &self.quotas, |_| true).await? {
            let now_ms = self.clock.wall_ms();
            for window in quota.windows() {
                let used = body.used(&window, now_ms) as f64 / window.cap.max(1) as f64;
                // A limit that was lowered may be exceeded by what was leased before.
                self.used.told(&[&name, word(window.kind)]).set(used.min(1.0));
            }
        }
        Ok(())
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Rate => "rate",
        Kind::Daily => "daily",
    }
}
