//! What the processors stand on: ports to the outside, the clock, shutting down.
//!
//! Guarantee: a processor that holds only these traits behaves the same over the embedded, the simulated and
//! the real engines; each port's guarantees are stated at its trait and held by one conformance suite.
//!
//! What this crate does not do: it implements no port except the clock; `connectors/` does.
//!
//! - [`ports::log`]: partitioned, durable, ordered records.
//! - [`ports::store`]: the domain's rows: campaigns, ledgers, chunks, recipients.
//! - [`ports::caller`]: provider calls and their outcomes.
//! - [`ports::audience`]: decided rows of an audience, in source order.
//! - [`ports::messages`]: from a send to the request that a provider takes.
//! - [`clock`], [`shutdown`]: time and the end of it.
//! - [`merged`]: how far receipts are counted.
//! - [`metrics`], [`metered`]: what is exported, and the ports with a meter around them.
//! - [`secret`]: text that is never shown.

pub mod clock;
pub mod merged;
pub mod metered;
pub mod metrics;
pub mod ports;
pub mod secret;
pub mod shutdown;

pub use clock::{Clock, SystemClock};
pub use secret::Secret;
pub use shutdown::{Shutdown, ShutdownTrigger};
