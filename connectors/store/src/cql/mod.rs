//! The store in a CQL database: ScyllaDB or Apache Cassandra.
//!
//! Guarantees:
//! - Campaigns, page ledgers, quotas and generations are written by conditional statements alone and read serially.
//!   A conditional write carries its own name; when its answer is lost, a serial read tells whether it was
//!   applied, and only then it is asked again (hazards 3, 35).
//! - Chunk states carry the stamp of the log as their timestamp, so the highest wins, whatever the order, the
//!   replica or the repair (hazards 15–18).
//! - Plain writes are idempotent and repeated until they are acknowledged or [`CqlOptions::total_ms`] is over;
//!   then the answer is `Unavailable`: nothing is known, and asking again is safe.
//!
//! What it does not do: it creates and changes no tables while it runs; [`migrate()`] does, and
//! [`CqlStore::connect`] refuses a database that [`check()`] finds unfit.

mod access;
mod answer;
mod campaigns;
mod check;
mod chunk_states;
mod committed;
mod correlation;
mod error;
mod expiry;
mod generations;
mod health;
mod inspect;
mod ledgers;
mod lock;
mod migrate;
mod open;
mod options;
mod quotas;
pub mod raw;
mod recipients;
mod session;
mod settle;
mod statements;
mod store;
mod suppressions;

pub use check::{CheckReport, SCHEMA_VERSION, check};
pub use error::CqlError;
pub use migrate::{MigrateReport, migrate};
pub use options::{CqlConsistency, CqlOptions};
pub use store::CqlStore;
