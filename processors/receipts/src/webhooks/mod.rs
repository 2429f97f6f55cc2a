//! Webhook bodies become receipts.
//!
//! By echo tag: a receipt at once, without a look-up. By message id or person: the fact is noted first, then
//! sends are looked for; the receipt processor notes the send first, then looks for facts. One of both sees the
//! other (hazard 19).
//!
//! That a page's account is refused goes to the page's owner through `chunks`, apart from the recipients it was told
//! of (B6).

mod batch;
mod expire;
mod processor;

pub use processor::{WebhookPorts, WebhookProcessor};

use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_schemas::{Channel, Fact, PageRefused, WebhookReceived};

/// Understands the bodies of providers. Pure.
pub trait ParseWebhook: Send + Sync + 'static {
    /// What a body says.
    ///
    /// # Errors
    /// Why nobody can read it; it becomes a dead letter.
    fn parse(&self, received: &WebhookReceived) -> Result<ParsedWebhook, String>;
}

/// What a webhook body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedWebhook {
    /// Facts about sends.
    pub facts: Vec<WebhookFact>,
    /// People who want no messages.
    pub suppressions: Vec<Suppression>,
    /// Pages whose messages are refused, whomever they are for.
    pub refused: Vec<PageRefused>,
}

/// A person who wants no messages, said outside any send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Where.
    pub channel: Channel,
    /// Normalised.
    pub address: String,
    /// For people.
    pub reason: String,
}

/// How a webhook names sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookTarget {
    /// By what was sent along.
    Tag(EchoTag),
    /// By the provider's id of the message.
    Message(Channel, String),
    /// All sends to a person up to the fact's time.
    Person {
        /// From which page.
        page: PageId,
        /// Normalised.
        address: String,
    },
}

/// One fact of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookFact {
    /// About what.
    pub target: WebhookTarget,
    /// What happened. A failure is final in its run.
    pub fact: Fact,
    /// When, ms since 1970; for a person also the watermark.
    pub at_ms: i64,
    /// Error code in the system's words.
    pub reason: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// The provider's id of the message, where the target is a tag and the body tells the id as well.
    pub provider_id: Option<String>,
}
