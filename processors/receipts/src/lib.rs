//! Receipts and webhooks become chunk states, counters, retries and correlations.
//!
//! Guarantees:
//! - A chunk's stored state is a pure function of a prefix of its partition of `receipts`: duplicates, replays,
//!   crashes and a former owner that still writes change nothing (G3, hazards 15–17).
//! - Outputs are acknowledged, then states are stored, then offsets are committed: no retry and no count is
//!   lost by a crash (G2, hazard 12), and what is done twice is harmless.
//! - A webhook that comes before its send is known finds it later, and the other way round: both sides store,
//!   then look (hazard 19).
//! - Memory is bounded by the options, whatever the backlog (G9).
//!
//! What this crate does not do: it calls no provider, grants nothing and ends no campaign; it does not know how
//! a provider's webhook is written ([`ParseWebhook`] is given).
//!
//! - [`decide`]: which failures are tried again, and when.
//! - [`ReceiptProcessor`]: merges `receipts`.
//! - [`WebhookProcessor`]: splits `webhooks.raw` into receipts.
//! - [`metrics`]: what is exported.
//! - [`options`]: every limit.

mod again;
mod cache;
pub mod decide;
mod effects;
mod error;
mod flush;
mod known;
pub mod metrics;
pub mod options;
mod outbox;
mod policies;
mod processor;
mod pump;
mod stats;
mod webhooks;

pub use error::ReceiptError;
pub use options::{ReceiptOptions, WebhookOptions};
pub use processor::{ReceiptPorts, ReceiptProcessor};
pub use stats::{Count, FactCount, ReceiptStats, WebhookStats};
pub use webhooks::{
    ParseWebhook, ParsedWebhook, Suppression, WebhookFact, WebhookPorts, WebhookProcessor, WebhookTarget,
};
