//! How campaigns are held, changed and ended: by themselves, by a person, and once more.
//!
//! Guarantees:
//! - Each run of a campaign ends exactly once, when it is sealed and every recipient is in a final state: one
//!   transition by compare-and-set, one event id, produced again after a crash (G8, hazard 22).
//! - Whoever stores the last missing thing makes somebody look afterwards; a sweep finds what nobody looked at
//!   (hazard 21).
//! - After [`pause`] or [`cancel`] is acknowledged nothing more is granted (G7), and everybody who was not called
//!   before a cancel is counted as cancelled (G2, hazard 23).
//! - [`retry_failed`] opens only recipients whose state says failed, once a run (hazard 25), also when the process
//!   that was asked dies half-way.
//! - A campaign that runs or is being cancelled and stands still without a reason is found, told once, and what was lost
//!   of it is asked for again (D8); also one that no process sends, one whose audience gives nothing, and one whose
//!   chunks do not add up to its seal.
//! - What a command does is decided by one table, [`sluice_core::control`]; each can be given again.
//!
//! What this crate does not do: it merges no receipts and calls nobody.
//!
//! - [`check`]: whether a campaign is at its end. Pure.
//! - [`stalled`]: whether one that does not move has a reason. Pure; [`descriptors`]: what the sender has of it.
//! - [`Completion`]: looks, and takes the last step. Several processes share the campaigns by their ids.
//! - [`pause`], [`resume`], [`cancel`], [`unschedule`], [`retry_failed`], [`set_limits`], [`reschedule`]: what a person asks for;
//!   [`Answer`]: what came of it, and who had been reached by then.

mod absences;
mod announce;
mod cancel;
pub mod check;
mod command;
mod control;
pub mod descriptors;
mod error;
mod finalize;
mod found;
mod look;
mod looker;
pub mod metrics;
mod options;
mod out;
mod pause;
mod processor;
mod reopen;
mod retry_failed;
mod search;
pub mod stalled;
mod stalls;
mod terms;
mod times_up;
mod unsealed;
mod watched;

pub use cancel::{UNSCHEDULED, cancel, unschedule};
pub use command::Answer;
pub use error::{CommandError, CompletionError};
pub use found::{CAUSES, Cause, Stalled, StalledCampaigns};
pub use metrics::CompletionStats;
pub use options::CompletionOptions;
pub use out::Out;
pub use pause::{pause, resume};
pub use processor::{Completion, CompletionPorts};
pub use retry_failed::{NewRun, retry_failed};
pub use terms::{NewLimits, NewTimes, NewWindow, reschedule, set_limits};
