//! Answers in the providers' own shapes.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;

use crate::call::{Call, Refusal};
use crate::channel::Channel;
use crate::faults::Faults;
use crate::graph;
use crate::judge::Ruling;

pub(crate) type Answer = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=UTF-8");
const APP_USAGE: HeaderName = HeaderName::from_static("x-app-usage");
const BUSINESS_USAGE: HeaderName = HeaderName::from_static("x-business-use-case-usage");

/// A JSON answer; a status out of range becomes 500.
pub(crate) fn json(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() =
        hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// Any value as JSON.
pub(crate) fn of<T: Serialize>(status: u16, value: &T) -> Answer {
    json(status, serde_json::to_vec(value).unwrap_or_default())
}

/// `{"error": …}` of the simulator's own endpoints and of generic HTTP.
pub(crate) fn plain_error(status: u16, message: &str) -> Answer {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
    }
    of(status, &Body { error: message })
}

/// The answer to a judged call; `trace` makes error answers different from each other.
pub(crate) fn to_call(call: &Call, ruling: &Ruling, faults: &Faults, trace: u64) -> Answer {
    let mut answer = match (&ruling.refusal, ruling.message_id.as_deref()) {
        (Some(refusal), _) => to_refusal(call.channel, refusal, faults, trace),
        (None, Some(id)) => success(call, id),
        (None, None) => plain_error(500, "the call was neither refused nor accepted"),
    };
    let meta_page = matches!(call.channel, Channel::Messenger | Channel::Instagram);
    if meta_page && ruling.used_percent > 0 {
        add_usage(&mut answer, call, ruling, faults);
    }
    answer
}

fn to_refusal(channel: Channel, refusal: &Refusal, faults: &Faults, trace: u64) -> Answer {
    if channel != Channel::Http {
        return json(refusal.status, graph::envelope(channel, refusal, trace));
    }
    let mut answer = plain_error(refusal.status, &refusal.message);
    if refusal.status == 429 {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(faults.retry_after_s));
    }
    answer
}

fn success(call: &Call, id: &str) -> Answer {
    #[derive(Serialize)]
    struct WhatsApp<'a> {
        messaging_product: &'static str,
        contacts: [Contact<'a>; 1],
        messages: [Message<'a>; 1],
    }
    #[derive(Serialize)]
    struct Contact<'a> {
        input: &'a str,
        wa_id: &'a str,
    }
    #[derive(Serialize)]
    struct Message<'a> {
        id: &'a str,
        message_status: &'static str,
    }
    #[derive(Serialize)]
    struct Page<'a> {
        recipient_id: &'a str,
        message_id: &'a str,
    }
    #[derive(Serialize)]
    struct Http<'a> {
        id: &'a str,
    }
    match call.channel {
        Channel::WhatsApp => of(
            200,
            &WhatsApp {
                messaging_product: "whatsapp",
                contacts: [Contact { input: &call.input, wa_id: &call.to }],
                messages: [Message { id, message_status: "accepted" }],
            },
        ),
        Channel::Messenger | Channel::Instagram => of(200, &Page { recipient_id: &call.to, message_id: id }),
        Channel::Http => of(200, &Http { id }),
    }
}

/// Meta's usage headers: percentages of the limit, and the minutes until access returns.
fn add_usage(answer: &mut Answer, call: &Call, ruling: &Ruling, faults: &Faults) {
    #[derive(Serialize)]
    struct App {
        call_count: u64,
        total_time: u64,
        total_cputime: u64,
    }
    #[derive(Serialize)]
    struct Business {
        r#type: &'static str,
        call_count: u64,
        total_cputime: u64,
        total_time: u64,
        estimated_time_to_regain_access: u64,
    }
    let used = ruling.used_percent;
    let minutes = if ruling.refusal.is_some() && used > 100 { faults.retry_after_s.div_ceil(60) } else { 0 };
    let business = Business {
        r#type: call.channel.as_str(),
        call_count: used,
        total_cputime: used / 2,
        total_time: used / 2,
        estimated_time_to_regain_access: minutes,
    };
    let app = App { call_count: used / 4, total_time: used / 4, total_cputime: used / 4 };
    let by_page = std::collections::BTreeMap::from([(&*call.page, [business])]);
    for (name, value) in
        [(APP_USAGE, serde_json::to_vec(&app)), (BUSINESS_USAGE, serde_json::to_vec(&by_page))]
    {
        // A page id that does not fit into a header has no usage header.
        if let Some(value) = value.ok().and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()) {
            answer.headers_mut().insert(name, value);
        }
    }
}
