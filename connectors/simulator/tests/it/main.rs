//! The simulator as its users see it: over HTTP, by its log and by its handle.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod determinism;
mod faults;
mod graph_calls;
mod http_calls;
mod limits;
mod receiver;
mod sink;
mod support;
mod truth;
mod webhooks;
