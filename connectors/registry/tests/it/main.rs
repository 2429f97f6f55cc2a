//! The registry's client and framing against a real registry, and against servers that misbehave.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed call is a failed test")]

mod client;
mod framing;
mod kafka;
mod place;
mod proxy;
mod server;
mod tls;
mod troubles;
mod upstream;
