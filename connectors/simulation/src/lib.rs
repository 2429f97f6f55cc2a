//! The world of a simulated run: one seed decides latency, crashes, freezes, ambiguity and what a provider
//! answers, so that a run that broke a guarantee can be played again.
//!
//! Guarantee: on a current-thread runtime with paused time the same seed and the same tasks give the same
//! run. Nothing here reads a real clock, draws real randomness or depends on the order of a hash map. (The
//! tasks have to keep to that too; of tokio, `select!` draws unless it is `biased`.)
//!
//! A *process* is a set of tasks whose ports are handles bound to one [`ProcessId`]:
//! - **Crash**: [`World::kill`] first, then drop the tasks; in this order, as a live process that drops its
//!   group membership leaves politely. A seeded crash does the first half itself and reports through
//!   [`World::crashed`]. A new incarnation is a new process.
//! - **Freeze**: [`World::freeze`]; every port call of the process waits until [`World::thaw`], and then goes
//!   on with what it was about to do. Its group sessions expire meanwhile.
//!
//! What this crate does not do: it implements neither log nor store; `sluice-log` and `sluice-store` hold
//! the simulated ones, over this world.
//!
//! - [`world`]: processes, effect points, the trace.
//! - [`faults`]: what may go wrong, and how often.
//! - [`clock`]: time with skew.
//! - [`provider`]: the other end of provider calls, and its webhooks.
//! - [`truth`]: what really reached the provider, and the questions a test asks of it.
//! - [`status`]: how a process is, and waiting for a change of it.
//! - [`random`]: the numbers behind it all.

pub mod clock;
pub mod faults;
pub mod provider;
pub mod random;
pub mod status;
mod trace;
pub mod truth;
pub mod world;

pub use clock::SimClock;
pub use faults::{ErrorAnswer, Faults, LogFaults, ProviderFaults, StoreFaults};
pub use provider::{SimProvider, SimWebhook};
pub use random::Random;
pub use status::{Status, StatusWatch};
pub use trace::TraceEntry;
pub use truth::{Truth, TruthCall, Verdict};
pub use world::{ProcessId, World};
