//! From a verified webhook body to facts about sends.
//!
//! Guarantee: a body that is JSON never fails; what is not understood is counted as ignored. Parsing is a pure
//! function of the body and the time it was received, so a second reading makes the same facts.

use crate::{http, instagram, messenger, whatsapp};
use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_schemas::{Channel, Fact, PageRefused, WebhookReceived};

/// The body can't be read at all: material for a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// Not JSON, or not the envelope that the provider documents.
    #[error("not a webhook of {channel}: {problem}")]
    Malformed {
        /// Where it came in.
        channel: Channel,
        /// What is wrong.
        problem: String,
    },
    /// No provider for the channel.
    #[error("the channel {0} has no webhooks")]
    NoProvider(Channel),
}

/// What one webhook tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    /// In the order of the body; duplicates included.
    pub facts: Vec<WebhookFact>,
    /// People who want no messages.
    pub suppressions: Vec<Suppression>,
    /// Pages whose messages the provider refuses, whomever they are for.
    pub refused: Vec<PageRefused>,
    /// Events that say nothing about a send, or that are not understood.
    pub ignored: u32,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookFact {
    /// The page it arrived for.
    pub page: Option<PageId>,
    /// Whom it is about.
    pub target: Target,
    /// What happened.
    pub fact: Fact,
    /// When, in ms since 1970. For a [`Target::Person`] also the watermark: sends up to it are meant.
    pub at_ms: i64,
    /// Error code, where it is a failure.
    pub reason: Option<String>,
    /// For people, where it is a failure.
    pub message: Option<String>,
    /// The provider's id of the message, where the target is the tag and the id is told, too.
    pub provider_id: Option<String>,
}

/// By what a webhook names a send.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// By our own name: no look-up.
    Tag(EchoTag),
    /// By the provider's id of the message.
    Message(Channel, String),
    /// Everything sent to a person up to a time.
    Person {
        /// The page.
        page: PageId,
        /// The person, as normalised for the channel.
        address: String,
    },
}

/// A person wants no messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// On this channel.
    pub channel: Channel,
    /// Normalised.
    pub address: String,
    /// Why, in a word.
    pub reason: String,
}

/// Parses a body of any channel.
pub fn parse(webhook: &WebhookReceived) -> Result<Parsed, WebhookError> {
    let (body, received_at_ms) = (webhook.body.as_slice(), webhook.received_at_ms);
    match webhook.channel {
        Channel::Whatsapp => whatsapp::webhook::parse(body, received_at_ms),
        Channel::Messenger => messenger::webhook::parse(body, received_at_ms),
        Channel::Instagram => instagram::webhook::parse(body, received_at_ms),
        Channel::Http => http::webhook::parse(body, webhook.page.as_deref(), received_at_ms),
        Channel::Sms => Err(WebhookError::NoProvider(Channel::Sms)),
    }
}

impl Parsed {
    /// Notes a fact without failure.
    pub(crate) fn fact(&mut self, page: Option<&PageId>, target: Target, fact: Fact, at_ms: i64) {
        let page = page.cloned();
        self.facts.push(WebhookFact {
            page,
            target,
            fact,
            at_ms,
            reason: None,
            message: None,
            provider_id: None,
        });
    }
}

pub(crate) fn malformed(channel: Channel, error: impl std::fmt::Display) -> WebhookError {
    WebhookError::Malformed { channel, problem: error.to_string() }
}
