//! Time of a process: tokio's (paused) time, and a wall clock that is off.

use crate::world::{ProcessId, World};
use sluice_runtime::Clock;
use std::time::Duration;

/// The clocks of one process. The monotonic one is the world's own and goes on while the process is frozen.
#[derive(Debug, Clone)]
pub struct SimClock {
    world: World,
    skew_ms: i64,
}

impl SimClock {
    pub(crate) fn new(world: World, process: ProcessId) -> Self {
        let skew_ms = world.skew_ms(process);
        Self { world, skew_ms }
    }

    /// How far the wall clock is off, in ms.
    pub fn skew_ms(&self) -> i64 {
        self.skew_ms
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        self.world.wall_ms() + self.skew_ms
    }

    fn monotonic(&self) -> Duration {
        self.world.now()
    }
}
