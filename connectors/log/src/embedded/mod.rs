//! The log in the storage engine of one process: records lie in compressed blocks, as many as came together.
//!
//! Guarantee: a ticket resolves after the disk has the records; readers see nothing else. What a burst of the
//! expander appends to `sends` never delays any other topic by more than one bounded commit.

mod block;
mod coordinator;
mod group;
mod keys;
mod log;
mod member;
mod options;
mod partition;

pub use log::EmbeddedLog;
pub use options::{EmbeddedLogOptions, OpenError};
