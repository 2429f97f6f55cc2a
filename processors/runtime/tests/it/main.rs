//! The meters around the ports, from outside.
#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod caller;
mod exposition;
mod speed;
mod support;
