//! Implementations of the store port.
//!
//! Guarantee: each of them passes [`conformance`], which holds what `sluice_runtime::ports::store` promises.
//!
//! What this crate does not do: it decides nothing about sends; the rows are given and taken.
//!
//! - [`cql`]: tables in ScyllaDB or Apache Cassandra, for several processes on several machines.
//! - [`embedded`]: tables in the storage engine of one process.
//! - [`simulated`]: in memory, for tests that crash anywhere and get torn or ambiguous answers.
//! - [`conformance`]: the port's guarantees as assertions, for tests.

pub mod conformance;
pub mod cql;
pub mod embedded;
pub mod simulated;

pub use cql::{CqlOptions, CqlStore};
pub use embedded::EmbeddedStore;
