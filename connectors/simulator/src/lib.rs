//! The messaging providers as one server, for the demo, the tests and the benchmarks.
//!
//! **Guarantee.** Every call that was read is judged, counted and handed to the log *before* anything is
//! answered, so that the log and [`Stats`] are the truth about what a real provider would have done: also
//! for a call whose answer the caller never saw. Faults derive from the seed, the recipient's address and
//! the attempt, never from the order of arrival; a run can be repeated with other timing.
//!
//! **What it does not do.** It keeps no 24-hour service windows, bills nothing, stores nothing across
//! restarts but the log, and shares no code with the sender it judges.
//!
//! Modules: [`config`] and [`faults`] say how it behaves; `graph` and `generic` read and validate calls;
//! `judge` decides; `server` does the I/O; `webhook` sends receipts; [`log`] and [`truth`] are for tests;
//! [`sink`] is a separate minimal server that takes anything, for benchmarks and the kill test.

mod admin;
mod answer;
mod call;
pub mod channel;
mod clock;
pub mod config;
pub mod dice;
pub mod error;
pub mod faults;
mod generic;
mod graph;
mod judge;
mod ledger;
pub mod log;
mod pages;
mod scalar;
mod server;
mod simulator;
pub mod sink;
mod state;
pub mod stats;
pub mod truth;
pub mod webhook;

pub use channel::Channel;
pub use config::{RateLimits, ScopeBy, SimulatorConfig, TemplateShape};
pub use error::Error;
pub use faults::{FaultKind, Faults};
pub use log::{Kind, LogLine, Outcome, read_log};
pub use simulator::{Simulator, SimulatorHandle};
pub use sink::{Sink, SinkHandle, SinkMode, SinkOptions, SinkStats};
pub use stats::Stats;
pub use truth::Truth;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
