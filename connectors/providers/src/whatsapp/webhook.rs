//! Webhooks of the Cloud API: statuses, replies, marketing preferences. Times are seconds, written as text.

use super::errors::TABLE;
use crate::classes::{Class, ErrorRow, Scope, find};
use crate::lenient::{Lenient, Number, Text};
use crate::people::for_people;
use crate::webhook::{Parsed, Suppression, Target, WebhookError, WebhookFact, malformed};
use serde::Deserialize;
use sluice_core::throttle::HoldReason;
use sluice_core::{PageId, address};
use sluice_runtime::ports::caller::CallResult;
use sluice_schemas::{Channel, Fact, PageRefused};

const CHANNEL: Channel = Channel::Whatsapp;

#[derive(Deserialize)]
struct Envelope {
    entry: Lenient<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    changes: Lenient<Change>,
}

#[derive(Deserialize)]
struct Change {
    value: Value,
}

/// Which of the lists is there depends on the change's field; nothing else is needed of it.
#[derive(Deserialize)]
struct Value {
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default)]
    statuses: Lenient<Status>,
    #[serde(default)]
    messages: Lenient<Inbound>,
    #[serde(default)]
    user_preferences: Lenient<Preference>,
    /// Of the page itself, without a time.
    #[serde(default)]
    errors: Lenient<StatusError>,
}

#[derive(Deserialize)]
struct Metadata {
    phone_number_id: Text,
}

#[derive(Deserialize)]
struct Status {
    id: String,
    status: String,
    timestamp: Number,
    #[serde(default)]
    recipient_id: Option<Text>,
    #[serde(default)]
    biz_opaque_callback_data: Option<String>,
    #[serde(default)]
    errors: Lenient<StatusError>,
}

#[derive(Deserialize)]
struct StatusError {
    code: u32,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    error_data: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Inbound {
    timestamp: Number,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    context: Option<Context>,
    #[serde(default)]
    reaction: Option<Reaction>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Reaction {
    message_id: String,
}

#[derive(Deserialize)]
struct Preference {
    #[serde(default)]
    wa_id: Option<Text>,
    value: String,
}

/// Parses a body. What has no time of its own gets the time it was received.
pub fn parse(body: &[u8], received_at_ms: i64) -> Result<Parsed, WebhookError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| malformed(CHANNEL, error))?;
    let mut parsed = Parsed { ignored: envelope.entry.odd, ..Parsed::default() };
    for entry in envelope.entry.items {
        parsed.ignored += entry.changes.odd;
        for Change { value } in entry.changes.items {
            change(value, received_at_ms, &mut parsed);
        }
    }
    Ok(parsed)
}

fn change(value: Value, received_at_ms: i64, parsed: &mut Parsed) {
    let page = value.metadata.map(|metadata| PageId::from(metadata.phone_number_id.0.as_str()));
    let page = page.as_ref();
    let odd = [value.statuses.odd, value.messages.odd, value.user_preferences.odd, value.errors.odd];
    let odd = odd.iter().sum::<u32>();
    parsed.ignored += odd;
    let events = value.statuses.items.len() + value.messages.items.len() + value.user_preferences.items.len();
    if events + value.errors.items.len() == 0 && odd == 0 {
        // Another field: template status, account update, …
        parsed.ignored += 1;
    }
    for event in value.statuses.items {
        status(page, event, parsed);
    }
    for message in value.messages.items {
        inbound(page, message, parsed);
    }
    for error in value.errors.items {
        match (page, find(TABLE, error.code, None)) {
            (Some(page), Some(row)) if refused(page, row, &error, received_at_ms, parsed) => {}
            _ => parsed.ignored += 1,
        }
    }
    for preference in value.user_preferences.items {
        match (preference.value.as_str(), preference.wa_id.and_then(|id| phone(&id.0))) {
            ("stop", Some(address)) => suppress(address, "stopped_marketing", parsed),
            // A resume at the platform does not undo what a person told the sender directly.
            _ => parsed.ignored += 1,
        }
    }
}

fn status(page: Option<&PageId>, event: Status, parsed: &mut Parsed) {
    let fact = match event.status.as_str() {
        "sent" => Fact::Accepted,
        "delivered" => Fact::Delivered,
        "read" | "played" => Fact::Read,
        "failed" => return failed(page, event, parsed),
        _ => {
            parsed.ignored += 1;
            return;
        }
    };
    let Some(at_ms) = ms(event.timestamp) else {
        parsed.ignored += 1;
        return;
    };
    let (target, provider_id) = target(event.biz_opaque_callback_data.as_deref(), event.id);
    let page = page.cloned();
    parsed.facts.push(WebhookFact { page, target, fact, at_ms, reason: None, message: None, provider_id });
}

fn failed(page: Option<&PageId>, event: Status, parsed: &mut Parsed) {
    let Some(at_ms) = ms(event.timestamp) else {
        parsed.ignored += 1;
        return;
    };
    let error = event.errors.items.into_iter().next();
    let row = error.as_ref().and_then(|error| find(TABLE, error.code, None));
    let fact = match row.map(|row| (row.class, row.attempts_max)) {
        None | Some((Class::Transient | Class::Foreign | Class::Account | Class::MaySent, _)) => Fact::Failed,
        Some((Class::Throttle(Scope::Recipient), 1)) => Fact::FailedForGood,
        Some((Class::Throttle(_), _)) => Fact::Failed,
        Some((Class::PermanentRecipient | Class::PermanentCampaign | Class::Template | Class::OptOut, _)) => {
            Fact::FailedForGood
        }
    };
    if let (Some(page), Some(row), Some(error)) = (page, row, &error) {
        refused(page, row, error, at_ms, parsed);
    }
    let reason = error.as_ref().map_or_else(|| "failed".to_owned(), |error| error.code.to_string());
    let message = error.as_ref().and_then(StatusError::text);
    let (target, provider_id) = target(event.biz_opaque_callback_data.as_deref(), event.id);
    if row.is_some_and(|row| row.class == Class::OptOut) {
        parsed.fact(page, target.clone(), Fact::OptedOut, at_ms);
        if let Some(address) = event.recipient_id.and_then(|id| phone(&id.0)) {
            suppress(address, "stopped_marketing", parsed);
        }
    }
    let (page, reason) = (page.cloned(), Some(reason));
    parsed.facts.push(WebhookFact { page, target, fact, at_ms, reason, message, provider_id });
}

/// What an answer to a call would say of the whole page. Whether it says anything.
fn refused(page: &PageId, row: &ErrorRow, error: &StatusError, at_ms: i64, parsed: &mut Parsed) -> bool {
    let text = error.text().unwrap_or_else(|| row.meaning.to_owned());
    let (reason, retry_after) = match row.result(error.code.to_string(), text, None) {
        CallResult::Refused {
            reason: reason @ (HoldReason::Account(_) | HoldReason::Throttled(_)),
            retry_after,
        } => (reason, retry_after),
        _ => return false,
    };
    parsed.refused.push(PageRefused {
        page: page.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        detail: reason.detail().to_owned(),
        at_ms,
        wait_ms: retry_after.map(|wait| wait.as_millis() as i64),
    });
    true
}

impl StatusError {
    fn text(&self) -> Option<String> {
        let details = self.error_data.as_ref().and_then(|data| data.get("details")?.as_str());
        let text = details.or(self.message.as_deref()).or(self.title.as_deref())?;
        Some(for_people(text))
    }
}

/// Replies, buttons, reactions and orders name the message they answer; everything else is about no send.
fn inbound(page: Option<&PageId>, message: Inbound, parsed: &mut Parsed) {
    let answered = message.reaction.map(|reaction| reaction.message_id);
    let answered = answered.or_else(|| message.context.and_then(|context| context.id));
    let fact = match message.r#type.as_deref() {
        Some("order") => Fact::Ordered,
        Some("system" | "unsupported") => {
            parsed.ignored += 1;
            return;
        }
        _ => Fact::Responded,
    };
    match (answered, ms(message.timestamp)) {
        (Some(id), Some(at_ms)) => {
            parsed.fact(page, Target::Message(CHANNEL, id.clone()), Fact::Responded, at_ms);
            if fact != Fact::Responded {
                parsed.fact(page, Target::Message(CHANNEL, id), fact, at_ms);
            }
        }
        _ => parsed.ignored += 1,
    }
}

/// The echo tag needs no look-up; a foreign one is as good as none.
fn target(tag: Option<&str>, id: String) -> (Target, Option<String>) {
    match tag.and_then(|tag| tag.parse().ok()) {
        Some(tag) => (Target::Tag(tag), Some(id)),
        None => (Target::Message(CHANNEL, id), None),
    }
}

fn suppress(address: String, reason: &str, parsed: &mut Parsed) {
    parsed.suppressions.push(Suppression { channel: CHANNEL, address, reason: reason.to_owned() });
}

/// Webhooks give digits only.
fn phone(digits: &str) -> Option<String> {
    let with_plus = format!("+{}", digits.trim_start_matches('+'));
    address::normalise(CHANNEL, &with_plus).ok().map(|address| address.into_owned())
}

fn ms(seconds: Number) -> Option<i64> {
    seconds.0.checked_mul(1_000)
}
