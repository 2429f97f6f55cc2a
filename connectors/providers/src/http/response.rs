//! What any endpoint's answer means: the contract that Sluice asks of generic HTTP endpoints.
//!
//! | status | meaning |
//! |---|---|
//! | 2xx | taken; the message id is read only where the launch says where it stands |
//! | 408, 425, 5xx | not taken, try again; `Retry-After` is honoured |
//! | 429 | slow down: the page waits for `Retry-After` |
//! | 401, 403 | the credentials are refused: the page waits for a person |
//! | all others | not taken, never will be |

use crate::graph::retry_after;
use crate::people::for_people;
use sluice_core::throttle::HoldReason;
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult, Failure};

/// The rules of a generic endpoint.
#[derive(Debug, Clone, Default)]
pub struct HttpAnswers {
    message_id: Option<Box<str>>,
}

impl HttpAnswers {
    /// `message_id`: a JSON pointer into the answer, such as `/id`.
    pub fn new(message_id: Option<&str>) -> Self {
        Self { message_id: message_id.map(Box::from) }
    }

    /// Texts and numbers are ids; whatever else stands there is none.
    fn message_id(&self, body: &[u8]) -> Option<String> {
        let pointer = self.message_id.as_deref()?;
        let document: serde_json::Value = serde_json::from_slice(body).ok()?;
        match document.pointer(pointer)? {
            serde_json::Value::String(id) if !id.is_empty() => Some(id.clone()),
            serde_json::Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }
}

impl AnswerRules for HttpAnswers {
    fn classify(&self, answer: &Answer<'_>) -> CallResult {
        let status = answer.status;
        if (200..300).contains(&status) {
            return CallResult::Accepted { message_id: self.message_id(answer.body) };
        }
        let message =
            || match for_people(&String::from_utf8_lossy(&answer.body[..answer.body.len().min(1_200)])) {
                text if text.trim().is_empty() => format!("the endpoint answered with status {status}"),
                text => format!("the endpoint answered with status {status}: {}", text.trim()),
            };
        // An endpoint may repeat the request in its answer: what a page waits for is shown without its text.
        let hold = || format!("the endpoint answered with status {status}");
        match status {
            401 | 403 => {
                CallResult::Refused { reason: HoldReason::Account(hold()), retry_after: retry_after(answer) }
            }
            429 => CallResult::Refused {
                reason: HoldReason::Throttled(hold()),
                retry_after: retry_after(answer),
            },
            _ => {
                let transient = matches!(status, 408 | 425 | 500..=599);
                CallResult::Failed(Failure {
                    transient,
                    attempts_max: 0,
                    opted_out: false,
                    holds_template: false,
                    slows_page: false,
                    code: format!("http_{status}"),
                    message: message(),
                    retry_after: if transient { retry_after(answer) } else { None },
                    growing_wait: None,
                })
            }
        }
    }
}
