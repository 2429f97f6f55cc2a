//! Every limit of the completion processor.

use serde::{Deserialize, Serialize};

/// Limits. Times in ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompletionOptions {
    /// How often every campaign that is not at its end is looked at, whatever was heard. Default 5,000: the bound on
    /// the time between a campaign's last receipt and its end when a message was lost.
    pub sweep_ms: u64,
    /// How often one campaign is looked at most. Default 50: chunks that end together cost one look.
    pub look_ms: u64,
    /// Chunks that are known to be done, over all campaigns. Default 200,000, about 10 MB; beyond it the campaigns
    /// are counted anew.
    pub chunks_max: usize,
    /// Pause before a look that failed is repeated. Default 500.
    pub again_ms: u64,
    /// How long a `cancelled` receipt may take to show in a chunk's state before it is written again. Default 60,000.
    pub settle_ms: u64,
    /// A running campaign whose counters have not moved for so long is asked for its reason. Default 120,000: longer than
    /// a rebalance, a hand-over and the waits of a page between two tries take together.
    pub stalled_after_ms: u64,
}

impl Default for CompletionOptions {
    fn default() -> Self {
        Self {
            sweep_ms: 5_000,
            look_ms: 50,
            chunks_max: 200_000,
            again_ms: 500,
            settle_ms: 60_000,
            stalled_after_ms: 120_000,
        }
    }
}

impl CompletionOptions {
    /// Names the first limit that can't work.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn validate(&self) -> Result<(), String> {
        let limits = [
            ("sweep_ms", self.sweep_ms),
            ("look_ms", self.look_ms),
            ("again_ms", self.again_ms),
            ("stalled_after_ms", self.stalled_after_ms),
        ];
        match limits.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("completion.{name} must be at least 1")),
            None => Ok(()),
        }
    }
}
