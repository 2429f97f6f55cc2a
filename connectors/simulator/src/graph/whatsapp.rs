//! A WhatsApp template send, validated as the Cloud API does.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::errors::{bad_value, invalid, missing};
use super::template::{self, Template};
use crate::call::{Call, Refusal};
use crate::channel::Channel;
use crate::config::{ScopeBy, SimulatorConfig};
use crate::generic::tag_prefix;
use crate::scalar::Text;

/// The longest `biz_opaque_callback_data`, in characters.
const CALLBACK_DATA_MAX: usize = 512;

/// The call's body; an unknown member is an error 100, as at Meta.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Send<'a> {
    #[serde(borrow, default)]
    messaging_product: Option<Text<'a>>,
    #[serde(borrow, default)]
    recipient_type: Option<Text<'a>>,
    #[serde(borrow, default)]
    to: Option<Text<'a>>,
    #[serde(borrow, default)]
    recipient: Option<Text<'a>>,
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    #[serde(borrow, default)]
    template: Option<Template<'a>>,
    #[serde(borrow, default)]
    biz_opaque_callback_data: Option<Text<'a>>,
    #[serde(rename = "context", default)]
    _context: Option<IgnoredAny>,
    #[serde(rename = "product_policy", default)]
    _product_policy: Option<IgnoredAny>,
    #[serde(rename = "message_activity_sharing", default)]
    _message_activity_sharing: Option<IgnoredAny>,
    #[serde(
        rename = "text",
        alias = "image",
        alias = "video",
        alias = "audio",
        alias = "document",
        alias = "sticker",
        alias = "location",
        alias = "contacts",
        alias = "interactive",
        alias = "reaction",
        default
    )]
    _free_form: Option<IgnoredAny>,
}

pub(super) fn read(config: &SimulatorConfig, page: &str, body: &[u8]) -> Call {
    let send: Send<'_> = match serde_json::from_slice(body) {
        Ok(send) => send,
        Err(error) => return Call::unreadable(Channel::WhatsApp, page, invalid(error.to_string())),
    };
    let input = send.to.as_deref().or(send.recipient.as_deref()).unwrap_or("");
    let tag = send.biz_opaque_callback_data.as_deref();
    let scope = match config.scope {
        ScopeBy::Off => None,
        ScopeBy::Message => send.template.as_ref().and_then(|t| t.name.as_deref()),
        ScopeBy::TagPrefix => tag.map(tag_prefix),
    };
    // Webhooks and the count of doubles know a number by its digits alone.
    let digits = if send.to.is_some() { input.strip_prefix('+').unwrap_or(input) } else { input };
    Call {
        channel: Channel::WhatsApp,
        page: Arc::from(page),
        to: Arc::from(digits),
        input: Arc::from(input),
        tag: tag.map(Arc::from),
        scope: scope.map(Arc::from),
        refusal: validate(config, &send).err(),
    }
}

fn validate(config: &SimulatorConfig, send: &Send<'_>) -> Result<(), Refusal> {
    if send.messaging_product.as_deref() != Some("whatsapp") {
        return Err(invalid("messaging_product must be whatsapp"));
    }
    if send.recipient_type.as_deref().is_some_and(|kind| kind != "individual") {
        return Err(invalid("recipient_type must be individual"));
    }
    match (send.to.as_deref(), send.recipient.as_deref()) {
        (Some(to), _) => {
            if !is_phone_number(to) {
                return Err(bad_value(format!("to is not a phone number with country code: {to:?}")));
            }
        }
        (None, Some(user)) if !user.is_empty() => {}
        (None, _) => return Err(invalid("The parameter to is required.")),
    }
    let tag_length = send.biz_opaque_callback_data.as_deref().map_or(0, |tag| tag.chars().count());
    if tag_length > CALLBACK_DATA_MAX {
        return Err(invalid(format!(
            "biz_opaque_callback_data has {tag_length} characters, at most 512 are allowed"
        )));
    }
    match send.r#type.as_deref() {
        Some("template") => {}
        None => return Err(missing("The parameter type is required.")),
        Some(
            "text" | "image" | "video" | "audio" | "document" | "sticker" | "location" | "contacts"
            | "interactive" | "reaction",
        ) => {
            let details = "more than 24 hours have passed since the recipient last wrote: use a template";
            return Err(Refusal::new(400, 131_047, "(#131047) Re-engagement message", details));
        }
        Some(other) => {
            let details = format!("{other:?} is not a type of message");
            return Err(Refusal::new(400, 131_051, "(#131051) Unsupported message type", details));
        }
    }
    let template = send.template.as_ref().ok_or_else(|| missing("The parameter template is required."))?;
    template::validate(config, template)
}

/// Digits with country code, with or without a plus; 7 digits are the practical floor, 15 the rule of E.164.
fn is_phone_number(to: &str) -> bool {
    let digits = to.strip_prefix('+').unwrap_or(to);
    (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit())
}
