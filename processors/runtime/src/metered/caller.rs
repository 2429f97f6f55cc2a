//! Provider calls with a meter.

use super::{PageChannels, seconds_since};
use crate::Clock;
use crate::metrics::Metrics;
use crate::metrics::calls::{AttemptKind, CallClass, CallMetrics, class_of};
use crate::metrics::labels::channel_place;
use crate::ports::caller::{Call, CallOutcome, Caller, Endpoint};
use sluice_core::SendId;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Outcomes handed on at a time.
const OUTCOMES_MAX: usize = 256;

/// Measures another implementation. The outcomes of a batch come back through a task of its own.
pub struct MeteredCaller {
    inner: Arc<dyn Caller>,
    channels: PageChannels,
    metrics: Arc<CallMetrics>,
    clock: Arc<dyn Clock>,
}

impl MeteredCaller {
    /// Around `inner`; pages are counted under the channel that `channels` knows.
    pub fn new(
        inner: Arc<dyn Caller>,
        channels: PageChannels,
        metrics: &Metrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { inner, channels, metrics: Arc::new(CallMetrics::new(metrics)), clock }
    }
}

impl fmt::Debug for MeteredCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredCaller")
    }
}

impl Caller for MeteredCaller {
    fn call(&self, mut calls: Vec<Call>) {
        let Ok(runtime) = Handle::try_current() else { return self.inner.call(calls) };
        let now = self.clock.monotonic();
        let (sender, outcomes) = unbounded_channel();
        let mut batch = Batch {
            waiting: HashMap::with_capacity(calls.len()),
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
        };
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
            self.metrics.calls.at([place, attempt as usize]).inc();
            let key = (call.send, call.attempt);
            if batch.waiting.contains_key(&key) {
                // Its outcome could not be told from the other's: it goes where it should, unmeasured.
                continue;
            }
            let to = std::mem::replace(&mut call.outcomes, sender.clone());
            self.metrics.in_flight.at([place]).inc();
            batch.waiting.insert(key, Waiting { slot: call.not_before.max(now), place, to });
        }
        drop(sender);
        runtime.spawn(batch.hand_on(outcomes));
        self.inner.call(calls);
    }
}

struct Waiting {
    slot: Duration,
    place: usize,
    to: UnboundedSender<CallOutcome>,
}

/// Calls whose outcomes are not known yet.
struct Batch {
    waiting: HashMap<(SendId, u8), Waiting>,
    metrics: Arc<CallMetrics>,
    clock: Arc<dyn Clock>,
}

impl Batch {
    async fn hand_on(mut self, mut outcomes: UnboundedReceiver<CallOutcome>) {
        let mut buffer = Vec::new();
        while outcomes.recv_many(&mut buffer, OUTCOMES_MAX).await > 0 {
            for outcome in buffer.drain(..) {
                self.outcome(outcome);
            }
        }
    }

    fn outcome(&mut self, outcome: CallOutcome) {
        let Some(waiting) = self.waiting.remove(&(outcome.send, outcome.attempt)) else {
            tracing::error!(send = ?outcome.send, "a call ended twice");
            return;
        };
        let class = class_of(&outcome.result);
        self.metrics.in_flight.at([waiting.place]).dec();
        self.metrics.outcomes.at([waiting.place, class as usize]).inc();
        if !matches!(class, CallClass::NotCalled | CallClass::Unreachable) {
            self.metrics.seconds.at([waiting.place]).observe(seconds_since(&*self.clock, waiting.slot));
        }
        // Whoever made the call may be gone: then nobody wants to know.
        drop(waiting.to.send(outcome));
    }
}

impl Drop for Batch {
    /// Calls that the client gave up without an outcome are under way no more.
    fn drop(&mut self) {
        for (_, waiting) in self.waiting.drain() {
            self.metrics.in_flight.at([waiting.place]).dec();
        }
    }
}
