//! The message of a launch: exactly the part that the channel takes, compiled.

use super::{CompiledMessage, Problems, nearest, shown};
use crate::template::Template;
use sluice_schemas::{CampaignLaunch, Channel, HttpMessage, TemplateMessage, TextMessage};

/// Characters of a Messenger text at most.
pub const MESSENGER_TEXT_CHARS_MAX: usize = 2_000;
/// Bytes of an Instagram text at most.
pub const INSTAGRAM_TEXT_BYTES_MAX: usize = 1_000;
/// Tags that Meta answers with error 100 since 2026-04-27.
pub const RETIRED_TAGS: [&str; 3] = ["CONFIRMED_EVENT_UPDATE", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE"];

/// Headers that a launch must not set: credentials belong to the page's configuration, the rest to the
/// connection.
const RESERVED_HEADERS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
];

/// The name of the message part that a channel takes.
fn part_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Whatsapp => "template",
        Channel::Messenger | Channel::Instagram => "text",
        Channel::Http => "http",
        Channel::Sms => "sms",
    }
}

pub(super) fn check(launch: &CampaignLaunch, problems: &mut Problems) -> Option<CompiledMessage> {
    let (channel, message) = (launch.channel, &launch.message);
    if channel == Channel::Sms {
        let hint =
            "use whatsapp, messenger, instagram or http; an SMS gateway with an HTTP API works as http";
        problems.add("channel", "sms is not available yet", hint);
        return None;
    }
    let wanted = part_of(channel);
    let given = [
        ("template", message.template.is_some()),
        ("text", message.text.is_some()),
        ("http", message.http.is_some()),
    ];
    for (part, _) in given.iter().filter(|(part, present)| *present && *part != wanted) {
        let hint = format!("keep `{wanted}` only, or change the channel");
        problems.add(&format!("message.{part}"), format!("{channel} does not take it"), hint);
    }
    let compiled = match channel {
        Channel::Whatsapp => message.template.as_ref().map(|part| template(part, problems)),
        Channel::Messenger | Channel::Instagram => {
            message.text.as_ref().map(|part| text(channel, part, problems))
        }
        Channel::Http => message.http.as_ref().map(|part| http(part, problems)),
        Channel::Sms => None,
    };
    if compiled.is_none() {
        let hint = format!("add `\"{wanted}\": {{...}}` to the message");
        problems.add("message", format!("{channel} needs the part `{wanted}`"), hint);
    }
    compiled.flatten()
}

fn compile(
    field: &str,
    compiled: Result<Template, crate::template::TemplateError>,
    problems: &mut Problems,
) -> Option<Template> {
    match compiled {
        Ok(template) => Some(template),
        Err(error) => {
            problems.add(field, error.to_string(), "write variables as {{name}}");
            None
        }
    }
}

fn template(part: &TemplateMessage, problems: &mut Problems) -> Option<CompiledMessage> {
    let name_fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if part.name.is_empty() || part.name.len() > 512 || !part.name.bytes().all(name_fits) {
        let hint = "template names have lowercase letters, digits and _";
        problems.add(
            "message.template.name",
            format!("`{}` is not a template name", shown(&part.name)),
            hint,
        );
    }
    let language_fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let language = &part.language;
    if !(2..=16).contains(&language.len()) || !language.bytes().all(language_fits) {
        let hint = "use the exact code of the approved translation, such as en_US";
        problems.add(
            "message.template.language",
            format!("`{}` is not a language code", shown(language)),
            hint,
        );
    }
    let field = "message.template.components";
    let components = compile(field, Template::json(&part.components), problems)?;
    let is_array_of_objects =
        serde_json::from_str::<Vec<serde_json::Map<String, serde_json::Value>>>(&part.components);
    if is_array_of_objects.is_err() {
        let hint = "write [{\"type\": \"body\", \"parameters\": [...]}], or leave it out";
        problems.add(field, "it is not a JSON array of objects", hint);
        return None;
    }
    Some(CompiledMessage::Template { components })
}

fn text(channel: Channel, part: &TextMessage, problems: &mut Problems) -> Option<CompiledMessage> {
    check_messaging_type(part, problems);
    let field = "message.text.body";
    if part.body.trim().is_empty() {
        problems.add(field, "it is empty", "write the text");
        return None;
    }
    let body = compile(field, Template::text(&part.body), problems)?;
    // Values only add to what is the same for everybody.
    let (length, limit, unit) = match channel {
        Channel::Instagram => (body.literal_bytes(), INSTAGRAM_TEXT_BYTES_MAX, "bytes"),
        _ => (body.literal_chars(), MESSENGER_TEXT_CHARS_MAX, "characters"),
    };
    if length > limit {
        let problem = format!("{length} {unit} before any variable, {channel} takes {limit}");
        problems.add(field, problem, "shorten the text");
    }
    Some(CompiledMessage::Text { body })
}

fn check_messaging_type(part: &TextMessage, problems: &mut Problems) {
    const TYPES: [&str; 3] = ["RESPONSE", "UPDATE", "MESSAGE_TAG"];
    let field = "message.text.messaging_type";
    let kind = part.messaging_type.as_str();
    if kind == "UTILITY" {
        let hint = "use UPDATE, RESPONSE or MESSAGE_TAG";
        problems.add(field, "UTILITY needs an approved template, a text cannot be sent as one", hint);
    } else if !TYPES.contains(&kind) {
        let hint = match nearest(kind, TYPES) {
            Some(near) => format!("perhaps `{near}` is meant"),
            None => "use UPDATE, RESPONSE or MESSAGE_TAG".to_owned(),
        };
        problems.add(field, format!("`{}` is not a messaging type", shown(kind)), hint);
    }
    let field = "message.text.tag";
    match part.tag.as_deref() {
        None if kind == "MESSAGE_TAG" => {
            problems.add(field, "MESSAGE_TAG needs a tag", "add \"tag\": \"HUMAN_AGENT\", or use UPDATE");
        }
        None => {}
        Some(tag) if RETIRED_TAGS.contains(&tag) => {
            let hint = "outside the 24 h window use HUMAN_AGENT where it applies; otherwise send as UPDATE inside it";
            problems.add(field, format!("Meta has retired {tag} on 2026-04-27: every call would fail"), hint);
        }
        Some(tag) if tag.is_empty() || !tag.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') => {
            problems.add(field, format!("`{}` is not a tag", shown(tag)), "HUMAN_AGENT is one");
        }
        Some(_) if kind != "MESSAGE_TAG" => {
            let hint = "set messaging_type to MESSAGE_TAG, or leave the tag out";
            problems.add(field, "only MESSAGE_TAG takes a tag", hint);
        }
        Some(_) => {}
    }
}

fn http(part: &HttpMessage, problems: &mut Problems) -> Option<CompiledMessage> {
    if !["POST", "PUT", "PATCH"].contains(&part.method.as_str()) {
        let problem = format!("`{}` is not a method that carries a body", shown(&part.method));
        problems.add("message.http.method", problem, "use POST, PUT or PATCH");
    }
    for (name, value) in &part.headers {
        let field = format!("message.http.headers.{}", shown(name));
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            problems.add(&field, "it is not a header name", "use letters, digits and -");
        } else if RESERVED_HEADERS.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
            let hint = "credentials and URLs of a page belong into the configuration or the environment";
            problems.add(&field, "a launch cannot set this header", hint);
        }
        if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            problems.add(
                &field,
                "its value has other than printable ASCII characters",
                "put the text in the body",
            );
        }
        if value.contains("{{") {
            let hint = "put the variable in the body: headers are the same for everybody";
            problems.add(&field, "a header cannot hold a variable", hint);
        }
    }
    if let Some(pointer) = &part.message_id
        && !pointer.starts_with('/')
    {
        let hint = "write where the id stands in the answer, for example /id or /data/0/id";
        problems.add("message.http.message_id", format!("`{}` is not a JSON pointer", shown(pointer)), hint);
    }
    let body = compile("message.http.body", Template::json(&part.body), problems)?;
    Some(CompiledMessage::Http { body })
}
