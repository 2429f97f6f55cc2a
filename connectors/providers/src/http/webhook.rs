//! Webhooks of a generic endpoint: one event, or a list of them.
//!
//! ```json
//! {"id": "m-17", "tag": "<Idempotency-Key>", "status": "delivered", "at_ms": 1751142888000,
//!  "code": "…", "message": "…"}
//! ```
//! `tag` or `id` is required, the tag wins. `status`: `sent`, `delivered`, `read`, `responded`, `clicked`,
//! `ordered`, `failed`, `opted_out`. Without `at_ms` the time of receipt counts. `code` and `message` belong to
//! `failed`.

use crate::lenient::{Lenient, Number, Text};
use crate::people::for_people;
use crate::webhook::{Parsed, Target, WebhookError, WebhookFact, malformed};
use serde::Deserialize;
use sluice_core::PageId;
use sluice_schemas::{Channel, Fact};

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    id: Option<Text>,
    #[serde(default)]
    tag: Option<String>,
    status: String,
    #[serde(default)]
    at_ms: Option<Number>,
    #[serde(default)]
    code: Option<Text>,
    #[serde(default)]
    message: Option<String>,
}

/// Parses a body that came in for `page`.
pub fn parse(body: &[u8], page: Option<&str>, received_at_ms: i64) -> Result<Parsed, WebhookError> {
    let page = page.map(PageId::from);
    let events: Lenient<Event> = if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body)
    } else {
        // An object that is not an event is ignored; what is no object is no webhook.
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).map(|object| {
            match Event::deserialize(serde_json::Value::Object(object)) {
                Ok(event) => Lenient { items: vec![event], odd: 0 },
                Err(_) => Lenient { items: Vec::new(), odd: 1 },
            }
        })
    }
    .map_err(|error| malformed(Channel::Http, error))?;
    let mut parsed = Parsed { ignored: events.odd, ..Parsed::default() };
    for event in events.items {
        read_event(page.as_ref(), event, received_at_ms, &mut parsed);
    }
    Ok(parsed)
}

fn read_event(page: Option<&PageId>, event: Event, received_at_ms: i64, parsed: &mut Parsed) {
    let fact = match event.status.as_str() {
        "sent" | "accepted" => Some(Fact::Accepted),
        "delivered" => Some(Fact::Delivered),
        "read" => Some(Fact::Read),
        "responded" => Some(Fact::Responded),
        "clicked" => Some(Fact::Clicked),
        "ordered" => Some(Fact::Ordered),
        "failed" => Some(Fact::FailedForGood),
        "opted_out" => Some(Fact::OptedOut),
        _ => None,
    };
    let id = event.id.map(|id| id.0).filter(|id| !id.is_empty());
    let target = match (event.tag.and_then(|tag| tag.parse().ok()), &id) {
        (Some(tag), _) => Some((Target::Tag(tag), id)),
        (None, Some(text)) => Some((Target::Message(Channel::Http, text.clone()), None)),
        (None, None) => None,
    };
    let (Some(fact), Some((target, provider_id))) = (fact, target) else {
        parsed.ignored += 1;
        return;
    };
    let is_failure = fact == Fact::FailedForGood;
    parsed.facts.push(WebhookFact {
        page: page.cloned(),
        target,
        fact,
        at_ms: event.at_ms.map_or(received_at_ms, |time| time.0),
        reason: is_failure.then(|| event.code.map_or_else(|| "failed".to_owned(), |code| code.0)),
        message: event.message.filter(|_| is_failure).map(|text| for_people(&text)),
        provider_id,
    });
}
