//! Meta's errors: one table of what the simulator answers, and the envelope around it.

use bytes::Bytes;
use serde::Serialize;

use crate::call::Refusal;
use crate::channel::Channel;
use crate::faults::FaultKind;

/// 100: a parameter that is unknown, too long or missing at the top of the call.
pub(super) fn invalid(details: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(400, 100, "(#100) Invalid parameter", details)
}

/// 131008: a required parameter is missing.
pub(super) fn missing(details: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(400, 131_008, "(#131008) Required parameter is missing", details)
}

/// 131009: a parameter has a value that is not allowed.
pub(super) fn bad_value(details: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(400, 131_009, "(#131009) Parameter value is not valid", details)
}

/// No token at all.
pub(crate) fn missing_token() -> Refusal {
    Refusal::new(403, 200, "(#200) Provide valid app ID", "no access token was given")
}

/// A token that is not, or no longer, valid.
pub(crate) fn wrong_token() -> Refusal {
    Refusal::new(401, 190, "Error validating access token: the session is invalid", "the token was refused")
}

/// The page sends too fast.
pub(crate) fn throttled(channel: Channel) -> Refusal {
    let details = "too many messages were sent from this page in a short time";
    match channel {
        Channel::WhatsApp => Refusal::new(429, 130_429, "(#130429) Rate limit hit", details),
        Channel::Messenger => {
            Refusal::new(400, 613, "(#613) Calls to this api have exceeded the rate limit.", details)
        }
        Channel::Instagram => {
            Refusal::new(400, 613, "(#613) Calls to this api have exceeded the rate limit.", details)
                .with_subcode(2_534_040)
        }
        Channel::Http => Refusal::new(429, 0, "too many requests", details),
    }
}

/// The answer to an injected fault; None for those that are not an answer.
pub(crate) fn for_fault(channel: Channel, kind: FaultKind) -> Option<Refusal> {
    let http = channel == Channel::Http;
    let whatsapp = channel == Channel::WhatsApp;
    let refusal = match kind {
        FaultKind::Error500 if http => Refusal::new(500, 0, "internal server error", ""),
        FaultKind::Error500 => Refusal::new(500, 1, "An unknown error occurred", "possible server fault"),
        FaultKind::Throttled => throttled(channel),
        FaultKind::Permanent if http => Refusal::new(422, 0, "recipient cannot be reached", ""),
        FaultKind::Permanent if whatsapp => Refusal::new(
            400,
            131_026,
            "(#131026) Message undeliverable",
            "the recipient cannot receive this message",
        ),
        FaultKind::Permanent => Refusal::new(400, 551, "(#551) This person isn't available right now.", "")
            .with_subcode(1_545_041),
        FaultKind::Transient if http => Refusal::new(503, 0, "service unavailable", ""),
        FaultKind::Transient if whatsapp => {
            Refusal::new(500, 131_000, "(#131000) Something went wrong", "unknown error")
        }
        FaultKind::Transient => Refusal::new(503, 2, "Service temporarily unavailable", ""),
        FaultKind::WrongToken => wrong_token(),
        FaultKind::Hang | FaultKind::HangAccepted | FaultKind::ClosedBefore | FaultKind::ClosedAfter => {
            return None;
        }
    };
    Some(refusal)
}

/// Meta's error envelope; WhatsApp adds `error_data`, the others a subcode.
pub(crate) fn envelope(channel: Channel, refusal: &Refusal, trace: u64) -> Bytes {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: Body<'a>,
    }
    #[derive(Serialize)]
    struct Body<'a> {
        message: &'a str,
        r#type: &'static str,
        code: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_subcode: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error_data: Option<Data<'a>>,
        fbtrace_id: String,
    }
    #[derive(Serialize)]
    struct Data<'a> {
        messaging_product: &'static str,
        details: &'a str,
    }
    let error_data = (channel == Channel::WhatsApp)
        .then_some(Data { messaging_product: "whatsapp", details: &refusal.details });
    let body = Envelope {
        error: Body {
            message: &refusal.message,
            r#type: "OAuthException",
            code: refusal.code,
            error_subcode: refusal.subcode,
            error_data,
            fbtrace_id: format!("A{trace:016x}"),
        },
    };
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}
