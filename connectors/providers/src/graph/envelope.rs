//! The Graph API's answers: the error envelope, and what an answer without one means.

use super::usage::{regain_access, retry_after};
use crate::classes::{ErrorRow, UNKNOWN_ATTEMPTS_MAX, find};
use crate::people::for_people;
use serde::Deserialize;
use sluice_core::throttle::HoldReason;
use sluice_runtime::ports::caller::{Answer, CallResult, Failure};

/// What a provider reads out of the body of a 200.
pub(crate) enum Accepted {
    /// It took the message.
    Yes(Option<String>),
    /// It answered 200, and something else follows from the body.
    No(CallResult),
    /// Not the shape of a success: perhaps an error after all.
    Unreadable,
}

#[derive(Deserialize)]
struct Envelope {
    error: GraphError,
}

#[derive(Deserialize)]
struct GraphError {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<u32>,
    #[serde(default)]
    error_subcode: Option<u32>,
    #[serde(default)]
    error_data: Option<serde_json::Value>,
    #[serde(default)]
    is_transient: Option<bool>,
}

impl GraphError {
    /// `error_data.details` says most; `error_data` is sometimes a plain string.
    fn text(&self) -> String {
        let details = self.error_data.as_ref().and_then(|data| match data {
            serde_json::Value::String(text) => Some(text.as_str()),
            data => data.get("details")?.as_str(),
        });
        let texts = [self.message.as_deref(), details];
        let mut texts = texts.into_iter().flatten().filter(|text| !text.is_empty());
        match (texts.next(), texts.next()) {
            (Some(message), Some(details)) if details != message => {
                for_people(&format!("{message}: {details}"))
            }
            (Some(message), _) => for_people(message),
            (None, _) => "no message".to_owned(),
        }
    }
}

/// Classifies an answer of the Graph API. The status decides only where the body does not: Meta says that it
/// is not to be relied on.
pub(crate) fn classify(
    table: &'static [ErrorRow],
    answer: &Answer<'_>,
    accepted: impl FnOnce(&[u8]) -> Accepted,
) -> CallResult {
    let is_success = (200..300).contains(&answer.status);
    if is_success {
        match accepted(answer.body) {
            Accepted::Yes(message_id) => return CallResult::Accepted { message_id },
            Accepted::No(result) => return result,
            Accepted::Unreadable => {}
        }
    }
    match serde_json::from_slice::<Envelope>(answer.body) {
        Ok(Envelope { error }) => refused(table, answer, &error),
        // 200 means accepted, whatever the body has become on the way.
        Err(_) if is_success => CallResult::Accepted { message_id: None },
        Err(_) => without_envelope(answer),
    }
}

fn refused(table: &'static [ErrorRow], answer: &Answer<'_>, error: &GraphError) -> CallResult {
    let Some(number) = error.code else { return without_envelope(answer) };
    let code = match error.error_subcode {
        Some(subcode) if find(table, number, Some(subcode)).is_some_and(|row| row.subcode.is_some()) => {
            format!("{number}/{subcode}")
        }
        _ => number.to_string(),
    };
    let asked = || retry_after(answer).max(regain_access(answer));
    match find(table, number, error.error_subcode) {
        Some(row) => row.result(code, error.text(), asked()),
        None if answer.status == 429 && error.is_transient != Some(false) => CallResult::Refused {
            reason: HoldReason::Throttled(format!("{code}: {}", error.text())),
            retry_after: asked(),
        },
        None => CallResult::Failed(Failure {
            transient: true,
            attempts_max: UNKNOWN_ATTEMPTS_MAX,
            opted_out: false,
            holds_template: false,
            slows_page: false,
            code,
            message: error.text(),
            retry_after: asked(),
            growing_wait: None,
        }),
    }
}

/// An answer that is not the provider's own, such as a proxy's page.
fn without_envelope(answer: &Answer<'_>) -> CallResult {
    let code = format!("http_{}", answer.status);
    let message = format!("the provider answered with status {} and no error code", answer.status);
    let retry_after = retry_after(answer);
    match answer.status {
        401 | 403 => CallResult::Refused { reason: HoldReason::Account(message), retry_after },
        429 => CallResult::Refused { reason: HoldReason::Throttled(message), retry_after },
        // A gateway that got no answer in time can't tell whether the message was taken, and there is no
        // idempotency key: never repeated by itself (G1).
        504 => CallResult::Unknown { detail: message },
        408 | 425 | 500..=599 => CallResult::Failed(Failure {
            transient: true,
            attempts_max: 0,
            opted_out: false,
            holds_template: false,
            slows_page: false,
            code,
            message,
            retry_after,
            growing_wait: None,
        }),
        _ => CallResult::Failed(Failure {
            transient: false,
            attempts_max: 0,
            opted_out: false,
            holds_template: false,
            slows_page: false,
            code,
            message,
            retry_after: None,
            growing_wait: None,
        }),
    }
}
