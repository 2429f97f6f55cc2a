//! The guarantees under thousands of bad days: the real processors over the simulated log, store and provider.
//!
//! Each seed decides latencies, crashes between any two effects, freezes longer than a session (a former owner
//! that goes on), ambiguous and torn store operations, and webhooks that come early, late, twice or never. Three
//! quarters of them also have limits of every kind, hours, and persons who pause, resume, change limits and hours,
//! and cancel. The truth is the simulated provider's own list of calls.
//!
//! `SLUICE_SEEDS=20000` runs more seeds, `SLUICE_SEED=4711` replays one and prints its trace.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail loudly and say why"
)]

mod audience;
mod checks;
mod cluster;
mod gates;
mod hazards;
mod live;
mod messages;
mod node;
mod seeds;
mod webhooks;
mod year;
