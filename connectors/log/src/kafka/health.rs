//! Looks whether brokers answer, while anybody suspects that they do not.

use super::connection::Connection;
use super::lifeline::Schedule;
use rdkafka::consumer::Consumer;
use sluice_runtime::{Clock, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks at the suspicions; what clients say meanwhile is served.
const LOOK: Duration = Duration::from_millis(200);

/// A broker that does not answer for so long is taken for gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// The thread that looks; it ends after this is dropped.
pub(crate) struct Health(Arc<AtomicBool>);

impl Health {
    pub(crate) fn watch(connection: Connection) -> Result<Self, String> {
        let is_closing = Arc::new(AtomicBool::new(false));
        let health = Self(is_closing.clone());
        let run = move || {
            let mut schedule = Schedule::default();
            while !is_closing.load(Ordering::Relaxed) {
                // Serves what the client has to say.
                drop(connection.questions.poll(LOOK));
                if connection.trouble.is_suspected() {
                    let answers = connection.questions.fetch_metadata(None, PATIENCE).is_ok();
                    schedule.heard(answers, SystemClock.monotonic());
                    connection.trouble.checked(answers);
                }
                if schedule.is_due(SystemClock.monotonic()) {
                    connection.trouble.lifeline.pull();
                }
            }
        };
        std::thread::Builder::new()
            .name("kafka-health".to_owned())
            .spawn(run)
            .map(|_| health)
            .map_err(|error| error.to_string())
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
