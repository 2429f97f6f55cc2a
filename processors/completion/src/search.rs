//! A search for records of `chunks` that ask for what a campaign waits for, a part at a time: a backlog of any length
//! is gone through, and no look takes long.
//!
//! Memory: the chunks that are looked for, at most a given number, and for each of them one set of indexes an attempt.

use crate::descriptors::{Asked, Walk};
use sluice_core::{CampaignId, ChunkId, ChunkRow};
use sluice_runtime::ports::log::{Log, LogError, Partition};
use std::collections::BTreeMap;
use std::time::Duration;

/// What one campaign looks for, and how far that is.
#[derive(Debug)]
pub(crate) struct Search {
    campaign: CampaignId,
    chunks: Vec<ChunkRow>,
    /// By shard.
    walks: BTreeMap<u32, Walk>,
    asked: BTreeMap<ChunkId, Vec<Asked>>,
    /// When it went on last, on the monotonic clock.
    went_on: Duration,
}

impl Search {
    /// For these chunks of a campaign; nothing is read yet.
    pub(crate) fn new(campaign: CampaignId, chunks: Vec<ChunkRow>, now: Duration) -> Self {
        let asked = chunks.iter().map(|chunk| (chunk.id, Vec::new())).collect();
        Self { campaign, chunks, walks: BTreeMap::new(), asked, went_on: now }
    }

    /// Whose it is.
    pub(crate) fn campaign(&self) -> CampaignId {
        self.campaign
    }

    /// When it went on last.
    pub(crate) fn went_on(&self) -> Duration {
        self.went_on
    }

    /// The chunks that are looked for.
    pub(crate) fn chunks(&self) -> &[ChunkRow] {
        &self.chunks
    }

    /// What asks for a chunk, as far as it was found.
    pub(crate) fn asked(&self, chunk: ChunkId) -> &[Asked] {
        self.asked.get(&chunk).map_or(&[], Vec::as_slice)
    }

    /// Reads `records_max` more records at most. Whether everything is read, of every shard up to where its end is now:
    /// so that what was asked for while the backlog was gone through is found as well.
    pub(crate) async fn go_on(
        &mut self,
        log: &dyn Log,
        records_max: usize,
        now: Duration,
    ) -> Result<bool, LogError> {
        self.went_on = now;
        let (mut left, mut whole) = (records_max, true);
        for shard in self.chunks.iter().map(|chunk| chunk.shard) {
            if let std::collections::btree_map::Entry::Vacant(entry) = self.walks.entry(shard) {
                entry.insert(Walk::begin(log, Partition(shard)).await?);
            }
        }
        for walk in self.walks.values_mut() {
            let asked = &mut self.asked;
            let take = |chunk, what| {
                if let Some(known) = asked.get_mut(&chunk) {
                    add(known, what);
                }
            };
            whole &= walk.go_on(log, &mut left, take).await?;
        }
        Ok(whole)
    }
}

/// One attempt is kept once, however often it is asked for: who by any record, and from the earliest time on.
fn add(known: &mut Vec<Asked>, what: Asked) {
    let Asked::Retry { attempt, not_before_ms, indexes } = &what else {
        if !known.contains(&Asked::First) {
            known.push(Asked::First);
        }
        return;
    };
    let same = known.iter_mut().find_map(|known| match known {
        Asked::Retry { attempt: of, not_before_ms, indexes } if of == attempt => {
            Some((not_before_ms, indexes))
        }
        _ => None,
    });
    match same {
        Some((before_ms, all)) => {
            *before_ms = *not_before_ms.min(before_ms);
            all.union_with(indexes);
        }
        None => known.push(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g9_an_attempt_that_is_asked_for_often_is_kept_once() {
        let retry = |attempt, not_before_ms, indexes: std::ops::Range<u16>| Asked::Retry {
            attempt,
            not_before_ms,
            indexes: indexes.collect(),
        };
        let mut known = Vec::new();
        for what in [retry(2, 50, 0..3), Asked::First, retry(3, 9, 0..1), retry(2, 20, 5..7), Asked::First] {
            add(&mut known, what);
        }
        let Asked::Retry { not_before_ms, indexes, .. } = &known[0] else { panic!("{known:?}") };
        assert_eq!((known.len(), *not_before_ms), (3, 20));
        assert_eq!(indexes.ranges(), [(0, 2), (5, 6)]);
    }
}
