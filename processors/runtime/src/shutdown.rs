//! One signal that ends everything in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Held by whoever decides that it is time to stop. Dropping it stops too.
#[derive(Debug)]
pub struct ShutdownTrigger(Arc<Signal>);

/// Held by everything that has to stop.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<Signal>);

#[derive(Debug, Default)]
struct Signal {
    stopping: AtomicBool,
    told: Notify,
}

/// A connected pair.
pub fn channel() -> (ShutdownTrigger, Shutdown) {
    let signal = Arc::new(Signal::default());
    (ShutdownTrigger(signal.clone()), Shutdown(signal))
}

impl ShutdownTrigger {
    /// Asks everyone to stop. Doing it twice is harmless.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.told.notify_waiters();
    }
}

impl Drop for ShutdownTrigger {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shutdown {
    /// Whether stopping was asked for.
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::SeqCst)
    }

    /// Waits until stopping is asked for. Those who wait hear of it in the order in which they came, so that a
    /// simulated run replays.
    pub async fn stopping(&mut self) {
        loop {
            let told = self.0.told.notified();
            let mut told = std::pin::pin!(told);
            told.as_mut().enable();
            if self.is_stopping() {
                return;
            }
            told.await;
        }
    }
}
