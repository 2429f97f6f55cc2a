//! Failed recipients by reason (D4), a part at a time: memory is bounded by the reasons that are kept apart.

use super::people::details_of;
use super::place::Place;
use super::recipients::PART_TIME_MAX;
use crate::error::Outcome;
use serde::{Deserialize, Serialize};
use sluice_core::facts::Status;
use sluice_core::{CampaignId, ChunkRow};
use sluice_runtime::ports::store::Store;
use std::collections::BTreeMap;
use tokio::time::Instant;

/// Different reasons that are kept apart; providers have dozens.
const REASONS_MAX: usize = 1_000;

/// What is counted under no reason of its own.
const OTHER: &str = "other";

/// Chunks that are looked at for a part at most: an answer comes soon.
const CHUNKS_MAX: usize = 16;

/// One reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// Code in the provider's or the system's words.
    pub reason: String,
    /// For people; of one of them.
    pub message: Option<String>,
    /// How many recipients.
    pub recipients: u64,
    /// The first of them, each as its [`Place`].
    pub sample: Vec<String>,
}

/// The failures of some chunks of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// By reason.
    pub errors: Vec<FailureCount>,
    /// After this the next part begins; `None`: this was the last one.
    pub next: Option<String>,
}

/// Failures by reason, added up.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    counts: BTreeMap<String, FailureCount>,
    samples: usize,
}

impl Failures {
    /// None yet; `samples` of each reason will be named.
    pub fn new(samples: usize) -> Self {
        Self { samples, counts: BTreeMap::new() }
    }

    /// Adds recipients that failed for one reason.
    pub fn add(&mut self, more: FailureCount) {
        let reason = match self.counts.len() < REASONS_MAX || self.counts.contains_key(&more.reason) {
            true => more.reason,
            false => OTHER.to_owned(),
        };
        let count = self
            .counts
            .entry(reason.clone())
            .or_insert_with(|| FailureCount { reason, ..FailureCount::default() });
        count.recipients += more.recipients;
        count.message = count.message.take().or(more.message);
        let room = self.samples - count.sample.len();
        count.sample.extend(more.sample.into_iter().take(room));
    }

    /// The most frequent first.
    pub fn by_frequency(self) -> Vec<FailureCount> {
        let mut list: Vec<FailureCount> = self.counts.into_values().collect();
        list.sort_by_key(|count| std::cmp::Reverse(count.recipients));
        list
    }

    async fn add_chunk(&mut self, store: &dyn Store, chunk: &ChunkRow) -> Outcome<()> {
        let Some((_, state)) = store.load_chunk(chunk.id).await? else { return Ok(()) };
        let failed = state
            .select(chunk.size, |recipient| matches!(recipient.status(), Status::Failed | Status::OptedOut));
        if failed.is_empty() {
            return Ok(());
        }
        let mut details = details_of(store, chunk, &failed).await?;
        for index in failed.iter() {
            let details = std::mem::take(&mut details[usize::from(index)]);
            self.add(FailureCount {
                reason: details.reason.unwrap_or_else(|| "no_reason".to_owned()),
                message: details.message,
                recipients: 1,
                sample: vec![Place { chunk: chunk.id.number(), index }.to_string()],
            });
        }
        Ok(())
    }
}

/// Failed and opted-out recipients by reason, the most frequent first; `samples` of each are named.
pub async fn by_reason(
    store: &dyn Store,
    campaign: CampaignId,
    samples: usize,
) -> Outcome<Vec<FailureCount>> {
    let mut failures = Failures::new(samples);
    for chunk in store.chunks(campaign).await? {
        failures.add_chunk(store, &chunk).await?;
    }
    Ok(failures.by_frequency())
}

/// The same of the chunks after `after`, as many as are answered soon. `chunks`: the campaign's, by number.
pub async fn part(
    store: &dyn Store,
    chunks: &[ChunkRow],
    samples: usize,
    after: Option<Place>,
) -> Outcome<Part> {
    let (mut failures, mut reached) = (Failures::new(samples), None);
    let left = chunks.iter().filter(|chunk| after.is_none_or(|after| Place::last_of(chunk) > after));
    let began = Instant::now();
    for (looked_at, chunk) in left.enumerate() {
        if looked_at == CHUNKS_MAX || (looked_at > 0 && began.elapsed() >= PART_TIME_MAX) {
            return Ok(Part { errors: failures.by_frequency(), next: reached });
        }
        failures.add_chunk(store, chunk).await?;
        reached = Some(Place::last_of(chunk).to_string());
    }
    Ok(Part { errors: failures.by_frequency(), next: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: &str, recipients: u64, sample: &[&str]) -> FailureCount {
        let sample = sample.iter().map(|id| (*id).to_owned()).collect();
        FailureCount { reason: reason.to_owned(), message: Some(reason.to_uppercase()), recipients, sample }
    }

    #[test]
    fn d4_parts_add_up_to_the_whole_and_name_the_first_of_each_reason() {
        let mut failures = Failures::new(2);
        for part in
            [failed("b", 1, &["0.1"]), failed("a", 3, &["0.2", "0.3"]), failed("b", 4, &["1.0", "1.1"])]
        {
            failures.add(part);
        }
        let whole = failures.by_frequency();
        assert_eq!(whole, [failed("b", 5, &["0.1", "1.0"]), failed("a", 3, &["0.2", "0.3"])]);
    }

    #[test]
    fn g9_reasons_beyond_the_limit_are_counted_together() {
        let mut failures = Failures::new(0);
        (0..REASONS_MAX + 7).for_each(|reason| failures.add(failed(&format!("r{reason}"), 1, &["0.0"])));
        let whole = failures.by_frequency();
        assert_eq!((whole.len(), whole[0].reason.as_str(), whole[0].recipients), (REASONS_MAX + 1, OTHER, 7));
        assert!(whole.iter().all(|count| count.sample.is_empty()));
    }
}
