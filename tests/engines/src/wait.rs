//! Waiting for a process outside of ours: the one place that looks at the clock.

use std::thread;
use std::time::{Duration, Instant};

/// How long to sleep between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until `look` gives something or `limit` has passed.
pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now().duration_since(start) >= limit {
            return None;
        }
        thread::sleep(PAUSE);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a real process is waited for, so real time passes; nothing here is a decision of Sluice"
)]
fn now() -> Instant {
    Instant::now()
}
