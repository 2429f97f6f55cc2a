//! How campaigns end: by themselves, by a person, and once more.
//!
//! Guarantees:
//! - Each run of a campaign ends exactly once, when it is sealed and every recipient is in a final state: one
//!   transition by compare-and-set, one event id, produced again after a crash (G8, hazard 22).
//! - Whoever stores the last missing thing makes somebody look afterwards; a sweep finds what nobody looked at
//!   (hazard 21).
//! - After [`cancel`] is acknowledged nothing more is granted (G7), and everybody who was not called is counted as
//!   cancelled (G2, hazard 23).
//! - [`retry_failed`] opens only recipients whose state says failed, once a run (hazard 25), also when the process
//!   that was asked dies half-way.
//!
//! What this crate does not do: it merges no receipts and calls nobody.
//!
//! - [`check`]: whether a campaign is at its end. Pure.
//! - [`Completion`]: looks, and takes the last step. Several processes share the campaigns by their ids.
//! - [`cancel`], [`retry_failed`]: what a person asks for.

mod announce;
mod cancel;
pub mod check;
mod control;
mod error;
mod finalize;
mod look;
mod looker;
mod options;
mod processor;
mod reopen;
mod retry_failed;
mod watched;

pub use cancel::cancel;
pub use error::{CommandError, CompletionError};
pub use options::CompletionOptions;
pub use processor::{Completion, CompletionPorts};
pub use retry_failed::retry_failed;
