//! Metrics: what is exported, and the registry that exports it.
//!
//! Guarantee: the series of a process are bounded and known when it starts: a label's values are constants, or names of
//! the configuration, never a campaign, a page or a person. Counting costs an atomic addition; nothing is looked up.
//!
//! What this module does not do: it opens no port (`sluice-http` does) and measures nothing by itself
//! ([`crate::metered`] does, around the ports).
//!
//! - [`definition`]: a metric as a constant; [`family`]: its series as handles; [`labels`]: labels in common.
//! - [`log`], [`lag`], [`store`], [`campaigns`], [`grants`], [`calls`], [`pages`], [`process`]: the metrics of each
//!   component.
//! - [`docs`]: writes `docs/metrics.md`.

pub mod calls;
pub mod campaigns;
pub mod definition;
pub mod docs;
pub mod family;
pub mod grants;
pub mod labels;
pub mod lag;
pub mod log;
pub mod pages;
pub mod process;
pub mod store;

pub use definition::{Definition, Kind, Label, Labels, Stage};
pub use family::{Counters, Family, Gauges, Histograms, SecondsCounters};
pub use process::Build;

use crate::Clock;
use prometheus::core::Metric;
use prometheus::{Registry, TextEncoder};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

crate::label_words! {
    /// An engine that a process stands on.
    Engine, ENGINES: Log = "log", Store = "store"
}

type Refresh = Box<dyn Fn() + Send>;
type Probe = (Engine, Box<dyn Fn() -> Option<String> + Send>);

/// The registry of one process.
pub struct Metrics {
    registry: Registry,
    trouble: Gauges,
    refreshes: Mutex<Vec<Refresh>>,
    probes: Mutex<Vec<Probe>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Everything that this crate defines.
pub fn definitions() -> Vec<&'static Definition> {
    let components = [
        campaigns::DEFINITIONS,
        lag::DEFINITIONS,
        grants::DEFINITIONS,
        pages::DEFINITIONS,
        calls::DEFINITIONS,
        log::DEFINITIONS,
        store::DEFINITIONS,
        process::DEFINITIONS,
    ];
    components.into_iter().flatten().copied().collect()
}

impl Metrics {
    /// A registry that tells about the process.
    pub fn new(build: &Build, clock: Arc<dyn Clock>) -> Arc<Self> {
        let metrics = Self {
            registry: Registry::new(),
            trouble: log::ENGINE_TROUBLE.gauges(),
            refreshes: Mutex::default(),
            probes: Mutex::default(),
        };
        metrics.register(&metrics.trouble);
        process::start(&metrics, build, clock);
        Arc::new(metrics)
    }

    /// Exports a family. Each is registered once in a process.
    pub fn register<M: Metric>(&self, family: &Family<M>) {
        if let Err(error) = self.registry.register(family.collector()) {
            tracing::error!(metric = family.name(), %error, "a metric is not exported");
        }
    }

    /// Runs `refresh` before each scrape; it must not block.
    pub fn before_scrape(&self, refresh: impl Fn() + Send + 'static) {
        held(&self.refreshes).push(Box::new(refresh));
    }

    /// Asks an engine before each scrape what keeps it from working.
    pub fn probe(&self, engine: Engine, trouble: impl Fn() -> Option<String> + Send + 'static) {
        held(&self.probes).push((engine, Box::new(trouble)));
    }

    /// What keeps the engines from working now, for people; empty while all is well.
    pub fn troubles(&self) -> Vec<(Engine, String)> {
        held(&self.probes).iter().filter_map(|(engine, probe)| Some((*engine, probe()?))).collect()
    }

    /// Everything in the text format of Prometheus.
    ///
    /// # Errors
    /// A sentence for people, when a value can't be written.
    pub fn text(&self) -> Result<String, String> {
        // Held while it is written: what is brought up to date for one scrape is not moved by another.
        let refreshes = held(&self.refreshes);
        let troubles = self.troubles();
        for engine in [Engine::Log, Engine::Store] {
            let in_trouble = troubles.iter().any(|(troubled, _)| *troubled == engine);
            self.trouble.at([engine as usize]).set(f64::from(u8::from(in_trouble)));
        }
        refreshes.iter().for_each(|refresh| refresh());
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(|error| error.to_string())
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
