//! What the control API asks of the service behind it.

use crate::ApiError;
use async_trait::async_trait;
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

/// The campaigns of the service. Answers are JSON documents as the API shows them.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Validates a LAUNCH.json and creates its campaign; the same launch again is fine.
    async fn launch(&self, launch_json: &[u8]) -> Result<Value, ApiError>;
    /// All campaigns, oldest first.
    async fn list(&self) -> Result<Value, ApiError>;
    /// One campaign; 404 when there is none of that name.
    async fn get(&self, tenant: &str, name: &str) -> Result<Value, ApiError>;
    /// What one campaign waits for, until when, and everything that it could wait for; 404 like `get`.
    async fn explain(&self, tenant: &str, name: &str) -> Result<Value, ApiError>;
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
