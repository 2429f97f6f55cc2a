//! The series of one metric, held as handles: no look-up where something is counted.

use super::definition::{Definition, Kind, Labels};
use prometheus::core::{Collector, Metric, MetricVec, MetricVecBuilder};
use prometheus::{Counter, Gauge, Histogram, HistogramOpts, IntCounter, Opts};
use std::fmt;
use std::sync::Arc;

/// All series of a metric, each there from the start.
#[derive(Clone)]
pub struct Family<M> {
    name: &'static str,
    series: Arc<dyn Series<M>>,
    handles: Arc<[M]>,
    /// How many values each label has.
    widths: Vec<usize>,
}

/// Counters of whole things.
pub type Counters = Family<IntCounter>;
/// Counters of seconds.
pub type SecondsCounters = Family<Counter>;
/// Gauges.
pub type Gauges = Family<Gauge>;
/// Histograms.
pub type Histograms = Family<Histogram>;

/// The client library's own idea of a family, whatever it builds its series with.
trait Series<M>: Send + Sync {
    fn with(&self, values: &[&str]) -> M;
    fn forget(&self, values: &[&str]);
    fn collector(&self) -> Box<dyn Collector>;
}

impl<M: Metric, B: MetricVecBuilder<M = M> + 'static> Series<M> for MetricVec<B> {
    fn with(&self, values: &[&str]) -> M {
        self.with_label_values(values)
    }

    fn forget(&self, values: &[&str]) {
        // One that was never told of is no error.
        self.remove_label_values(values).unwrap_or(());
    }

    fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.clone())
    }
}

impl<M: Metric> Family<M> {
    fn of<B>(definition: &Definition, series: prometheus::Result<MetricVec<B>>) -> Self
    where
        B: MetricVecBuilder<M = M> + 'static,
    {
        // Only a definition that can't be exported fails here, and each is made in a test.
        let series = series.expect("a metric is defined with valid names");
        let handles = definition.labels.rows().iter().map(|row| series.with_label_values(row)).collect();
        let widths = match definition.labels {
            Labels::Each(labels) => labels.iter().map(|label| label.values.len()).collect(),
            Labels::Rows(_, rows) => vec![rows.len()],
            Labels::None | Labels::Told(_) => Vec::new(),
        };
        Self { name: definition.name, series: Arc::new(series), handles, widths }
    }

    /// The series at these places of its labels' values; `[]` of a metric without labels, the row's number where
    /// the combinations are listed.
    pub fn at<const N: usize>(&self, places: [usize; N]) -> &M {
        debug_assert_eq!(N, self.widths.len(), "{}", self.name);
        let place = places.iter().zip(&self.widths).fold(0, |sum, (place, width)| sum * width + place);
        &self.handles[place]
    }

    /// The series with these values, for metrics whose values are told at the start.
    pub fn told(&self, values: &[&str]) -> M {
        self.series.with(values)
    }

    /// Such a series ends: what it was about is gone.
    pub fn forget(&self, values: &[&str]) {
        self.series.forget(values);
    }

    /// Itself, to be registered.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        self.series.collector()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<M> fmt::Debug for Family<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Definition {
    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    /// Its series, for a counter of whole things.
    pub fn counters(&self) -> Counters {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        Family::of(self, prometheus::IntCounterVec::new(self.opts(), &self.labels.names()))
    }

    /// Its series, for a counter of seconds.
    pub fn seconds_counters(&self) -> SecondsCounters {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        Family::of(self, prometheus::CounterVec::new(self.opts(), &self.labels.names()))
    }

    /// Its series, for a gauge.
    pub fn gauges(&self) -> Gauges {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        Family::of(self, prometheus::GaugeVec::new(self.opts(), &self.labels.names()))
    }

    /// Its series, for a histogram.
    pub fn histograms(&self) -> Histograms {
        let Kind::Histogram(bounds) = self.kind else { unreachable!("{} is no histogram", self.name) };
        let opts = HistogramOpts::new(self.name, self.help).buckets(bounds.to_vec());
        Family::of(self, prometheus::HistogramVec::new(opts, &self.labels.names()))
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::definition::{Definition, Kind, Label, Labels, Stage};

    const CALLS: Definition = Definition {
        name: "sluice_test_total",
        kind: Kind::Counter,
        unit: "calls",
        stage: Stage::Call,
        labels: Labels::Each(&[
            Label { name: "channel", values: &["a", "b"] },
            Label { name: "class", values: &["x", "y", "z"] },
        ]),
        help: "Calls.",
        look: "Nothing.",
    };

    #[test]
    fn a_handle_is_the_series_with_its_values() {
        let calls = CALLS.counters();
        calls.at([1, 2]).inc_by(7);
        assert_eq!(calls.told(&["b", "z"]).get(), 7);
        assert_eq!(calls.told(&["b", "y"]).get(), 0);
    }
}
