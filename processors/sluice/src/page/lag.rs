//! How far the readers of each topic are behind.

use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde::{Deserialize, Serialize};
use sluice_runtime::metrics::labels::GROUPS;
use sluice_runtime::ports::log::{Log, Partition};

/// How far the readers of one topic are behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Its name without the configurable prefix.
    pub topic: String,
    /// Who reads it.
    pub group: String,
    /// From what they have committed to the end, over all partitions. Of `chunks` the first of these is a chunk or retry
    /// whose recipients are not all settled; later ones count also when they are, so this is at least as many as are open.
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sluice_engine::{Engine, EngineOptions};
    use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
    use sluice_runtime::ports::log::{NewRecord, Position, Topic};
    use std::sync::Arc;

    #[tokio::test]
    async fn f7_the_lag_counts_from_the_first_open_record_to_the_end() {
        let place = tempfile::tempdir().unwrap();
        let engine = Arc::new(Engine::open(place.path(), EngineOptions::default()).unwrap());
        let log = EmbeddedLog::open(engine, EmbeddedLogOptions::default()).unwrap();
        let record = NewRecord { key: Bytes::new(), value: Bytes::from_static(b"chunk") };
        log.append(Topic::Chunks, Partition(0), vec![record; 5]).await.unwrap();
        let of_chunks = async || {
            let lags = lags(&log).await.unwrap();
            assert_eq!(lags.iter().filter(|lag| lag.records > 0).count(), 1, "{lags:?}");
            says(&lags)
        };
        assert_eq!(of_chunks().await, "chunks 5, receipts 0, webhooks.raw 0");
        // The second one is held; whether those above it are settled is not to be seen in the log.
        let member = log.join("sender", Topic::Chunks).await.unwrap();
        member.committer.commit(Partition(0), Position(1)).await.unwrap();
        assert_eq!(of_chunks().await, "chunks 4, receipts 0, webhooks.raw 0");
    }
}
