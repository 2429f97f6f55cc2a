//! The ports. Each is batch-wise: nothing is done per record that can be done per batch.

pub mod audience;
pub mod caller;
pub mod log;
pub mod messages;
pub mod store;
