//! The body of a text message: Messenger's, with Instagram's limit.

use super::response::InstagramAnswers;
use crate::config::PageConfig;
use crate::messenger::request::{Compiled, Limit, compile_with};
use crate::plan::PlanError;
use sluice_core::PageId;
use sluice_schemas::TextMessage;
use std::sync::Arc;

/// Bytes of a text at most.
const TEXT_BYTES_MAX: usize = 1_000;

pub(crate) fn compile(
    message: &TextMessage,
    page: &PageId,
    config: &PageConfig,
) -> Result<Compiled, PlanError> {
    compile_with(message, page, config, Limit::Bytes(TEXT_BYTES_MAX), Arc::new(InstagramAnswers))
}
