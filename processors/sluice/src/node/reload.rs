//! Looks at the configuration file while the process runs, and takes its limits over when they change.
//!
//! Looking needs no signal, so it works where the file is mounted, as in a container. A file is taken when two looks find
//! the same: one that is being written is seen half now and then, and would lift limits that stand further down.

use super::live::LiveConfig;
use crate::config::limits::changes;
use crate::config::{Layers, Loaded, Sources, load_with};
use crate::error::Outcome;
use sluice_runtime::Shutdown;
use sluice_runtime::metrics::process::CONFIG_REJECTED;
use sluice_runtime::metrics::{Gauges, Metrics};
use sluice_sender::SenderLimits;
use std::time::Duration;
use tracing::{error, info, warn};

/// Between two looks: a changed file is in force well within a second.
const EVERY: Duration = Duration::from_millis(250);

/// Takes changed limits over.
pub(super) struct Reloader {
    sources: Sources,
    /// In force, limits included.
    layers: Layers,
    file: Steady,
    live: LiveConfig,
    /// Of the sender, where this process has one.
    limits: Option<SenderLimits>,
    rejected: Gauges,
}

/// A file's text, once two looks have found the same.
#[derive(Debug, Default)]
struct Steady {
    taken: Option<String>,
    seen: Option<String>,
}

impl Steady {
    /// Whether `found` is new, and was found by the look before as well.
    fn is_new(&mut self, found: Option<String>) -> bool {
        let is_steady = self.seen == found;
        self.seen = found;
        let is_new = is_steady && self.seen != self.taken;
        if is_new {
            self.taken.clone_from(&self.seen);
        }
        is_new
    }
}

impl Reloader {
    /// `loaded`: what the process has started with.
    pub(super) fn new(
        loaded: Loaded,
        live: LiveConfig,
        limits: Option<SenderLimits>,
        metrics: &Metrics,
    ) -> Self {
        let rejected = CONFIG_REJECTED.gauges();
        metrics.register(&rejected);
        let file = Steady { taken: loaded.text.clone(), seen: loaded.text };
        Self { sources: loaded.sources, layers: loaded.layers, file, live, limits, rejected }
    }

    /// Until `shutdown`.
    pub(super) async fn run(mut self, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            // One that can't be read, as while it is replaced, takes nothing away.
            let Ok(text) = self.sources.read() else { continue };
            if self.file.is_new(text) {
                let taken = self.take();
                self.rejected.at([]).set(if taken.is_ok() { 0.0 } else { 1.0 });
                if let Err(failure) = taken {
                    let path = self.sources.path().display();
                    error!(%path, problem = failure.message, details = failure.details.join("; "), "the changed configuration can't be taken: the limits of before hold until it is corrected");
                }
            }
        }
    }

    fn take(&mut self) -> Outcome<()> {
        let loaded = load_with(self.sources.clone(), self.file.taken.clone())?;
        let changes = changes(&self.layers, &loaded.layers);
        let config = self.live.take_limits(&loaded.config).map_err(crate::config::invalid)?;
        if let Some(limits) = &self.limits {
            limits.change(&config.quotas);
        }
        if !changes.limits.is_empty() {
            info!(changed = changes.limits.join(", "), "other limits are in force");
        }
        if !changes.others.is_empty() {
            warn!(keys = changes.others.join(", "), "these settings have changed, too, and need a restart");
        }
        self.layers = loaded.layers;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_a_file_is_taken_when_two_looks_have_found_the_same() {
        let of = |text: &str| Some(text.to_owned());
        let mut file = Steady { taken: of("a"), seen: of("a") };
        let looks =
            [of("a"), of(""), of("a b"), of("a b"), of("a b"), None, of("a b"), None, None, of("a b")];
        let new: Vec<bool> = looks.into_iter().map(|found| file.is_new(found)).collect();
        assert_eq!(new, [false, false, false, true, false, false, false, false, true, false]);
    }
}
