//! What the control API asks of the service behind it.

use crate::ApiError;
use async_trait::async_trait;
use serde_json::Value;

/// The campaigns of the service. Answers are JSON documents as the API shows them.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    /// Validates a LAUNCH.json and creates its campaign; the same launch again is fine.
    async fn launch(&self, launch_json: &[u8]) -> Result<Value, ApiError>;
    /// All campaigns, oldest first.
    async fn list(&self) -> Result<Value, ApiError>;
    /// One campaign; 404 when there is none of that name.
    async fn get(&self, tenant: &str, name: &str) -> Result<Value, ApiError>;
}
