//! The binary as people use it: its output, its exit codes, what it leaves behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod check;
mod config;
mod launching;
mod lift;
mod preview;
mod quotas;
mod refusals;
mod send;
mod service;
mod support;
mod usage;
mod watch;
