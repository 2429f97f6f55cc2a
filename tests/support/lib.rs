//! What the end-to-end tests share: running the real program and judging it by the other side's own log.
//!
//! **Guarantee.** The judge shares no code with the judged: what was called is read from the log of the sink or
//! the simulator, which are processes of their own and note each call before they answer it. What the program
//! says is read through its commands, as a person would.
//!
//! **What it does not do.** It asserts nothing about speed: times are only limits after which a test says what it
//! was waiting for and what the program said until then.
//!
//! - [`program`]: finds the program, builds it where it is missing.
//! - [`process`]: one running process; dropped, it is killed.
//! - [`place`]: a directory of a test's own, with launches, audiences, and the program run in it.
//! - [`cluster`]: several processes on real engines.
//! - [`provider`]: the sink and the simulator as processes.
//! - [`people`]: recipients as the program exports them, and the judgement over them.
//! - [`windows`]: calls in sliding windows.
//! - [`http`], [`chance`], [`events`]: small helpers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails a test, loudly and with a reason"
)]

pub mod chance;
pub mod cluster;
pub mod events;
pub mod http;
pub mod people;
pub mod place;
pub mod process;
pub mod program;
pub mod provider;
pub mod windows;

pub use chance::Chance;
pub use cluster::Cluster;
pub use place::Place;
pub use process::{Ended, Process, wait_for};
pub use provider::{Simulator, Sink, free_port};
