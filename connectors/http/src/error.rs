//! Errors as the API answers them.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;

/// One error: `{code, message, details, actionable}`, and its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// A word for machines.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// More, one thing a line.
    pub details: Vec<String>,
    /// What to do about it, for people.
    pub actionable: Option<String>,
    /// Sent as `Retry-After`, rounded up to seconds.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// An error without details.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            details: Vec::new(),
            actionable: None,
            retry_after: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn actionable(mut self, text: impl Into<String>) -> Self {
        self.actionable = Some(text.into());
        self
    }

    /// With details.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// With a time to wait before the same request again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let wait = self.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        let mut response = (status, Json(self)).into_response();
        if let Some(seconds) = wait {
            response.headers_mut().insert(HeaderName::from_static("retry-after"), HeaderValue::from(seconds));
        }
        response
    }
}
