//! One event about one message.

use std::sync::Arc;

use crate::channel::Channel;
use crate::faults::Faults;
use crate::log::{Kind, LogLine, Outcome};

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum EventKind {
    Sent,
    Delivered,
    Read,
    Failed,
    Reply,
}

impl EventKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Reply => "reply",
        }
    }
}

/// An event on its way to the receiver.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) channel: Channel,
    pub(crate) page: Arc<str>,
    pub(crate) to: Arc<str>,
    pub(crate) tag: Option<Arc<str>>,
    pub(crate) scope: Option<Arc<str>>,
    pub(crate) message_id: Arc<str>,
    pub(crate) kind: EventKind,
    /// When it happened, in microseconds since the Unix epoch.
    pub(crate) at_us: u64,
    /// Messenger deliveries: whether message ids are told.
    pub(crate) with_mids: bool,
    /// How often it was posted so far.
    pub(crate) tries: u32,
    pub(crate) faults: Arc<Faults>,
}

impl Event {
    /// The code of a `failed` event; 0 otherwise.
    pub(crate) fn code(&self) -> u32 {
        if self.kind == EventKind::Failed && self.channel == Channel::WhatsApp {
            self.faults.webhook_failed_code
        } else {
            0
        }
    }

    pub(crate) fn line(&self, t_us: u64, outcome: Outcome, status: u16) -> LogLine {
        LogLine {
            t_us,
            kind: Kind::Webhook,
            channel: self.channel,
            page: Arc::clone(&self.page),
            to: Arc::clone(&self.to),
            tag: self.tag.clone(),
            scope: self.scope.clone(),
            event: Some(Arc::from(self.kind.as_str())),
            outcome,
            status,
            code: self.code(),
            message_id: Some(Arc::clone(&self.message_id)),
        }
    }
}
