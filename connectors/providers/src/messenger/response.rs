//! What the Send API's answer means; Instagram answers the same.

use super::errors::TABLE;
use crate::graph::{Accepted, classify, used_percent};
use serde::Deserialize;
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult};
use std::borrow::Cow;

/// The rules of Messenger.
#[derive(Debug, Clone, Copy, Default)]
pub struct MessengerAnswers;

impl AnswerRules for MessengerAnswers {
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
    message_id: Cow<'a, str>,
}

pub(crate) fn accepted(body: &[u8]) -> Accepted {
    match serde_json::from_slice::<Success<'_>>(body) {
        Ok(success) => Accepted::Yes(Some(success.message_id.into_owned())),
        Err(_) => Accepted::Unreadable,
    }
}
