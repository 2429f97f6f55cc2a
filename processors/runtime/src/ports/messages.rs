//! Messages: from a campaign's launch and a send to the request that a provider takes.
//!
//! Guarantee every implementation gives: rendering is a pure function of launch, page and send.

use super::caller::CallRequest;
use sluice_core::PageId;
use sluice_core::ids::EchoTag;
use sluice_core::rate::{PerDay, Rate};
use sluice_schemas::{CampaignLaunch, Channel, SendRequest};
use std::sync::Arc;

/// Why a campaign can't be sent from a page at all: configuration, for example a missing token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanProblem {
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it, for people.
    pub actionable: String,
}

/// Why one recipient can't be sent to: a recorded failure, never a call (B7, A8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RenderProblem {
    /// A word: `missing_variable`, `invalid_address`, `too_long`, …
    pub code: String,
    /// For people; names the variable, not the person.
    pub message: String,
}

/// How later facts about a page's messages find back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    /// Whether a webhook can still settle a call whose answer was lost.
    pub settles_by_webhook: bool,
    /// Whether facts name a person and a time instead of a message.
    pub by_person: bool,
}

/// The compiled message of one campaign on one page.
pub trait MessagePlan: Send + Sync + 'static {
    /// The request for one recipient. The address is checked again here.
    fn render(&self, send: &SendRequest, tag: EchoTag) -> Result<CallRequest, RenderProblem>;
    /// How later facts find back.
    fn correlation(&self) -> Correlation;
    /// A call's deadline, in ms: how long a former owner's call may still be under way.
    fn timeout_ms(&self) -> u64;
    /// What the provider pauses and disables as one, where its messages are made of such: a template's name and
    /// language. The campaigns of one template on a page wait together.
    fn template(&self) -> Option<&str> {
        None
    }
}

/// Compiles messages and knows the pages.
pub trait Messages: Send + Sync + 'static {
    /// Compiles the message of a campaign for a page.
    fn plan(&self, launch: &CampaignLaunch, page: &PageId) -> Result<Arc<dyn MessagePlan>, PlanProblem>;
    /// The page's own limit, whatever its campaigns ask for.
    fn page_rate(&self, channel: Channel, page: &PageId) -> Option<Rate>;
    /// Calls of the page in any 24 hours, whatever its campaigns ask for.
    fn page_daily(&self, channel: Channel, page: &PageId) -> Option<PerDay>;
}
