//! Webhook bodies in the providers' shapes.

use serde::Serialize;

use super::event::{Event, EventKind};
use super::sign::escape;
use crate::channel::Channel;

/// The WhatsApp business account that all numbers of the simulator belong to.
const BUSINESS_ACCOUNT: &str = "102290129340398";
const DISPLAY_PHONE_NUMBER: &str = "15550783881";

#[derive(Serialize)]
struct Envelope<E> {
    object: &'static str,
    entry: [E; 1],
}

/// The body of one webhook call. All events are of one channel and page; generic HTTP takes the first only.
pub(super) fn body(events: &[Event]) -> Option<Vec<u8>> {
    let first = events.first()?;
    let json = match first.channel {
        Channel::WhatsApp => serde_json::to_string(&whatsapp(events)),
        Channel::Messenger => serde_json::to_string(&page("page", events)),
        Channel::Instagram => serde_json::to_string(&page("instagram", events)),
        Channel::Http => serde_json::to_string(&generic(first)),
    };
    // These structures hold only texts and numbers: serialising them does not fail.
    json.ok().map(|json| escape(&json).into_bytes())
}

fn at_ms(event: &Event) -> u64 {
    event.at_us / 1_000
}

// ---- WhatsApp -------------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Account<'a> {
    id: &'static str,
    changes: Vec<Change<'a>>,
}

#[derive(Serialize)]
struct Change<'a> {
    field: &'static str,
    value: Value<'a>,
}

#[derive(Serialize)]
struct Value<'a> {
    messaging_product: &'static str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<Contact<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Inbound<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statuses: Vec<Status<'a>>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    display_phone_number: &'static str,
    phone_number_id: &'a str,
}

#[derive(Serialize)]
struct Contact<'a> {
    profile: Profile,
    wa_id: &'a str,
}

#[derive(Serialize)]
struct Profile {
    name: &'static str,
}

#[derive(Serialize)]
struct Inbound<'a> {
    from: &'a str,
    id: String,
    timestamp: String,
    r#type: &'static str,
    text: Body<'a>,
    context: Context<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    body: &'a str,
}

#[derive(Serialize)]
struct Context<'a> {
    from: &'static str,
    id: &'a str,
}

#[derive(Serialize)]
struct Status<'a> {
    id: &'a str,
    status: &'static str,
    /// Seconds, as a string.
    timestamp: String,
    recipient_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    biz_opaque_callback_data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pricing: Option<Pricing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Failure; 1]>,
}

#[derive(Serialize)]
struct Pricing {
    billable: bool,
    pricing_model: &'static str,
    r#type: &'static str,
    category: &'static str,
}

#[derive(Serialize)]
struct Failure {
    code: u32,
    title: &'static str,
    message: &'static str,
    error_data: Details,
    href: &'static str,
}

#[derive(Serialize)]
struct Details {
    details: &'static str,
}

fn whatsapp(events: &[Event]) -> Envelope<Account<'_>> {
    let (replies, statuses): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| event.kind == EventKind::Reply);
    let mut changes = Vec::with_capacity(2);
    // Meta sends statuses and inbound messages in values of their own.
    if !statuses.is_empty() {
        changes.push(change(
            &events[0].page,
            Vec::new(),
            Vec::new(),
            statuses.into_iter().map(status).collect(),
        ));
    }
    if !replies.is_empty() {
        let contacts = replies
            .iter()
            .map(|event| Contact { profile: Profile { name: "Zoë Müller" }, wa_id: &event.to })
            .collect();
        changes.push(change(
            &events[0].page,
            contacts,
            replies.into_iter().map(inbound).collect(),
            Vec::new(),
        ));
    }
    Envelope { object: "whatsapp_business_account", entry: [Account { id: BUSINESS_ACCOUNT, changes }] }
}

fn change<'a>(
    page: &'a str,
    contacts: Vec<Contact<'a>>,
    messages: Vec<Inbound<'a>>,
    statuses: Vec<Status<'a>>,
) -> Change<'a> {
    let metadata = Metadata { display_phone_number: DISPLAY_PHONE_NUMBER, phone_number_id: page };
    Change {
        field: "messages",
        value: Value { messaging_product: "whatsapp", metadata, contacts, messages, statuses },
    }
}

fn status(event: &Event) -> Status<'_> {
    // The price stands in `sent` and in one of the later ones.
    let priced = matches!(event.kind, EventKind::Sent | EventKind::Delivered);
    let errors = (event.kind == EventKind::Failed).then(|| {
        [Failure {
            code: event.code(),
            title: "Message undeliverable",
            message: "Message undeliverable",
            error_data: Details { details: "Message undeliverable." },
            href: "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }]
    });
    Status {
        id: &event.message_id,
        status: event.kind.as_str(),
        timestamp: (event.at_us / 1_000_000).to_string(),
        recipient_id: &event.to,
        biz_opaque_callback_data: event.tag.as_deref(),
        pricing: priced.then_some(Pricing {
            billable: true,
            pricing_model: "PMP",
            r#type: "regular",
            category: "marketing",
        }),
        errors,
    }
}

fn inbound(event: &Event) -> Inbound<'_> {
    Inbound {
        from: &event.to,
        id: reply_id(event),
        timestamp: (event.at_us / 1_000_000).to_string(),
        r#type: "text",
        text: Body { body: &event.faults.reply_text },
        context: Context { from: DISPLAY_PHONE_NUMBER, id: &event.message_id },
    }
}

fn reply_id(event: &Event) -> String {
    format!("{}.reply", event.message_id)
}

// ---- Messenger and Instagram ----------------------------------------------------------------------------

#[derive(Serialize)]
struct PageEntry<'a> {
    id: &'a str,
    /// Milliseconds, as a number, like every time of these two.
    time: u64,
    messaging: Vec<Messaging<'a>>,
}

#[derive(Serialize)]
struct Messaging<'a> {
    sender: Party<'a>,
    recipient: Party<'a>,
    timestamp: u64,
    #[serde(flatten)]
    what: What<'a>,
}

#[derive(Serialize)]
struct Party<'a> {
    id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum What<'a> {
    Delivery {
        #[serde(skip_serializing_if = "Option::is_none")]
        mids: Option<[&'a str; 1]>,
        watermark: u64,
    },
    Read(ReadUpTo<'a>),
    Message {
        mid: String,
        text: &'a str,
        reply_to: ReplyTo<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum ReadUpTo<'a> {
    /// Messenger: everything up to this time, in milliseconds.
    Watermark { watermark: u64 },
    /// Instagram: this message.
    Mid { mid: &'a str },
}

#[derive(Serialize)]
struct ReplyTo<'a> {
    mid: &'a str,
}

fn page<'a>(object: &'static str, events: &'a [Event]) -> Envelope<PageEntry<'a>> {
    let time = events.iter().map(at_ms).max().unwrap_or(0);
    let entry = PageEntry { id: &events[0].page, time, messaging: events.iter().map(messaging).collect() };
    Envelope { object, entry: [entry] }
}

fn messaging(event: &Event) -> Messaging<'_> {
    let what = match event.kind {
        EventKind::Read if event.channel == Channel::Instagram => {
            What::Read(ReadUpTo::Mid { mid: &event.message_id })
        }
        EventKind::Read => What::Read(ReadUpTo::Watermark { watermark: at_ms(event) }),
        EventKind::Reply => What::Message {
            mid: reply_id(event),
            text: &event.faults.reply_text,
            reply_to: ReplyTo { mid: &event.message_id },
        },
        EventKind::Sent | EventKind::Delivered | EventKind::Failed => {
            What::Delivery { mids: event.with_mids.then_some([&*event.message_id]), watermark: at_ms(event) }
        }
    };
    Messaging {
        sender: Party { id: &event.to },
        recipient: Party { id: &event.page },
        timestamp: at_ms(event),
        what,
    }
}

// ---- Generic HTTP ---------------------------------------------------------------------------------------

#[derive(Serialize)]
struct Generic<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    status: &'static str,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

fn generic(event: &Event) -> Generic<'_> {
    Generic {
        id: &event.message_id,
        tag: event.tag.as_deref(),
        status: event.kind.as_str(),
        at_ms: at_ms(event),
        error: (event.kind == EventKind::Failed).then_some("recipient cannot be reached"),
    }
}
