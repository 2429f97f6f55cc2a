//! What the control API asks of the service behind it.

use crate::ApiError;
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

/// What a person does to a campaign: `POST /v1/campaigns/{name}/{action}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send nothing more for now.
    Pause,
    /// Go on.
    Resume,
    /// End it; who was not called is counted as cancelled.
    Cancel,
    /// Another run for those who failed.
    RetryFailed,
    /// Other limits, another priority.
    Limits,
    /// Other hours, another start or end.
    Reschedule,
    /// End it, but only if it has not started.
    Unschedule,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 7] = [
        Action::Pause,
        Action::Resume,
        Action::Cancel,
        Action::RetryFailed,
        Action::Limits,
        Action::Reschedule,
        Action::Unschedule,
    ];

    /// The word in the path.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Pause => "pause",
            Action::Resume => "resume",
            Action::Cancel => "cancel",
            Action::RetryFailed => "retry-failed",
            Action::Limits => "limits",
            Action::Reschedule => "reschedule",
            Action::Unschedule => "unschedule",
        }
    }

    /// The action of that word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// Which campaigns.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CampaignsQuery {
    /// Only those that have not ended, which are few however many there have been.
    #[serde(default)]
    pub unfinished: bool,
}

/// Which recipients of a campaign: a part of them at a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RecipientsQuery {
    /// Only these.
    pub status: Option<String>,
    /// Only those after it: `next` of the part before.
    pub after: Option<String>,
    /// At most so many.
    #[serde(default = "some_recipients")]
    pub limit: usize,
}

fn some_recipients() -> usize {
    1_000
}

/// Which failures and skipped rows of a campaign: those of a part of its recipients at a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ErrorsQuery {
    /// Recipients and rows that are named for each reason.
    #[serde(default = "some_samples")]
    pub samples: usize,
    /// `next` of the part before.
    pub after: Option<String>,
}

fn some_samples() -> usize {
    3
}

/// Which events: a part of them at a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventsQuery {
    /// Only those of campaigns of this name.
    pub campaign: Option<String>,
    /// `next` of the part before; without it from the first one that is kept.
    pub after: Option<String>,
}

/// Which dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LettersQuery {
    /// Only those that came from this topic.
    pub topic: Option<String>,
    /// At most so many, the newest.
    #[serde(default = "some_letters")]
    pub limit: usize,
}

fn some_letters() -> usize {
    50
}

/// The campaigns of the service. Answers are JSON documents as the API shows them.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Validates a LAUNCH.json and creates its campaign; the same launch again is fine.
    async fn launch(&self, launch_json: &[u8]) -> Result<Value, ApiError>;
    /// When a launch would start and end beside what its pages send; nothing is created. `asked_json`: the launch, and
    /// who would be called, counted.
    async fn preview(&self, asked_json: &[u8]) -> Result<Value, ApiError>;
    /// Campaigns, oldest first.
    async fn list(&self, query: &CampaignsQuery) -> Result<Value, ApiError>;
    /// One campaign; 404 when there is none of that name.
    async fn get(&self, tenant: &str, name: &str) -> Result<Value, ApiError>;
    /// What one campaign waits for, until when, and everything that it could wait for; 404 like `get`.
    async fn explain(&self, tenant: &str, name: &str) -> Result<Value, ApiError>;
    /// Some recipients with states and times, and where the next part begins; 404 like `get`. Memory is bounded by the
    /// part, and it comes soon whoever is looked for.
    async fn recipients(&self, tenant: &str, name: &str, query: &RecipientsQuery) -> Result<Value, ApiError>;
    /// Failures of some recipients and rows that were skipped, by reason, and where the next part begins; 404 like `get`.
    async fn errors(&self, tenant: &str, name: &str, query: &ErrorsQuery) -> Result<Value, ApiError>;
    /// What downstream systems were told, and where the next part begins, now or later.
    async fn events(&self, query: &EventsQuery) -> Result<Value, ApiError>;
    /// The newest records that no step could use, with the reasons.
    async fn dead_letters(&self, query: &LettersQuery) -> Result<Value, ApiError>;
    /// One of them, `partition/offset`, with all that it holds; 404 when there is none.
    async fn dead_letter(&self, letter: &str) -> Result<Value, ApiError>;
    /// Puts some back where they came from: `{"letters": ["0/17"]}`. 422 where one can't be.
    async fn replay(&self, letters_json: &[u8]) -> Result<Value, ApiError>;
    /// Puts addresses on a tenant's list of those who want no messages:
    /// `{"channel": "whatsapp", "addresses": ["+5511987654321"], "tenant", "reason"}`.
    async fn suppress(&self, asked_json: &[u8]) -> Result<Value, ApiError>;
    /// Which of such addresses are on the list.
    async fn suppressed(&self, asked_json: &[u8]) -> Result<Value, ApiError>;
    /// Who has a page, what limits it, what waits on it; 404 when nothing was ever sent from it.
    async fn page(&self, page: &str) -> Result<Value, ApiError>;
    /// A person says that what a page waits for is over: one call finds out. 404 when nothing was ever sent from it.
    async fn lift(&self, page: &str) -> Result<Value, ApiError>;
    /// Every unfinished campaign with what it waits for, and what waits in the log.
    async fn queue(&self) -> Result<Value, ApiError>;
    /// Does something to a campaign; when it answers, it holds, and doing it again is fine. `details_json`: the
    /// body, empty where everything is left to the defaults. 404 when there is none of that name, 409 where it is
    /// not possible as the campaign stands.
    async fn act(
        &self,
        tenant: &str,
        name: &str,
        action: Action,
        details_json: &[u8],
    ) -> Result<Value, ApiError>;
}
