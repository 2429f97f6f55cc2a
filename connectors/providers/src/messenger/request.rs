//! The body of a text message, on Messenger and on Instagram.

use super::response::MessengerAnswers;
use crate::config::PageConfig;
use crate::graph;
use crate::plan::{PlanError, RenderError};
use crate::variables::lookup;
use bytes::Bytes;
use sluice_core::PageId;
use sluice_core::template::{Template, escape_json};
use sluice_runtime::ports::caller::{AnswerRules, CallRequest, Endpoint};
use sluice_schemas::{SendRequest, StringMap, TextMessage};
use std::sync::Arc;

/// Characters of a text at most.
const TEXT_CHARS_MAX: usize = 2_000;

/// Tags that return error 100 since 2026-04-27.
const RETIRED_TAGS: [&str; 3] = ["CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"];

/// How a provider limits texts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    Chars(usize),
    Bytes(usize),
}

impl Limit {
    fn check(self, text: &[u8]) -> Result<(), RenderError> {
        let (length, length_max, unit) = match self {
            // Every character that is not the rest of another one.
            Limit::Chars(max) if text.len() > max => {
                (text.iter().filter(|byte| *byte & 0xC0 != 0x80).count(), max, "characters")
            }
            Limit::Bytes(max) => (text.len(), max, "bytes"),
            Limit::Chars(_) => return Ok(()),
        };
        if length > length_max { Err(RenderError::TooLong { length, length_max, unit }) } else { Ok(()) }
    }
}

/// A compiled text message.
#[derive(Debug)]
pub(crate) struct Compiled {
    endpoint: Arc<Endpoint>,
    /// Between the address and the text.
    middle: Box<[u8]>,
    text: Template,
    limit: Limit,
}

pub(crate) fn compile(
    message: &TextMessage,
    page: &PageId,
    config: &PageConfig,
) -> Result<Compiled, PlanError> {
    compile_with(message, page, config, Limit::Chars(TEXT_CHARS_MAX), Arc::new(MessengerAnswers))
}

pub(crate) fn compile_with(
    message: &TextMessage,
    page: &PageId,
    config: &PageConfig,
    limit: Limit,
    answers: Arc<dyn AnswerRules>,
) -> Result<Compiled, PlanError> {
    let problem = |part: &str, problem: String| PlanError::Message { part: format!("text.{part}"), problem };
    let kind = message.messaging_type.as_str();
    match (kind, message.tag.as_deref()) {
        ("RESPONSE" | "UPDATE", None) | ("MESSAGE_TAG", Some(_)) => {}
        ("RESPONSE" | "UPDATE", Some(_)) => {
            return Err(problem("tag", format!("{kind} takes no tag; use messaging_type MESSAGE_TAG")));
        }
        ("MESSAGE_TAG", None) => return Err(problem("tag", "MESSAGE_TAG needs a tag".to_owned())),
        _ => {
            return Err(problem("messaging_type", "expected RESPONSE, UPDATE or MESSAGE_TAG".to_owned()));
        }
    }
    let mut middle = format!(r#""}},"messaging_type":"{kind}""#);
    if let Some(tag) = message.tag.as_deref() {
        if RETIRED_TAGS.contains(&tag) {
            return Err(problem("tag", format!("{tag} was retired on 2026-04-27; Meta refuses it")));
        }
        if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') {
            return Err(problem("tag", "a tag consists of uppercase letters, digits and `_`".to_owned()));
        }
        middle.push_str(&format!(r#","tag":"{tag}""#));
    }
    middle.push_str(r#","message":{"text":""#);
    let text = Template::text(&message.body)
        .map_err(|source| PlanError::Template { part: "text.body".to_owned(), source })?;
    if message.body.trim().is_empty() {
        return Err(problem("body", "the text is empty".to_owned()));
    }
    if text.is_static() {
        limit.check(message.body.as_bytes()).map_err(|error| problem("body", error.to_string()))?;
    }
    let endpoint = graph::endpoint(page, config, answers)?;
    Ok(Compiled { endpoint, middle: middle.into_bytes().into(), text, limit })
}

impl Compiled {
    pub(crate) fn render(
        &self,
        send: &SendRequest,
        campaign: &StringMap,
    ) -> Result<CallRequest, RenderError> {
        let mut text = Vec::new();
        self.text.render(|name| lookup(send, campaign, name), &mut text)?;
        self.limit.check(&text)?;
        let mut body = Vec::with_capacity(64 + self.middle.len() + text.len() + text.len() / 8);
        body.extend_from_slice(br#"{"recipient":{"id":""#);
        // Checked before: digits only, nothing to escape.
        body.extend_from_slice(send.address.as_bytes());
        body.extend_from_slice(&self.middle);
        // Literals and values are both text, so what they make is text.
        escape_json(&String::from_utf8_lossy(&text), &mut body);
        body.extend_from_slice(br#""}}"#);
        Ok(CallRequest { endpoint: Arc::clone(&self.endpoint), body: Bytes::from(body), tag: None })
    }
}
