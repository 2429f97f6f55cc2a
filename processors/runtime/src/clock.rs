//! Time, as an argument for everything that decides.

use std::time::Duration;

/// Tells the time. The simulated one is moved by hand.
pub trait Clock: Send + Sync + 'static {
    /// ms since 1970; may jump.
    fn wall_ms(&self) -> i64;
    /// Since an arbitrary start; never goes back and counts while the machine is suspended, so that a
    /// grant does not outlive a sleep (hazard 5).
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn wall_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}
