//! Everything in one process: the configuration, the wiring of the processors, and the commands.
//!
//! Guarantee: every command ends with a documented exit code, and a failure says what happened and what to do;
//! a stopped process goes on where it stopped, with the same command.
//!
//! What this crate does not do: it decides nothing about sends; the processors do.
//!
//! - `arenas`: how much freed memory the allocator keeps.
//! - [`cli`]: the commands, one file each.
//! - [`config`]: defaults → file → environment → flags.
//! - [`dead_letters`]: records that no step could use.
//! - [`events`]: what downstream systems are told.
//! - [`node`]: opens the engines and runs the processors over it.
//! - [`campaign`]: what is stored about campaigns, as people ask for it.
//! - [`page`]: what is known about pages and what waits on them.
//! - [`suppressions`]: people who want no messages.
//! - [`verify`]: recounts a campaign.
//! - [`view`]: numbers, tables, progress.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod arenas;
pub mod campaign;
pub mod cli;
pub mod config;
pub mod dead_letters;
pub mod error;
pub mod events;
pub mod node;
pub mod page;
pub mod suppressions;
pub mod verify;
pub mod view;

pub use error::{Exit, Failure, Outcome};
