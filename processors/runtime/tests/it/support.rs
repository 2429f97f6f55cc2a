//! A clock moved by hand, and a scrape as numbers.

use sluice_runtime::Clock;
use sluice_runtime::metrics::{Build, Metrics};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Starts at 1,000 s after 1970.
#[derive(Debug, Default)]
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn wall_ms(&self) -> i64 {
        1_000_000 + self.0.load(Ordering::SeqCst) as i64
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub(crate) const BUILD: Build = Build { version: "1.2.3", log: "embedded", store: "embedded" };

/// An empty registry and its clock.
pub(crate) fn metrics() -> (Arc<Metrics>, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    (Metrics::new(&BUILD, clock.clone()), clock)
}

/// The value of one series, written as it is exported.
#[track_caller]
pub(crate) fn value(metrics: &Metrics, series: &str) -> f64 {
    let text = metrics.text().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in:\n{text}")).parse().unwrap()
}
