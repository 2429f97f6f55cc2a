//! One line of the log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A sender called the provider.
    Call,
    /// The provider called the receiver of webhooks: one line an event and try.
    Webhook,
}

/// How a call or a webhook ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Call: accepted and answered with success.
    Accepted,
    /// Call: an error that lies in the request or its recipient.
    Rejected,
    /// Call: the token was missing or refused.
    Unauthorized,
    /// Call: too fast, or said to be so.
    Throttled,
    /// Call: an error of the provider (500, transient).
    Failed,
    /// Call: not accepted, never answered.
    Hang,
    /// Call: accepted, never answered.
    HangAccepted,
    /// Call: not accepted, connection closed without an answer.
    ClosedBefore,
    /// Call: accepted, connection closed without an answer.
    ClosedAfter,
    /// Webhook: answered with 200.
    Posted,
    /// Webhook: answered with something else.
    Refused,
    /// Webhook: not answered, or not even connected.
    Unreachable,
    /// Webhook: left out on purpose.
    Withheld,
}

impl Outcome {
    /// Whether the provider took the message, whatever the caller learned of it.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::HangAccepted | Self::ClosedAfter)
    }

    /// Whether the caller got an answer.
    #[must_use]
    pub fn is_answered(self) -> bool {
        !matches!(self, Self::Hang | Self::HangAccepted | Self::ClosedBefore | Self::ClosedAfter)
    }
}

/// One call, or one event in one webhook call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in microseconds since the Unix epoch; calls: when the request was read.
    pub t_us: u64,
    /// Call or webhook.
    pub kind: Kind,
    /// The provider.
    pub channel: Channel,
    /// The sending page.
    pub page: Arc<str>,
    /// The recipient; WhatsApp: digits only. Empty if the body did not tell.
    pub to: Arc<str>,
    /// `biz_opaque_callback_data`, or the header `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tag: Option<Arc<str>>,
    /// What separates campaigns, see [`crate::ScopeBy`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<Arc<str>>,
    /// Webhooks: `sent`, `delivered`, `read`, `failed` or `reply`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<Arc<str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// HTTP status that was answered; 0: none.
    pub status: u16,
    /// The provider's error code; 0: none.
    pub code: u32,
    /// The message, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message_id: Option<Arc<str>>,
}
