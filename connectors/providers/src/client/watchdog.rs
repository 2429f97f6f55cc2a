//! Deadlines without a timer per call.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for the many deadlines of a slot, one at a time: it is moved only when it fires too early, so a
/// call that is answered in time costs the timer wheel nothing.
pub(super) struct Watchdog {
    sleep: Pin<Box<Sleep>>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self { sleep: Box::pin(sleep_until(Instant::now())) }
    }

    /// The future's output, or `None` if it is not there in time.
    pub(super) async fn within<F: Future>(&mut self, limit: Duration, future: F) -> Option<F::Output> {
        let deadline = Instant::now() + limit;
        self.until(deadline, future).await
    }

    /// The future's output, or `None` if it is not there by `deadline`.
    pub(super) async fn until<F: Future>(&mut self, deadline: Instant, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        if self.sleep.deadline() > deadline {
            // The timer of something longer; it would fire too late.
            self.sleep.as_mut().reset(deadline);
        }
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            while self.sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(None);
                }
                self.sleep.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}
