//! The storage engine under the embedded log and store: one data directory, one process, one committer.
//!
//! Guarantees:
//! - A write is acknowledged only after the batch it is in was synced to the disk; a kill at any moment loses
//!   nothing that was acknowledged, and a batch is there whole or not at all.
//! - Writes run one after the other, so a write that reads first is a compare-and-set.
//! - Readers see only what is durable.
//! - After an error of the disk nothing is acknowledged until the process starts again.
//! - Of two processes only one has the directory; the other one is told which process has it.
//!
//! What this crate does not do: it knows neither records nor rows; keys and values are bytes.
//!
//! - [`Engine`]: opening, writing, closing. [`Priority`] keeps bulk writes from delaying small ones.
//! - [`Tx`]: what a write sees and does. [`Ticket`]: its answer, once durable.
//! - [`Keyspace`], [`Snapshot`]: tables and reading them.

mod committer;
mod engine;
mod error;
mod flush;
mod keyspace;
mod lock;
mod options;
mod queue;
mod snapshot;
mod ticket;
mod tx;

pub use engine::{Engine, Statistics};
pub use error::EngineError;
pub use keyspace::{Keyspace, Shape};
pub use lock::holder;
pub use options::EngineOptions;
pub use queue::{Priority, Reservation};
pub use snapshot::Snapshot;
pub use ticket::Ticket;
pub use tx::Tx;

/// Bytes as the engine hands them out: cheap to clone, a `&[u8]` by reference.
pub type Value = fjall::Slice;
