//! The HTTP client behind the port [`Caller`].
//!
//! A few threads, each with a single-threaded runtime. On each thread, an *origin* (scheme, host, port) has a
//! queue of calls and a set of *slots*; a slot is a task with one HTTP/1.1 connection of its own that makes one
//! call at a time. So a lost connection concerns exactly one call, nothing is sent a second time behind our
//! back, and what is known about a call is exact:
//!
//! - Whether any byte of a request was written is noted by the connection itself ([`gate`]), which also looks at
//!   the clock once more right before the first byte (hazard 5).
//! - A connection with an unanswered call is reset, never used again, and its unsent bytes are thrown away
//!   (hazard 14).
//! - A connection that the other side has closed is noticed before it is used; idle ones are closed early.
//!
//! No redirects, no proxies, no retries, no compression.

mod chunked;
mod connect;
mod exchange;
mod gate;
mod job;
mod mailbox;
mod options;
mod origin;
mod prepared;
mod reply;
mod slot;
mod thread;
mod watchdog;

pub use options::{HttpCallerOptions, StartError};

use sluice_runtime::Clock;
use sluice_runtime::ports::caller::{Call, CallOutcome, CallResult, Caller};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use thread::{Shared, Worker};
use tokio::sync::{mpsc, watch};

/// Makes provider calls over its own connections. Cheap to call from any thread; see the module's
/// documentation for its layout.
pub struct HttpCaller {
    /// `None` after [`HttpCaller::shutdown`].
    workers: Mutex<Option<Vec<mpsc::UnboundedSender<Vec<Call>>>>>,
    next: AtomicUsize,
    running: watch::Receiver<usize>,
    clock: Arc<dyn Clock>,
}

impl HttpCaller {
    /// Starts the threads.
    pub fn start(options: HttpCallerOptions, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let threads = options.threads.max(1);
        let shared = Arc::new(Shared::new(options, Arc::clone(&clock))?);
        let (running_sender, running) = watch::channel(threads);
        let running_sender = Arc::new(running_sender);
        let mut workers = Vec::with_capacity(threads);
        for number in 0..threads {
            workers.push(Worker::spawn(number, Arc::clone(&shared), Arc::clone(&running_sender))?);
        }
        Ok(Self { workers: Mutex::new(Some(workers)), next: AtomicUsize::new(0), running, clock })
    }

    /// Takes no more calls and waits until all earlier ones have their outcome: at the latest when their
    /// `not_after` and their timeout have passed. Calls made after this end as [`CallResult::NotCalled`].
    pub async fn shutdown(&self) {
        drop(self.workers.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut running = self.running.clone();
        // An error means that all threads are gone.
        let _stopped = running.wait_for(|threads| *threads == 0).await;
    }

    fn refuse(&self, calls: Vec<Call>) {
        let at_ms = self.clock.wall_ms();
        for call in calls {
            let result = CallResult::NotCalled { reason: None };
            let (send, attempt) = (call.send, call.attempt);
            let outcome = CallOutcome { send, attempt, result, used_percent: None, at_ms };
            call.outcomes.send(outcome);
        }
    }
}

impl Caller for HttpCaller {
    fn call(&self, mut calls: Vec<Call>) {
        let refused = {
            let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(workers) = workers.as_deref() else {
                drop(workers);
                return self.refuse(calls);
            };
            let mut refused = Vec::new();
            let first = self.next.fetch_add(calls.len(), Ordering::Relaxed);
            for share in 0..workers.len() {
                // Dealt like cards, so that every thread gets its part of a pace.
                let left = workers.len() - share;
                let part = if left == 1 { std::mem::take(&mut calls) } else { every(&mut calls, left) };
                if part.is_empty() {
                    continue;
                }
                if let Err(gone) = workers[(first + share) % workers.len()].send(part) {
                    refused.extend(gone.0);
                }
            }
            refused
        };
        if !refused.is_empty() {
            self.refuse(refused);
        }
    }
}

/// Takes the first of every `n` calls out, keeping the order of both parts.
fn every(calls: &mut Vec<Call>, n: usize) -> Vec<Call> {
    let mut taken = Vec::with_capacity(calls.len().div_ceil(n));
    let mut kept = Vec::with_capacity(calls.len());
    for (at, call) in calls.drain(..).enumerate() {
        if at % n == 0 { taken.push(call) } else { kept.push(call) }
    }
    *calls = kept;
    taken
}

impl std::fmt::Debug for HttpCaller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HttpCaller")
    }
}
