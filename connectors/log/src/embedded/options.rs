//! How the embedded log is opened, and why it is not.

use sluice_engine::EngineError;
use sluice_runtime::ports::log::Topic;
use std::collections::BTreeMap;
use std::time::Duration;

/// How the log is laid out.
#[derive(Debug, Clone)]
pub struct EmbeddedLogOptions {
    /// Partitions of each topic; topics that are not named have one. They may grow at a later opening, so
    /// that old records stay where they are and new ones spread wider; they never shrink.
    pub partitions: BTreeMap<Topic, u32>,
    /// A member that holds partitions back longer than this at a rebalance loses them.
    pub rebalance_timeout: Duration,
}

impl Default for EmbeddedLogOptions {
    fn default() -> Self {
        use Topic::{Chunks, Receipts, Sends, WebhooksRaw};
        let partitions = Topic::ALL.map(|topic| match topic {
            Sends | Chunks | WebhooksRaw | Receipts => (topic, 4),
            _ => (topic, 1),
        });
        Self { partitions: partitions.into(), rebalance_timeout: Duration::from_secs(10) }
    }
}

/// Why the log can't be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Records lie in partitions that would be gone.
    #[error(
        "topic {topic} has {present} partitions and can't have {wanted}: records would be lost; set {present} or more"
    )]
    Shrunk {
        /// The topic.
        topic: Topic,
        /// What there is.
        present: u32,
        /// What was asked for.
        wanted: u32,
    },
    /// What is stored can't be read.
    #[error("damaged {what}: {reason}")]
    Damaged {
        /// Which row.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
