//! The end of campaigns over the simulated log and store, with the receipt processor beside it.
#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod cancelling;
mod commands;
mod ending;
mod many_pages;
mod retrying;
mod stalled;
mod support;
mod terms;
