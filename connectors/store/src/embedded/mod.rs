//! The store in the storage engine of one process: one table a kind of row.
//!
//! Guarantee: every write is checked and made on the engine's committing thread, so compare-and-sets are
//! linearisable, and their answers are never ambiguous: they come after the disk has the batch.
//!
//! Every value begins with the number of its format; what can't be read is an error that names the row.

mod campaigns;
mod chunks;
pub(crate) mod codec;
pub(crate) mod correlation;
pub(crate) mod keys;
mod ledgers;
mod quotas;
pub(crate) mod recipients;
mod store;
mod suppressions;
mod tables;

pub use store::EmbeddedStore;
