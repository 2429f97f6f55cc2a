//! Providers: what a message looks like on the wire, what an answer means, what a webhook tells, and the client
//! that makes the calls.
//!
//! Guarantees: a request is a pure function of launch, page and send; an answer's meaning is a pure function of
//! the answer; [`HttpCaller`] keeps the guarantees of the port [`Caller`](sluice_runtime::ports::caller::Caller).
//! Credentials travel in headers only, and nothing here prints them.
//!
//! What this crate does not do: it decides neither when to call nor whether to call again, and it stores nothing.
//!
//! - [`whatsapp`], [`messenger`], [`instagram`], [`http`]: a folder a provider: request, response, errors as data,
//!   webhook.
//! - [`plan`]: a campaign's message compiled for a page; [`messages`] is the port over configured pages.
//! - [`classes`]: classes of errors and what they mean for a call.
//! - [`webhook`]: facts that webhooks tell.
//! - [`client`]: makes calls.
//! - [`config`]: pages and their credentials.

pub mod classes;
pub mod client;
pub mod config;
mod graph;
pub mod http;
pub mod instagram;
mod lenient;
pub mod messages;
pub mod messenger;
mod people;
pub mod plan;
mod tag;
mod variables;
pub mod webhook;
pub mod whatsapp;

pub use client::{HttpCaller, HttpCallerOptions};
pub use config::{PageConfig, PagesConfig};
pub use messages::ProviderMessages;
pub use plan::{PagePlan, PlanError, RenderError};
pub use sluice_runtime::Secret;
pub use webhook::{Parsed, Suppression, Target, WebhookError, WebhookFact};
