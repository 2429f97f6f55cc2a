//! Hands a job to a waiting slot of the same thread.

use super::job::Job;
use std::cell::{Cell, RefCell};
use std::task::{Poll, Waker};

/// Holds at most one job.
#[derive(Default)]
pub(super) struct Mailbox {
    job: RefCell<Option<Job>>,
    waker: Cell<Option<Waker>>,
}

impl Mailbox {
    /// The receiver was taken out of the list of idle slots before: nothing is in here.
    pub(super) fn put(&self, job: Job) {
        *self.job.borrow_mut() = Some(job);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// What was put, without waiting.
    pub(super) fn take(&self) -> Option<Job> {
        self.job.borrow_mut().take()
    }

    /// Waits for a job.
    pub(super) async fn receive(&self) -> Job {
        std::future::poll_fn(|context| match self.take() {
            Some(job) => Poll::Ready(job),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}
