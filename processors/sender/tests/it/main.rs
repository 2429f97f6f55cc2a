//! The sender over the simulated log, store and provider.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod accounts;
mod away;
mod changed_limits;
mod changes;
mod closing;
mod dates;
mod forecast;
mod gates;
mod idle;
mod limits;
mod pressure;
mod quotas;
mod rows;
mod support;
mod templates;
mod told;
