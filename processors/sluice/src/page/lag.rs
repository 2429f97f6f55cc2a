//! What waits in the log.

use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde::{Deserialize, Serialize};
use sluice_runtime::metrics::labels::GROUPS;
use sluice_runtime::ports::log::{Log, Partition};

/// Records of one topic that its readers have not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Its name without the configurable prefix.
    pub topic: String,
    /// Who reads it.
    pub group: String,
    /// Over all partitions. Of `chunks`: chunks and retries whose recipients are not all settled.
    pub records: u64,
}

/// The lag of every topic that Sluice reads.
pub async fn lags(log: &dyn Log) -> Outcome<Vec<Lag>> {
    let mut lags = Vec::with_capacity(GROUPS.len());
    for (group, topic) in GROUPS {
        let mut records = 0;
        for number in 0..log.partitions(*topic) {
            let partition = Partition(number);
            let committed = log.committed(group, *topic, partition).await?;
            let bounds = log.bounds(*topic, partition).await?;
            // What retention removed is waited for by nobody.
            records += bounds.end.0.saturating_sub(committed.unwrap_or_default().max(bounds.start).0);
        }
        lags.push(Lag { topic: topic.name().to_owned(), group: (*group).to_owned(), records });
    }
    Ok(lags)
}

/// `chunks 12, receipts 0, webhooks.raw 0`: the topics that a campaign waits for.
pub fn says(lags: &[Lag]) -> String {
    let told = lags.iter().filter(|lag| matches!(lag.group.as_str(), "sender" | "receipts" | "webhooks"));
    told.map(|lag| format!("{} {}", lag.topic, thousands(lag.records))).collect::<Vec<_>>().join(", ")
}
