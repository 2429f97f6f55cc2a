//! Writes that wait for the committer, in two orders of importance.

use crate::{EngineError, Tx};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// How soon a write has to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// In the next commit, before all that is low. Small writes that somebody waits for: grants, receipts,
    /// commit points.
    High,
    /// Bulk. Each commit takes a bounded number of bytes, so that a burst delays nothing that is high.
    Low {
        /// Roughly what the write puts in, in bytes.
        bytes: usize,
    },
}

/// Room for a low-priority write; given back when dropped. Keep it until the write is durable.
#[derive(Debug)]
pub struct Reservation {
    pub(crate) _permit: Option<OwnedSemaphorePermit>,
}

/// A write on its way.
pub(crate) trait Job: Send {
    /// Puts the write into the batch.
    fn run(&mut self, tx: &mut Tx);
    /// Answers, after the batch is durable or has failed.
    fn finish(self: Box<Self>, committed: Result<(), EngineError>);
}

/// Where the engine is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// What waits is still committed, nothing new is taken.
    Closing,
    /// Nothing is committed any more.
    Failed(EngineError),
}

struct Waiting {
    high: VecDeque<Box<dyn Job>>,
    low: VecDeque<(usize, Box<dyn Job>)>,
    life: Life,
}

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    pub(crate) fn new() -> Self {
        let waiting = Waiting { high: VecDeque::new(), low: VecDeque::new(), life: Life::Open };
        Self { waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    /// Puts a job in line, or answers it at once when nothing is taken any more.
    pub(crate) fn push(&self, priority: Priority, job: Box<dyn Job>) {
        let mut waiting = self.lock();
        let refused = match &waiting.life {
            Life::Open => None,
            Life::Closing => Some(EngineError::Closed),
            Life::Failed(error) => Some(error.clone()),
        };
        if let Some(error) = refused {
            drop(waiting);
            return job.finish(Err(error));
        }
        match priority {
            Priority::High => waiting.high.push_back(job),
            Priority::Low { bytes } => waiting.low.push_back((bytes, job)),
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// The jobs of the next commit: all that is high, then low ones until `low_bytes` are reached. Waits until
    /// there is one, and until `last` is an interval ago. `None` when the engine is closed and drained.
    pub(crate) fn next_batch(
        &self,
        last: Option<Instant>,
        interval: Duration,
        low_bytes: usize,
    ) -> Option<Vec<Box<dyn Job>>> {
        let mut waiting = self.lock();
        loop {
            let is_closing = waiting.life == Life::Closing;
            if !waiting.high.is_empty() || !waiting.low.is_empty() {
                let rest = last.map_or(Duration::ZERO, |last| interval.saturating_sub(last.elapsed()));
                if rest.is_zero() || is_closing {
                    break;
                }
                waiting = self.changed.wait_timeout(waiting, rest).unwrap_or_else(PoisonError::into_inner).0;
            } else if is_closing {
                return None;
            } else {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        }
        let mut jobs: Vec<Box<dyn Job>> = waiting.high.drain(..).collect();
        let mut taken = 0;
        while taken < low_bytes {
            let Some((bytes, job)) = waiting.low.pop_front() else { break };
            taken += bytes;
            jobs.push(job);
        }
        Some(jobs)
    }

    /// Ends the taking of new jobs.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        if waiting.life == Life::Open {
            waiting.life = Life::Closing;
        }
        drop(waiting);
        self.changed.notify_all();
    }

    /// Refuses everything from now on and gives what was waiting. The first error stays.
    pub(crate) fn fail(&self, error: EngineError) -> Vec<Box<dyn Job>> {
        let mut waiting = self.lock();
        if !matches!(waiting.life, Life::Failed(_)) {
            waiting.life = Life::Failed(error);
        }
        let mut jobs: Vec<Box<dyn Job>> = waiting.high.drain(..).collect();
        jobs.extend(waiting.low.drain(..).map(|(_, job)| job));
        jobs
    }

    pub(crate) fn life(&self) -> Life {
        self.lock().life.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
