//! A slot: one task, one connection, one call at a time.

use super::connect::{Connection, connect};
use super::exchange::{exchange, is_quiet};
use super::gate::Passed;
use super::job::{Job, Open};
use super::mailbox::Mailbox;
use super::origin::Origin;
use super::prepared::{Prepared, can_be_value};
use super::watchdog::Watchdog;
use sluice_core::throttle::HoldReason;
use sluice_runtime::ports::caller::{CallResult, Failure};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

/// A wait for a connection that took at least this long counts as "no connection"; a shorter one, cut off by
/// the end of the grant, says nothing.
const CONNECT_PATIENCE: Duration = Duration::from_secs(1);

struct Slot {
    origin: Rc<Origin>,
    mailbox: Rc<Mailbox>,
    watchdog: Watchdog,
    connection: Option<Connection>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Also after a panic: the place is free for another slot.
        self.origin.leave(&self.mailbox);
        self.origin.ended();
    }
}

/// Starts a slot with its first call.
pub(super) fn spawn(origin: Rc<Origin>, first: Job) {
    let mailbox = Rc::new(Mailbox::default());
    let slot = Slot { origin, mailbox, watchdog: Watchdog::new(), connection: None };
    tokio::task::spawn_local(slot.run(first));
}

/// How far a call came in one go.
enum Went {
    Ended(Open, CallResult),
    /// No byte left because the connection was closed already.
    Stale(Open),
}

impl Slot {
    async fn run(mut self, first: Job) {
        let idle = Duration::from_millis(self.origin.shared.options.idle_ms);
        let mut next = Some(first);
        while let Some(job) = next {
            self.perform(job).await;
            next = self.origin.next();
            if next.is_none() {
                self.origin.rest(&self.mailbox);
                let mailbox = Rc::clone(&self.mailbox);
                next = self.watchdog.within(idle, mailbox.receive()).await;
                if next.is_none() && !self.origin.leave(&self.mailbox) {
                    // Given a call in the very moment.
                    next = self.mailbox.take();
                }
            }
        }
    }

    async fn perform(&mut self, job: Job) {
        let Job { mut call, prepared } = job;
        // A reused connection may turn out to be closed before anything was written: then a new one is made,
        // once. A new one that does the same is not worth a third.
        for reused in [true, false] {
            if let Err(result) = self.connected(&call, reused).await {
                return call.end(result);
            }
            match self.exchange(call, &prepared).await {
                Went::Ended(call, result) => return call.end(result),
                Went::Stale(back) => call = back,
            }
        }
        let problem = "the connection was closed before anything was sent".to_owned();
        call.end(CallResult::NotCalled { reason: Some(HoldReason::Unreachable(problem)) });
    }

    /// Sees to it that there is a connection, without writing anything of the call.
    async fn connected(&mut self, call: &Open, reuse: bool) -> Result<(), CallResult> {
        let late = || CallResult::NotCalled { reason: None };
        let shared = &self.origin.shared;
        let Some((not_after, latest_start)) = call.call().map(|call| (call.not_after, call.latest_start()))
        else {
            return Err(late());
        };
        let now = shared.clock.monotonic();
        if now >= latest_start {
            return Err(late());
        }
        if let Some(mut connection) = self.connection.take_if(|_| reuse) {
            // Lets the runtime look at the sockets first, so that a connection closed by the other side is known
            // to be closed. Costs some 2 % of the calls a second; without it, a server that closes without
            // saying so leaves outcomes unknown.
            tokio::task::yield_now().await;
            if is_quiet(&mut connection, &self.origin.scratch).await {
                self.connection = Some(connection);
                return Ok(());
            }
        }
        self.connection = None;
        // Goes on beyond the call's slot: the next one finds a connection.
        let patience = Duration::from_millis(shared.options.connect_ms_max);
        let limit = patience.min(not_after - now);
        match self.watchdog.within(limit, connect(&self.origin.authority, shared)).await {
            Some(Ok(connection)) => {
                self.connection = Some(connection);
                Ok(())
            }
            Some(Err(problem)) => {
                Err(CallResult::NotCalled { reason: Some(HoldReason::Unreachable(problem)) })
            }
            None if limit >= patience.min(CONNECT_PATIENCE) => {
                let authority = &self.origin.authority;
                let (host, port, limit) = (&authority.host, authority.port, limit.as_millis());
                let problem = format!("no connection to {host}:{port} within {limit} ms");
                Err(CallResult::NotCalled { reason: Some(HoldReason::Unreachable(problem)) })
            }
            None => Err(late()),
        }
    }

    /// One request and its answer.
    async fn exchange(&mut self, mut open: Open, prepared: &Prepared) -> Went {
        let Some(mut connection) = self.connection.take() else { return Went::Stale(open) };
        let Some(call) = open.call() else { return Went::Stale(open) };
        let latest_start = call.latest_start();
        let left = latest_start.saturating_sub(self.origin.shared.clock.monotonic());
        if left.is_zero() {
            // Nothing was written: the connection is as good as before.
            self.connection = Some(connection);
            return Went::Ended(open, CallResult::NotCalled { reason: None });
        }
        let request = &call.request;
        if !request.tag.as_deref().is_none_or(can_be_value) {
            self.connection = Some(connection);
            return Went::Ended(open, unusable("the tag can't be a header".to_owned()));
        }
        let deadline = Instant::now() + Duration::from_millis(prepared.endpoint.timeout_ms);
        open.start();
        connection.gate.arm(latest_start);
        let write = |bytes: &mut Vec<u8>| prepared.parts.write(request, bytes);
        let rules = &*prepared.endpoint.answers;
        let exchanged = exchange(&mut connection, &self.origin.scratch, write, rules);
        let ended = self.watchdog.until(deadline, exchanged).await;
        let passed = connection.gate.passed();
        match ended {
            Some(Ok(answer)) => {
                if answer.keep {
                    connection.gate.disarm();
                    self.connection = Some(connection);
                }
                open.uses(answer.used_percent);
                Went::Ended(open, answer.result)
            }
            Some(Err(_)) if passed == Passed::Nothing => {
                open.not_started();
                Went::Stale(open)
            }
            _ if passed == Passed::TooLate => {
                open.not_started();
                Went::Ended(open, CallResult::NotCalled { reason: None })
            }
            // The connection ends here, so nothing is written later either.
            None if passed == Passed::Nothing => {
                open.not_started();
                Went::Ended(open, CallResult::NotCalled { reason: None })
            }
            Some(Err(problem)) => {
                connection.gate.reset_on_close();
                Went::Ended(open, CallResult::Unknown { detail: format!("no answer: {problem}") })
            }
            None => {
                connection.gate.reset_on_close();
                let detail = format!("no answer within {} ms", prepared.endpoint.timeout_ms);
                Went::Ended(open, CallResult::Unknown { detail })
            }
        }
    }
}

/// The endpoint can't be called, whoever the recipient is.
pub(super) fn unusable(message: String) -> CallResult {
    CallResult::Failed(Failure {
        transient: false,
        attempts_max: 0,
        opted_out: false,
        holds_template: false,
        slows_page: false,
        code: "invalid_endpoint".to_owned(),
        message,
        retry_after: None,
        growing_wait: None,
    })
}
