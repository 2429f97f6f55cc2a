//! The two processors over the simulated log and store.
#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod crashes;
mod merging;
mod outputs;
mod speed;
mod support;
mod webhooks;
