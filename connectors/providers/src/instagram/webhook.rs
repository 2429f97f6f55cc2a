//! Webhooks of Instagram: reads name a message, and there is no delivery event at all. Otherwise Messenger's
//! shapes; times are milliseconds.
//!
//! A read fills the delivery. `entry.id` is the Instagram account: facts about persons find back only where
//! that account is the page of the campaign.

use crate::messenger::webhook::{Envelope, Event, responded};
use crate::webhook::{Parsed, Target, WebhookError, malformed};
use sluice_core::PageId;
use sluice_schemas::{Channel, Fact};

const CHANNEL: Channel = Channel::Instagram;

/// Parses a body; an event without a time of its own gets the time it was received.
pub fn parse(body: &[u8], received_at_ms: i64) -> Result<Parsed, WebhookError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| malformed(CHANNEL, error))?;
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
    let person = event.sender.map(|sender| sender.id.0);
    if let Some(mid) = event.read.and_then(|read| read.mid) {
        parsed.fact(Some(page), Target::Message(CHANNEL, mid), Fact::Read, at_ms);
    } else if event.message.is_some() || event.postback.is_some() {
        responded(CHANNEL, page, person, event.message, at_ms, parsed);
    } else {
        parsed.ignored += 1;
    }
}
