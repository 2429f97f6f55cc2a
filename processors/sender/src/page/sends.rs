//! A send on its way through the page: it could be granted, its claim is durable, its call is under way.

use crate::quotas::CallTokens;
use sluice_core::ChunkId;
use sluice_core::pairs::Told;
use sluice_core::usage::Bucket;
use sluice_runtime::ports::caller::{Begun, CallRequest};
use sluice_schemas::GateClass;
use std::sync::Arc;
use std::time::Duration;

/// A send that could be granted now. Boxed: it passes five queues and maps on its way to its call, and moving its 200
/// bytes took more time than anything else that the page does.
pub(super) type Ready = Box<ReadySend>;

#[derive(Debug)]
pub(super) struct ReadySend {
    pub(super) chunk: ChunkId,
    pub(super) index: u16,
    pub(super) attempt: u8,
    /// Attempts of earlier runs: they do not count against `max_retries`.
    pub(super) attempts_before_run: u8,
    pub(super) request: CallRequest,
    /// Whom it is for.
    pub(super) to: String,
    /// Facts name a person instead of a message.
    pub(super) by_person: bool,
    /// When suppressions and the chunk's state were looked at.
    pub(super) looked_at: Duration,
    /// What its gate looks at.
    pub(super) class: Arc<GateClass>,
    /// Where the claim is booked as use of the day.
    pub(super) booked: Booked,
}

/// The quarters of an hour in which a claim counts, where there is a limit of the day.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Booked {
    pub(super) page: Option<Bucket>,
    pub(super) campaign: Option<Bucket>,
}

/// A send whose claim is durable.
#[derive(Debug)]
pub(super) struct GrantedSend {
    pub(super) ready: Ready,
    pub(super) not_after: Duration,
}

/// A call under way.
#[derive(Debug)]
pub(super) struct Calling {
    /// The slot that the limits gave it.
    pub(super) slot: Duration,
    /// It does not start at or after this.
    pub(super) start_by: Duration,
    /// By then it has said so if it has not started: the connection that it waited for may take that long.
    pub(super) not_after: Duration,
    pub(super) begun: Begun,
    pub(super) ready: Ready,
    /// What is remembered of it because a limit of pairs asks for it.
    pub(super) told: Option<Told>,
    /// What it uses of limits above the page.
    pub(super) tokens: CallTokens,
}
