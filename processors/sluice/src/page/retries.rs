//! Attempts that are asked for and not made yet.

use crate::error::Outcome;
use crate::view::moment::at;
use crate::view::numbers::thousands;
use serde::{Deserialize, Serialize};
use sluice_completion::descriptors::{Asked, Unfinished, unfinished};
use sluice_core::{CampaignId, ChunkId, ChunkState};
use sluice_runtime::ports::log::{Log, Partition};
use sluice_runtime::ports::store::Store;
use std::collections::{BTreeMap, BTreeSet};

/// Records of one shard that are looked at.
const RECORDS_MAX: usize = 20_000;

/// Chunks whose states are looked at.
const CHUNKS_MAX: usize = 256;

/// The retries of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Recipients whose next attempt may be made.
    pub due: u64,
    /// Recipients whose next attempt comes later.
    pub later: u64,
    /// When the next of those becomes due, in ms since 1970.
    pub next_at_ms: Option<i64>,
    /// Whether all were counted; otherwise there may be more.
    pub whole: bool,
}

impl Retries {
    /// `4 due, 12 later, next at 2026-11-21 14:31 UTC`; `None` without any.
    pub fn says(&self, zone: Option<&str>) -> Option<String> {
        if self.due + self.later == 0 {
            return None;
        }
        let next = self.next_at_ms.map_or_else(String::new, |at_ms| format!(", next at {}", at(at_ms, zone)));
        let more = if self.whole { "" } else { ", perhaps more" };
        Some(format!("{} due, {} later{next}{more}", thousands(self.due), thousands(self.later)))
    }

    fn add(&mut self, asked: &[Asked], state: &ChunkState, now_ms: i64) {
        for asked in asked {
            let Asked::Retry { attempt, not_before_ms, indexes } = asked else { continue };
            let open = indexes.iter().filter(|index| state.recipient(*index).may_attempt(*attempt)).count();
            match (open as u64, *not_before_ms <= now_ms) {
                (0, _) => {}
                (open, true) => self.due += open,
                (open, false) => {
                    self.later += open;
                    self.next_at_ms = self.next_at_ms.into_iter().chain([*not_before_ms]).min();
                }
            }
        }
    }
}

/// The retries of `campaign` in these shards.
pub async fn retries(
    store: &dyn Store,
    log: &dyn Log,
    campaign: CampaignId,
    shards: BTreeSet<u32>,
    now_ms: i64,
) -> Outcome<Retries> {
    let mut found = Retries { whole: true, ..Retries::default() };
    let mut chunks: BTreeMap<ChunkId, Vec<Asked>> = BTreeMap::new();
    for shard in shards {
        let Unfinished { asked, whole } = unfinished(log, Partition(shard), campaign, RECORDS_MAX).await?;
        found.whole &= whole;
        chunks.extend(asked);
    }
    chunks.retain(|_, asked| asked.iter().any(|asked| matches!(asked, Asked::Retry { .. })));
    found.whole &= chunks.len() <= CHUNKS_MAX;
    for (chunk, asked) in chunks.iter().take(CHUNKS_MAX) {
        let state = store.load_chunk(*chunk).await?.map(|(_, state)| state).unwrap_or_default();
        found.add(asked, &state, now_ms);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::chunk_state::entry;
    use sluice_schemas::Fact;

    #[test]
    fn c3_g3_retries_are_counted_by_who_may_still_be_tried() {
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Failed, 0, 9, 1, 0));
        state.merge(&entry(Fact::Accepted, 9, 9, 2, 0));
        let retry = |not_before_ms, indexes: std::ops::Range<u16>| Asked::Retry {
            attempt: 2,
            not_before_ms,
            indexes: indexes.collect(),
        };
        let mut found = Retries { whole: true, ..Retries::default() };
        found.add(&[retry(5, 0..4), retry(90_000, 4..10), Asked::First], &state, 10);
        assert_eq!((found.due, found.later, found.next_at_ms), (4, 5, Some(90_000)));
        assert_eq!(found.says(None).unwrap(), "4 due, 5 later, next at 1970-01-01 00:01 UTC");
        assert_eq!(Retries::default().says(None), None);
    }
}
