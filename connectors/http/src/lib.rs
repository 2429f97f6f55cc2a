//! The doors of the service: webhooks of providers, and the control API of the CLI.
//!
//! Guarantee: a webhook is answered with 200 only after its raw body is durable in the log, and nothing unsigned
//! gets in unless that was configured.
//!
//! What this crate does not do: it parses no webhook, it decides nothing about campaigns (the trait [`Control`]
//! does), it ends no TLS.
//!
//! - [`gateway`]: the router and how it is served.
//! - [`signature`]: `X-Hub-Signature-256`, verification tokens.
//! - [`control`]: what the control API asks of the service.
//! - [`error`]: errors as JSON.

pub mod control;
pub mod error;
pub mod gateway;
pub mod signature;
mod webhooks;

pub use control::Control;
pub use error::ApiError;
pub use gateway::{Gateway, GatewayOptions, router, serve};
pub use signature::{ChannelKeys, SigningKey, Token};
