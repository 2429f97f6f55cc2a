//! What the simulator counted, as `GET /_sim/stats` shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::channel::Channel;

/// Counts since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls that were read.
    pub calls: u64,
    /// Calls the provider accepted, answered or not.
    pub accepted: u64,
    /// Different recipients that were accepted (by channel, page, scope and address).
    pub distinct_accepted: u64,
    /// Recipients that were accepted more than once.
    pub accepted_twice: u64,
    /// The first 20 of them.
    pub accepted_twice_first: Vec<Double>,
    /// By `channel/page`.
    pub pages: BTreeMap<String, PageStats>,
    /// Webhook events.
    pub webhooks: WebhookStats,
    /// Lines handed to the log.
    pub log_lines: u64,
    /// Writes to the log that failed: not zero means that the log is not the truth.
    pub log_errors: u64,
}

/// One page's calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStats {
    /// Calls that were read.
    pub calls: u64,
    /// Accepted, answered or not.
    pub accepted: u64,
    /// Refused because of their content or recipient.
    pub rejected: u64,
    /// Refused because of their token.
    pub unauthorized: u64,
    /// Refused because of their rate.
    pub throttled: u64,
    /// Errors of the provider.
    pub failed: u64,
    /// Never answered, accepted or not.
    pub unanswered: u64,
    /// The most calls that arrived in any moving second.
    pub busiest_second: u64,
}

/// What became of webhook events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookStats {
    /// Answered with 200; an event sent twice counts twice.
    pub posted: u64,
    /// Not answered with 200, to be tried again or given up.
    pub refused: u64,
    /// Given up after the last try.
    pub lost: u64,
    /// Left out on purpose.
    pub withheld: u64,
    /// Still to be sent.
    pub waiting: u64,
}

/// Somebody who was accepted more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Double {
    /// The provider.
    pub channel: Channel,
    /// The sending page.
    pub page: Arc<str>,
    /// The scope, if one is configured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<Arc<str>>,
    /// The recipient.
    pub to: Arc<str>,
    /// How often.
    pub times: u32,
}

impl Double {
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            channel: call.channel,
            page: Arc::clone(&call.page),
            scope: call.scope.clone(),
            to: Arc::clone(&call.to),
            times: 2,
        }
    }
}
