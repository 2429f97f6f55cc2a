//! G1: what a running Sluice exports is what the documentation, the dashboard and the alerts name.
//!
//! - [`docs`]: `docs/metrics.md` is what the constants say.
//! - [`conformance`]: the ports with a meter around them give every guarantee.
//! - [`scraped`]: a real Prometheus scrapes a Sluice under load; every panel and every rule finds data.
//! - [`rules`]: alerts fire, and stay quiet, when they should.

#![expect(clippy::unwrap_used, reason = "a failed call is a failed test")]

mod api;
mod conformance;
mod docs;
mod expressions;
mod files;
mod load;
mod rules;
mod scraped;
