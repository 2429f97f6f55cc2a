//! Webhooks of the Messenger Platform: deliveries, reads by watermark, replies. Times are milliseconds.

use crate::lenient::{Lenient, Number, Text};
use crate::webhook::{Parsed, Suppression, Target, WebhookError, malformed};
use serde::Deserialize;
use sluice_core::PageId;
use sluice_schemas::{Channel, Fact};

#[derive(Deserialize)]
pub(crate) struct Envelope {
    pub(crate) entry: Lenient<Entry>,
}

#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: Text,
    #[serde(default)]
    pub(crate) messaging: Lenient<Event>,
}

#[derive(Deserialize)]
pub(crate) struct Event {
    #[serde(default)]
    pub(crate) sender: Option<Party>,
    #[serde(default)]
    pub(crate) timestamp: Option<Number>,
    #[serde(default)]
    pub(crate) delivery: Option<Delivery>,
    #[serde(default)]
    pub(crate) read: Option<Read>,
    #[serde(default)]
    pub(crate) message: Option<Inbound>,
    #[serde(default)]
    pub(crate) postback: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(crate) optin: Option<OptIn>,
}

#[derive(Deserialize)]
pub(crate) struct Party {
    pub(crate) id: Text,
}

#[derive(Deserialize)]
pub(crate) struct Delivery {
    #[serde(default)]
    mids: Lenient<String>,
    #[serde(default)]
    watermark: Option<Number>,
}

#[derive(Deserialize)]
pub(crate) struct Read {
    /// Messenger.
    #[serde(default)]
    watermark: Option<Number>,
    /// Instagram.
    #[serde(default)]
    pub(crate) mid: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Inbound {
    #[serde(default)]
    is_echo: bool,
    #[serde(default)]
    is_deleted: bool,
    #[serde(default)]
    reply_to: Option<ReplyTo>,
}

#[derive(Deserialize)]
struct ReplyTo {
    #[serde(default)]
    mid: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct OptIn {
    #[serde(default)]
    notification_messages_status: Option<String>,
}

/// Parses a body; an event without a time of its own gets the time it was received.
pub fn parse(body: &[u8], received_at_ms: i64) -> Result<Parsed, WebhookError> {
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|error| malformed(Channel::Messenger, error))?;
    let mut parsed = Parsed { ignored: envelope.entry.odd, ..Parsed::default() };
    for entry in envelope.entry.items {
        let page = PageId::from(entry.id.0.as_str());
        parsed.ignored += entry.messaging.odd;
        if entry.messaging.items.is_empty() && entry.messaging.odd == 0 {
            parsed.ignored += 1;
        }
        for event in entry.messaging.items {
            read_event(&page, event, received_at_ms, &mut parsed);
        }
    }
    Ok(parsed)
}

fn read_event(page: &PageId, event: Event, received_at_ms: i64, parsed: &mut Parsed) {
    let at_ms = event.timestamp.map_or(received_at_ms, |time| time.0);
    let person = event.sender.as_ref().map(|sender| sender.id.0.clone());
    let everything_to = |address: String| Target::Person { page: page.clone(), address };
    if let Some(delivery) = event.delivery {
        let known = delivery.mids.items.len();
        for mid in delivery.mids.items {
            let at_ms = delivery.watermark.map_or(at_ms, |time| time.0);
            parsed.fact(Some(page), Target::Message(Channel::Messenger, mid), Fact::Delivered, at_ms);
        }
        match (person, delivery.watermark) {
            (Some(address), Some(watermark)) => {
                parsed.fact(Some(page), everything_to(address), Fact::Delivered, watermark.0);
            }
            _ if known == 0 => parsed.ignored += 1,
            _ => {}
        }
    } else if let Some(read) = event.read {
        match (person, read.watermark) {
            (Some(address), Some(watermark)) => {
                parsed.fact(Some(page), everything_to(address), Fact::Read, watermark.0);
            }
            _ => parsed.ignored += 1,
        }
    } else if event.message.is_some() || event.postback.is_some() {
        responded(Channel::Messenger, page, person, event.message, at_ms, parsed);
    } else {
        match (event.optin.and_then(|optin| optin.notification_messages_status).as_deref(), person) {
            (Some("STOP_NOTIFICATIONS" | "STOP NOTIFICATIONS"), Some(address)) => {
                let reason = "stopped_notifications".to_owned();
                parsed.suppressions.push(Suppression { channel: Channel::Messenger, address, reason });
            }
            _ => parsed.ignored += 1,
        }
    }
}

/// A reply names a message, or at least a person. Our own messages come back as echoes.
pub(crate) fn responded(
    channel: Channel,
    page: &PageId,
    person: Option<String>,
    message: Option<Inbound>,
    at_ms: i64,
    parsed: &mut Parsed,
) {
    if message.as_ref().is_some_and(|message| message.is_echo || message.is_deleted) {
        parsed.ignored += 1;
        return;
    }
    let replied = message.and_then(|message| message.reply_to?.mid);
    let target = match (replied, person) {
        (Some(mid), _) => Target::Message(channel, mid),
        (None, Some(address)) => Target::Person { page: page.clone(), address },
        (None, None) => {
            parsed.ignored += 1;
            return;
        }
    };
    parsed.fact(Some(page), target, Fact::Responded, at_ms);
}
