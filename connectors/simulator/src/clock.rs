//! The one place that asks for the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time that never runs backwards: read once, then carried on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started_wall_us: u64,
    started: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "the simulator is its own process and has its own clock")]
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { started_wall_us: micros(wall), started: Instant::now() }
    }

    /// Microseconds since the Unix epoch.
    pub(crate) fn now_us(&self) -> u64 {
        self.started_wall_us.saturating_add(micros(self.started.elapsed()))
    }

    /// When the simulator started, in microseconds since the Unix epoch.
    pub(crate) fn started_us(&self) -> u64 {
        self.started_wall_us
    }
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}
