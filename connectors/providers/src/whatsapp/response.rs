//! What the Cloud API's answer to a template message means.

use super::errors::TABLE;
use crate::graph::{Accepted, classify, used_percent};
use serde::Deserialize;
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult, Failure};
use std::borrow::Cow;

/// The rules of WhatsApp.
#[derive(Debug, Clone, Copy, Default)]
pub struct WhatsappAnswers;

impl AnswerRules for WhatsappAnswers {
    fn classify(&self, answer: &Answer<'_>) -> CallResult {
        classify(TABLE, answer, accepted)
    }

    fn used_percent(&self, answer: &Answer<'_>) -> Option<u32> {
        used_percent(answer)
    }
}

#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    messages: [Message<'a>; 1],
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    message_status: Option<Cow<'a, str>>,
}

fn accepted(body: &[u8]) -> Accepted {
    let Ok(Success { messages: [message] }) = serde_json::from_slice(body) else {
        return Accepted::Unreadable;
    };
    match message.message_status.as_deref() {
        Some("paused") => Accepted::No(CallResult::Failed(Failure {
            transient: false,
            attempts_max: 0,
            opted_out: false,
            holds_template: true,
            slows_page: false,
            code: "132015".to_owned(),
            message: "the template is paused for low quality".to_owned(),
            retry_after: None,
            growing_wait: None,
        })),
        // `held_for_quality_assessment` is taken as well: it is sent later, or a failed status follows.
        // Older answers have no status.
        _ => Accepted::Yes(Some(message.id.into_owned())),
    }
}
