//! What the answer to an Instagram message means: Messenger's shapes and its table.

use super::errors::TABLE;
use crate::graph::{classify, used_percent};
use crate::messenger::response::accepted;
use sluice_runtime::ports::caller::{Answer, AnswerRules, CallResult};

/// The rules of Instagram.
#[derive(Debug, Clone, Copy, Default)]
pub struct InstagramAnswers;

impl AnswerRules for InstagramAnswers {
    fn classify(&self, answer: &Answer<'_>) -> CallResult {
        classify(TABLE, answer, accepted)
    }

    fn used_percent(&self, answer: &Answer<'_>) -> Option<u32> {
        used_percent(answer)
    }
}
