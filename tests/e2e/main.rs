//! The real program from the outside: started, killed, misconfigured, disturbed, and judged by the other side's log.
//!
//! Each test has a directory, ports and processes of its own. `SLUICE_TEST_SEED=…` repeats the moments of a run,
//! `SLUICE_TEST_PROGRAM=…` tests another program than the one beside the tests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may fail loudly and say why"
)]

mod audiences;
mod bad_input;
mod control;
mod demo;
mod disk_full;
mod docker;
mod kills;
mod launches;
mod limits;
mod outages;
mod service;
mod stops;
mod trouble;
mod unanswered;
mod webhooks;
