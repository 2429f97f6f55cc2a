//! A call on its way through the client: it ends in exactly one outcome, whatever happens to it.

use super::prepared::Prepared;
use sluice_runtime::Clock;
use sluice_runtime::ports::caller::{Call, CallOutcome, CallResult};
use std::rc::Rc;
use std::sync::Arc;

/// A call with its parsed endpoint.
pub(super) struct Job {
    pub(super) call: Open,
    pub(super) prepared: Rc<Prepared>,
}

/// A call without outcome. Dropped without one, it reports what is certain.
pub(super) struct Open {
    /// `None` once it has its outcome. Boxed: it goes through queues and the states of several futures.
    call: Option<Box<Call>>,
    /// What the answer said of the provider's limit.
    used_percent: Option<u32>,
    clock: Arc<dyn Clock>,
}

impl Open {
    pub(super) fn new(call: Call, clock: Arc<dyn Clock>) -> Self {
        Self { call: Some(Box::new(call)), used_percent: None, clock }
    }

    /// The call, until it has its outcome.
    pub(super) fn call(&self) -> Option<&Call> {
        self.call.as_deref()
    }

    /// From here on, bytes may leave.
    pub(super) fn start(&self) {
        self.tell(true);
    }

    /// Nothing left after all.
    pub(super) fn not_started(&self) {
        self.tell(false);
    }

    fn tell(&self, started: bool) {
        if let Some(call) = &self.call {
            call.outcomes.tell_begun(started);
        }
    }

    /// What the answer said of the provider's limit, for the outcome.
    pub(super) fn uses(&mut self, used_percent: Option<u32>) {
        self.used_percent = used_percent;
    }

    /// The one outcome.
    pub(super) fn end(mut self, result: CallResult) {
        self.report(result);
    }

    fn report(&mut self, result: CallResult) {
        if let Some(call) = self.call.take() {
            let at_ms = self.clock.wall_ms();
            let (send, attempt, used_percent) = (call.send, call.attempt, self.used_percent);
            let outcome = CallOutcome { send, attempt, result, used_percent, at_ms };
            call.outcomes.send(outcome);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(has_begun) = self.call.as_ref().map(|call| call.outcomes.begun().is_told()) else { return };
        self.report(match has_begun {
            true => CallResult::Unknown { detail: "the client stopped before the answer".to_owned() },
            false => CallResult::NotCalled { reason: None },
        });
    }
}
