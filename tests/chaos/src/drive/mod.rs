//! Carrying it out: engines, processes, providers.
//!
//! - [`run`]: one round after the other, and what came of it.
//! - [`round`]: campaigns, their schedule, their end, the judgement.
//! - [`world`]: everything that runs.
//! - [`strike`]: one fault, begun and ended.
//! - [`person`]: commands, given until they are answered.
//! - [`engines`], [`node`], [`provider`], [`balancer`]: the parts.
//! - [`campaign`], [`command`], [`events`], [`program`]: launching, asking, reading.

pub mod balancer;
pub mod campaign;
pub mod command;
pub mod engines;
pub mod events;
pub mod node;
pub mod person;
pub mod program;
pub mod provider;
pub mod round;
pub mod run;
pub mod strike;
pub mod world;

use sluice_runtime::{Clock, SystemClock};

/// Microseconds since 1970, as the providers' logs have them.
pub(crate) fn now_us() -> u64 {
    u64::try_from(SystemClock.wall_ms()).unwrap_or(0) * 1_000
}

/// A line of progress, for whoever watches.
#[expect(clippy::print_stderr, reason = "progress goes to stderr")]
pub(crate) fn say(text: impl std::fmt::Display) {
    let seconds = SystemClock.wall_ms() / 1_000 % 86_400;
    eprintln!("{:02}:{:02}:{:02} {text}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
}
