//! Reads how much of each limit above pages is used, every few seconds: its row says so, whoever leases of it.

use super::live::LiveConfig;
use crate::campaign::quotas::QuotaUse;
use crate::error::{Failure, Outcome};
use sluice_core::quota::Kind;
use sluice_runtime::Clock;
use sluice_runtime::metered::Sampler;
use sluice_runtime::metrics::{Gauges, Metrics};
use sluice_runtime::ports::store::Store;
use sluice_sender::metrics::QUOTA_USED;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Exports the use of the configured quotas.
pub(super) struct QuotaSampler {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    config: LiveConfig,
    used: Gauges,
    /// What is told of: quotas may go while the process runs.
    told: BTreeSet<(String, &'static str)>,
}

impl QuotaSampler {
    /// A sampler. `store` is better the unmetered one: looking is no work.
    pub(super) fn new(
        store: Arc<dyn Store>,
        config: LiveConfig,
        metrics: &Metrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let used = QUOTA_USED.gauges();
        metrics.register(&used);
        let mut sampler = Self { store, clock, config, used, told: BTreeSet::new() };
        sampler.tell();
        sampler
    }

    /// Of each limit that is configured there is a series, and of no other.
    fn tell(&mut self) {
        let config = self.config.now();
        let of = config
            .quotas
            .iter()
            .flat_map(|(name, quota)| quota.windows().map(move |window| (name.clone(), word(window.kind))));
        let told: BTreeSet<(String, &'static str)> = of.collect();
        self.told.difference(&told).for_each(|(name, kind)| self.used.forget(&[name, kind]));
        told.difference(&self.told).for_each(|(name, kind)| self.used.told(&[name, kind]).set(0.0));
        self.told = told;
    }
}

impl Sampler for QuotaSampler {
    const WHAT: &'static str = "the use of quotas";
    type Error = Failure;

    async fn sample(&mut self) -> Outcome<()> {
        self.tell();
        let config = self.config.now();
        for QuotaUse { name, quota, body } in QuotaUse::read(&*self.store, &config.quotas, |_| true).await? {
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
