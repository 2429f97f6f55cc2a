//! Provider calls with a meter.

use super::{PageChannels, seconds_since};
use crate::Clock;
use crate::metrics::Metrics;
use crate::metrics::calls::{AttemptKind, CallClass, CallMetrics, class_of};
use crate::metrics::labels::channel_place;
use crate::ports::caller::{Call, CallMeter, CallOutcome, Caller, Endpoint};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Measures another implementation, on the thread that has the outcome.
pub struct MeteredCaller {
    inner: Arc<dyn Caller>,
    channels: PageChannels,
    meter: Arc<Meter>,
}

impl MeteredCaller {
    /// Around `inner`; pages are counted under the channel that `channels` knows.
    pub fn new(
        inner: Arc<dyn Caller>,
        channels: PageChannels,
        metrics: &Metrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner, channels, meter: Arc::new(Meter { metrics: CallMetrics::new(metrics), clock }) }
    }
}

impl fmt::Debug for MeteredCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredCaller")
    }
}

impl Caller for MeteredCaller {
    fn call(&self, mut calls: Vec<Call>) {
        let now = self.meter.clock.monotonic();
        let mut latest: Option<(Arc<Endpoint>, usize)> = None;
        for call in &mut calls {
            // The calls of a batch share their endpoint, or nearly all of them do.
            let endpoint = &call.request.endpoint;
            let place = match &latest {
                Some((known, place)) if Arc::ptr_eq(known, endpoint) => *place,
                _ => {
                    let place = channel_place(self.channels.of(&endpoint.page));
                    latest = Some((endpoint.clone(), place));
                    place
                }
            };
            let attempt = if call.attempt > 1 { AttemptKind::Again } else { AttemptKind::First };
            self.meter.metrics.calls.at([place, attempt as usize]).inc();
            self.meter.metrics.in_flight.at([place]).inc();
            call.outcomes.metered_by(self.meter.clone(), place, call.not_before.max(now));
        }
        self.inner.call(calls);
    }
}

struct Meter {
    metrics: CallMetrics,
    clock: Arc<dyn Clock>,
}

impl CallMeter for Meter {
    fn ended(&self, place: usize, slot: Duration, outcome: Option<&CallOutcome>) {
        self.metrics.in_flight.at([place]).dec();
        let Some(outcome) = outcome else { return };
        let class = class_of(&outcome.result);
        self.metrics.outcomes.at([place, class as usize]).inc();
        if !matches!(class, CallClass::NotCalled | CallClass::Unreachable) {
            self.metrics.seconds.at([place]).observe(seconds_since(&*self.clock, slot));
        }
    }
}
