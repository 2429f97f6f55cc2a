//! A Messenger or Instagram send, validated as the Send API does.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::errors::invalid;
use crate::call::{Call, Refusal};
use crate::channel::Channel;
use crate::scalar::{Scalar, Text};

/// Characters of a Messenger text.
const MESSENGER_TEXT_MAX: usize = 2_000;
/// Bytes of an Instagram text.
const INSTAGRAM_TEXT_BYTES_MAX: usize = 1_000;
/// Retired on 2026-04-27: error 100.
const RETIRED_TAGS: [&str; 3] = ["CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"];
/// Still taken: a person's answer within 7 days, and news.
const TAGS: [&str; 2] = ["HUMAN_AGENT", "NON_PROMOTIONAL_SUBSCRIPTION"];

#[derive(Debug, Deserialize)]
struct Send<'a> {
    #[serde(borrow, default)]
    recipient: Option<Recipient<'a>>,
    #[serde(borrow, default)]
    messaging_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    tag: Option<Text<'a>>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
}

#[derive(Debug, Deserialize)]
struct Recipient<'a> {
    #[serde(borrow, default)]
    id: Option<Scalar<'a>>,
}

#[derive(Debug, Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    attachment: Option<Attachment<'a>>,
    #[serde(default)]
    attachments: Option<Vec<IgnoredAny>>,
    #[serde(default)]
    quick_replies: Option<Vec<IgnoredAny>>,
}

#[derive(Debug, Deserialize)]
struct Attachment<'a> {
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    #[serde(borrow, default)]
    payload: Option<Payload<'a>>,
}

#[derive(Debug, Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    template_type: Option<Text<'a>>,
}

pub(super) fn read(channel: Channel, page: &str, body: &[u8]) -> Call {
    let send: Send<'_> = match serde_json::from_slice(body) {
        Ok(send) => send,
        Err(error) => return Call::unreadable(channel, page, invalid(error.to_string())),
    };
    let to: Arc<str> =
        Arc::from(send.recipient.as_ref().and_then(|r| r.id.as_ref()).and_then(Scalar::text).unwrap_or(""));
    // The Send API has no echo field and nothing that names a campaign: no tag, no scope.
    Call {
        channel,
        page: Arc::from(page),
        input: Arc::clone(&to),
        to,
        tag: None,
        scope: None,
        refusal: validate(channel, &send).err(),
    }
}

fn validate(channel: Channel, send: &Send<'_>) -> Result<(), Refusal> {
    let recipient = send.recipient.as_ref().ok_or_else(|| parameter("recipient is required"))?;
    if recipient.id.as_ref().and_then(Scalar::text).is_none() {
        return Err(parameter("recipient.id is required"));
    }
    check_type(channel, send)?;
    let message = send.message.as_ref().ok_or_else(|| parameter("message is required"))?;
    let attached =
        message.attachment.is_some() || message.attachments.as_ref().is_some_and(|a| !a.is_empty());
    match message.text.as_deref() {
        Some(_) if attached => return Err(parameter("message has both text and an attachment")),
        Some("") => return Err(parameter("message.text is empty")),
        Some(text) => check_length(channel, text)?,
        None if attached => {}
        None => return Err(parameter("message has neither text nor an attachment")),
    }
    if message.attachment.as_ref().is_some_and(|a| a.r#type.is_none()) {
        return Err(parameter("message.attachment.type is required"));
    }
    if message.quick_replies.as_ref().is_some_and(|replies| replies.len() > 13) {
        return Err(parameter("message has more than 13 quick replies"));
    }
    Ok(())
}

fn check_type(channel: Channel, send: &Send<'_>) -> Result<(), Refusal> {
    let kind = match send.messaging_type.as_deref() {
        Some(kind) => kind,
        None if channel == Channel::Instagram => return check_untagged(send),
        None => return Err(parameter("messaging_type is required")),
    };
    match kind {
        "RESPONSE" | "UPDATE" => check_untagged(send),
        "MESSAGE_TAG" => match send.tag.as_deref() {
            None => Err(parameter("MESSAGE_TAG needs a tag")),
            Some(tag) if RETIRED_TAGS.contains(&tag) => {
                Err(parameter(format!("the tag {tag} is no longer supported")))
            }
            Some(tag) if TAGS.contains(&tag) => Ok(()),
            Some(tag) => Err(parameter(format!("{tag:?} is not a message tag"))),
        },
        "UTILITY" if channel == Channel::Instagram => Err(parameter("UTILITY is not available on Instagram")),
        "UTILITY" => {
            let payload =
                send.message.as_ref().and_then(|m| m.attachment.as_ref()).and_then(|a| a.payload.as_ref());
            match payload.and_then(|p| p.template_type.as_deref()) {
                Some("utility_messages") => Ok(()),
                _ => Err(parameter("UTILITY needs a template of type utility_messages")),
            }
        }
        other => Err(parameter(format!("{other:?} is not a messaging_type"))),
    }
}

fn check_untagged(send: &Send<'_>) -> Result<(), Refusal> {
    if send.tag.is_some() { Err(parameter("a tag needs the messaging_type MESSAGE_TAG")) } else { Ok(()) }
}

fn check_length(channel: Channel, text: &str) -> Result<(), Refusal> {
    if channel == Channel::Instagram && text.len() > INSTAGRAM_TEXT_BYTES_MAX {
        return Err(parameter("message.text has more than 1000 bytes").with_subcode(2_534_015));
    }
    if channel == Channel::Messenger && text.chars().count() > MESSENGER_TEXT_MAX {
        return Err(parameter("message.text has more than 2000 characters"));
    }
    Ok(())
}

/// Messenger says in the message what WhatsApp says in the details.
fn parameter(what: impl AsRef<str>) -> Refusal {
    Refusal::new(400, 100, format!("(#100) {}", what.as_ref()), "")
}
