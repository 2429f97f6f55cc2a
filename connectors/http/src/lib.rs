//! The doors of the service: webhooks of providers, the control API of the CLI, and metrics.
//!
//! Guarantee: a webhook is answered with 200 only after its raw body is durable in the log, and nothing unsigned
//! gets in unless that was configured.
//!
//! What this crate does not do: it parses no webhook, it decides nothing about campaigns (the trait [`Control`]
//! does), it ends no TLS.
//!
//! - [`gateway`]: the router and how it is served.
//! - [`signature`]: `X-Hub-Signature-256`, verification tokens.
//! - [`control`]: what the control API asks of the service; [`nearby`]: who hears of people where no token is configured.
//! - [`error`]: errors as JSON.
//! - [`metrics`]: what is counted around the routes; [`telemetry`]: the port of `/metrics` and health.

pub mod control;
pub mod error;
pub mod gateway;
pub mod metrics;
mod nearby;
pub mod signature;
pub mod telemetry;
mod webhooks;
mod webhooks_refused;

pub use control::{Action, CampaignsQuery, Control, ErrorsQuery, EventsQuery, LettersQuery, RecipientsQuery};
pub use error::ApiError;
pub use gateway::{Gateway, GatewayOptions, router, serve, serve_measured};
pub use metrics::GatewayMetrics;
pub use signature::{ChannelKeys, SigningKey, Token};
pub use telemetry::{metrics_router, serve_metrics};
