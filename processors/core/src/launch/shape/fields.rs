//! The fields of LAUNCH.json, and of the details of commands. Their types say the same to the reader; tests hold the two
//! together.

use super::join;

/// What may stand at a place.
#[derive(Debug)]
pub(super) enum Shape {
    /// In double quotes.
    Text,
    /// Yes or no.
    Truth,
    /// A number without a fraction, both ends included.
    Whole(i64, i64),
    /// One of these.
    Word(&'static [&'static str]),
    /// Any number of these.
    List(&'static Shape),
    /// Names of one's own choice, each with a text.
    Texts,
    /// Any document.
    Json,
    /// These names alone.
    Object(&'static [Field]),
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    is: Is,
}

#[derive(Debug, PartialEq, Eq)]
enum Is {
    /// It has to be there.
    Needed,
    /// It may be left out.
    Defaulted,
    /// It may be left out or null.
    Optional,
}

impl Field {
    pub(super) fn is_needed(&self) -> bool {
        self.is == Is::Needed
    }

    pub(super) fn may_be_null(&self) -> bool {
        self.is == Is::Optional
    }

    /// What to do where it is missing.
    pub(super) fn hint(&self) -> String {
        match LAUNCH.iter().any(|field| std::ptr::eq(field, self)) {
            true => {
                "a launch needs campaign, channel, pages, audience and message; docs/launch.md describes them"
                    .to_owned()
            }
            false => format!("add `{}`; docs/launch.md describes it", self.name),
        }
    }
}

const fn needed(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is: Is::Needed }
}

const fn defaulted(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is: Is::Defaulted }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is: Is::Optional }
}

/// A launch.
pub(super) static LAUNCH: &[Field] = &[
    needed("campaign", Shape::Text),
    defaulted("tenant", Shape::Text),
    needed("channel", Shape::Word(&["whatsapp", "messenger", "instagram", "sms", "http"])),
    needed("pages", Shape::List(&Shape::Text)),
    needed("audience", Shape::Object(AUDIENCE)),
    needed("message", Shape::Object(MESSAGE)),
    defaulted("variables", Shape::Texts),
    optional("rate", Shape::Text),
    defaulted("max_retries", Shape::Whole(i32::MIN as i64, i32::MAX as i64)),
    defaulted("on_unknown", Shape::Word(&["keep", "resend"])),
    optional("time_zone", Shape::Text),
    defaulted("rules", Shape::Object(RULES)),
];

static AUDIENCE: &[Field] = &[
    optional("path", Shape::Text),
    optional("inline", Shape::List(&Shape::Texts)),
    optional("format", Shape::Word(&["csv", "ndjson"])),
    optional("delimiter", Shape::Text),
    defaulted("columns", Shape::Texts),
];

static MESSAGE: &[Field] = &[
    optional("template", Shape::Object(TEMPLATE)),
    optional("text", Shape::Object(TEXT)),
    optional("http", Shape::Object(HTTP)),
];

static TEMPLATE: &[Field] =
    &[needed("name", Shape::Text), needed("language", Shape::Text), defaulted("components", Shape::Json)];

static TEXT: &[Field] =
    &[needed("body", Shape::Text), defaulted("messaging_type", Shape::Text), optional("tag", Shape::Text)];

static HTTP: &[Field] = &[
    defaulted("method", Shape::Text),
    defaulted("headers", Shape::Texts),
    needed("body", Shape::Json),
    optional("message_id", Shape::Text),
];

static RULES: &[Field] = &[
    defaulted("priority", Shape::Word(&["urgent", "normal", "bulk"])),
    optional("window", Shape::Object(WINDOW)),
    optional("daily_send_limit", Shape::Whole(i64::MIN, i64::MAX)),
    optional("pair_rate", Shape::Text),
    optional("start_at", Shape::Text),
    optional("end_at", Shape::Text),
    optional("recurring", Shape::Object(RECURRING)),
];

static WINDOW: &[Field] = &[
    needed("open", Shape::List(&Shape::Object(OPEN))),
    defaulted("clock", Shape::Word(&["campaign", "recipient"])),
    defaulted("closed_on", Shape::List(&Shape::Text)),
];

static OPEN: &[Field] = &[
    defaulted("days", Shape::List(&Shape::Word(&["mon", "tue", "wed", "thu", "fri", "sat", "sun"]))),
    needed("from", Shape::Text),
    needed("to", Shape::Text),
];

static RECURRING: &[Field] =
    &[needed("cron", Shape::Text), defaulted("missed", Shape::Word(&["once", "skip"]))];

/// Of a pause, a resumption, a cancel.
pub(super) static REASON: &[Field] = &[optional("reason", Shape::Text)];

/// Of a retry.
pub(super) static RETRY_FAILED: &[Field] =
    &[defaulted("include_unknown", Shape::Truth), optional("end_at", Shape::Text)];

/// New limits: null takes one away.
pub(super) static LIMITS: &[Field] = &[
    optional("rate", Shape::Text),
    optional("priority", Shape::Word(&["urgent", "normal", "bulk"])),
    optional("daily_send_limit", Shape::Whole(i64::MIN, i64::MAX)),
    optional("pair_rate", Shape::Text),
];

/// New times: null takes one away.
pub(super) static TIMES: &[Field] = &[
    optional("start_at", Shape::Text),
    optional("end_at", Shape::Text),
    optional("window", Shape::Object(NEW_WINDOW)),
    optional("recurring", Shape::Object(RECURRING)),
];

static NEW_WINDOW: &[Field] = &[
    defaulted("open", Shape::List(&Shape::Object(OPEN))),
    optional("clock", Shape::Word(&["campaign", "recipient"])),
    optional("closed_on", Shape::List(&Shape::Text)),
];

/// Where a field of exactly this name belongs, if there is one place for it.
pub(super) fn place_of(name: &str) -> Option<String> {
    let mut places = Vec::new();
    walk(LAUNCH, "", &mut |place, field| {
        if field.name == name {
            places.push(place.to_owned());
        }
    });
    (places.len() == 1).then(|| places.remove(0))
}

/// Every field with its place.
pub(super) fn walk(fields: &'static [Field], place: &str, see: &mut impl FnMut(&str, &'static Field)) {
    for field in fields {
        let place = join(place, field.name);
        see(&place, field);
        match &field.shape {
            Shape::Object(inner) => walk(inner, &place, see),
            Shape::List(Shape::Object(inner)) => walk(inner, &format!("{place}[0]"), see),
            _ => {}
        }
    }
}
