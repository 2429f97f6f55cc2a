//! The expander over a log and a store in memory that stop at any effect.

#![expect(clippy::unwrap_used, reason = "tests; helpers of an integration test do not count as such")]

mod cancelling;
mod classes;
mod crashes;
mod launches;
mod scheduling;
mod sources;
mod speed;
mod world;
