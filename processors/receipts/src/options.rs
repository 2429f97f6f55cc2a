//! Every limit of the two processors.

use serde::{Deserialize, Serialize};
use sluice_core::retry::Backoff;

/// Limits of the receipt processor. Times in ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiptOptions {
    /// Chunk states are stored at the latest so long after the first change. Default 250: a busy chunk is
    /// written four times a second, not once a receipt.
    pub flush_ms: u64,
    /// They are stored earlier when nothing has come for so long. Default 20: a small campaign, and the last
    /// receipts of a large one, are counted at once.
    pub quiet_ms: u64,
    /// Chunk states in memory, over all partitions. Default 256, at most 17 MB.
    pub chunks_max: usize,
    /// Facts merged and not yet stored, after which a flush comes early. Default 65,536.
    pub facts_max: usize,
    /// How old a campaign row may be when it decides a retry. Default 1,000.
    pub campaign_age_ms: u64,
    /// Campaign rows in memory. Default 1,024.
    pub campaigns_max: usize,
    /// Delays between attempts.
    pub backoff: Backoff,
    /// How long an attempt without an outcome may still be under way: with `on_unknown = "resend"` the next one
    /// does not start before. Default 63,000: a former owner's grants 2 s and a second, a call's deadline 30 s,
    /// what a network may hold 30 s (hazard 14).
    pub resend_wait_ms: u64,
    /// How much later than a watermark a send may seem and still be meant, as the provider's clock and ours
    /// differ. Default 2,000.
    pub watermark_skew_ms: i64,
    /// Look-ups of early facts under way at once. Default 64.
    pub lookups_max: usize,
    /// How long the last flush may take when the process stops. Default 10,000; what is not stored by then is
    /// merged again after the next start.
    pub stop_ms: u64,
}

impl Default for ReceiptOptions {
    fn default() -> Self {
        Self {
            flush_ms: 250,
            quiet_ms: 20,
            chunks_max: 256,
            facts_max: 65_536,
            campaign_age_ms: 1_000,
            campaigns_max: 1_024,
            backoff: Backoff::default(),
            resend_wait_ms: 63_000,
            watermark_skew_ms: 2_000,
            lookups_max: 64,
            stop_ms: 10_000,
        }
    }
}

/// Limits of the webhook processor. Times in ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookOptions {
    /// A fact that names a message nobody knows is given up after so long. Default 3,600,000 (1 h): providers'
    /// webhooks overtake the answer of a call by seconds, never by hours.
    pub unmatched_after_ms: u64,
    /// How often such facts are looked for. Default 30,000.
    pub expire_every_ms: u64,
    /// Facts given up in one operation of the store. Default 1,000.
    pub expire_max: usize,
    /// See [`ReceiptOptions::watermark_skew_ms`].
    pub watermark_skew_ms: i64,
    /// Look-ups of sends under way at once. Default 64.
    pub lookups_max: usize,
    /// Chunks that are known to exist, in memory. Default 4,096.
    pub chunks_max: usize,
    /// Batches whose records may wait for their acknowledgement. Default 8.
    pub unsettled_max: usize,
    /// Whose list a suppression without a campaign goes to. Default `default`.
    pub tenant: String,
    /// See [`ReceiptOptions::stop_ms`].
    pub stop_ms: u64,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            unmatched_after_ms: 3_600_000,
            expire_every_ms: 30_000,
            expire_max: 1_000,
            watermark_skew_ms: 2_000,
            lookups_max: 64,
            chunks_max: 4_096,
            unsettled_max: 8,
            tenant: "default".to_owned(),
            stop_ms: 10_000,
        }
    }
}

fn at_least_one(scope: &str, limits: &[(&str, u64)]) -> Result<(), String> {
    match limits.iter().find(|(_, value)| *value == 0) {
        Some((name, _)) => Err(format!("{scope}.{name} must be at least 1")),
        None => Ok(()),
    }
}

impl ReceiptOptions {
    /// Names the first limit that can't work.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn validate(&self) -> Result<(), String> {
        at_least_one(
            "receipts",
            &[
                ("flush_ms", self.flush_ms),
                ("quiet_ms", self.quiet_ms),
                ("chunks_max", self.chunks_max as u64),
                ("facts_max", self.facts_max as u64),
                ("campaigns_max", self.campaigns_max as u64),
                ("lookups_max", self.lookups_max as u64),
                ("stop_ms", self.stop_ms),
            ],
        )
    }
}

impl WebhookOptions {
    /// Names the first limit that can't work.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn validate(&self) -> Result<(), String> {
        at_least_one(
            "webhooks",
            &[
                ("unmatched_after_ms", self.unmatched_after_ms),
                ("expire_every_ms", self.expire_every_ms),
                ("expire_max", self.expire_max as u64),
                ("lookups_max", self.lookups_max as u64),
                ("chunks_max", self.chunks_max as u64),
                ("unsettled_max", self.unsettled_max as u64),
                ("stop_ms", self.stop_ms),
            ],
        )
    }
}
