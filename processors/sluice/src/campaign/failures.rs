//! Failed recipients, those whose outcome nobody knows and skipped rows by reason (A6, D4), a part at a time: memory is bounded by the reasons that are kept
//! apart.

use super::people::details_of;
use super::place::Place;
use super::recipients::PART_TIME_MAX;
use super::rejected::detail_of;
use crate::error::Outcome;
use serde::{Deserialize, Serialize};
use sluice_core::facts::Status;
use sluice_core::{CampaignId, ChunkRow, IndexSet};
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
    /// They were called, and nobody knows whether they were reached.
    #[serde(default)]
    pub unknown: bool,
    /// Nobody was called for these rows of the audience.
    #[serde(default)]
    pub skipped: bool,
    /// How many recipients.
    pub recipients: u64,
    /// The first of them, each as its [`Place`].
    pub sample: Vec<String>,
    /// Where these stand in the audience: see [`Person::line`](super::people::Person::line).
    #[serde(default)]
    pub lines: Vec<u64>,
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
    counts: BTreeMap<(Group, String), FailureCount>,
    samples: usize,
}

/// What is told apart, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Failed,
    Unknown,
    Skipped,
}

impl Group {
    /// Whose reasons are told; `None`: there is none.
    fn of(status: Status) -> Option<Self> {
        match status {
            Status::Failed | Status::OptedOut => Some(Self::Failed),
            Status::Unknown => Some(Self::Unknown),
            Status::Skipped => Some(Self::Skipped),
            _ => None,
        }
    }
}

impl FailureCount {
    fn group(&self) -> Group {
        match (self.skipped, self.unknown) {
            (true, _) => Group::Skipped,
            (false, true) => Group::Unknown,
            (false, false) => Group::Failed,
        }
    }
}

impl Failures {
    /// None yet; `samples` of each reason will be named.
    pub fn new(samples: usize) -> Self {
        Self { samples, counts: BTreeMap::new() }
    }

    /// Adds recipients that failed for one reason.
    pub fn add(&mut self, more: FailureCount) {
        let (group, unknown, skipped) = (more.group(), more.unknown, more.skipped);
        let key = (group, more.reason);
        let key = match self.counts.len() < REASONS_MAX || self.counts.contains_key(&key) {
            true => key,
            false => (group, OTHER.to_owned()),
        };
        let reason = key.1.clone();
        let count = self.counts.entry(key).or_insert_with(|| FailureCount {
            reason,
            unknown,
            skipped,
            ..FailureCount::default()
        });
        count.recipients += more.recipients;
        count.message = count.message.take().or(more.message);
        let room = self.samples - count.sample.len();
        count.sample.extend(more.sample.into_iter().take(room));
        count.lines.extend(more.lines.into_iter().take(room));
    }

    /// Failed recipients, then unknown ones, then skipped rows; of each the most frequent reason first.
    pub fn by_frequency(self) -> Vec<FailureCount> {
        let mut list: Vec<FailureCount> = self.counts.into_values().collect();
        list.sort_by_key(|count| (count.group(), std::cmp::Reverse(count.recipients)));
        list
    }

    async fn add_chunk(&mut self, store: &dyn Store, chunk: &ChunkRow, of: &[Group]) -> Outcome<()> {
        let Some((_, state)) = store.load_chunk(chunk.id).await? else { return Ok(()) };
        let counted = state.select(chunk.size, |recipient| {
            Group::of(recipient.status()).is_some_and(|group| of.contains(&group))
        });
        if counted.is_empty() {
            return Ok(());
        }
        let mut details = details_of(store, chunk, &counted).await?;
        let mut of_chunk = Failures::new(self.samples);
        for index in counted.iter() {
            let details = std::mem::take(&mut details[usize::from(index)]);
            let status = state.recipient(index).status();
            let (unknown, skipped) = (status == Status::Unknown, status == Status::Skipped);
            let reason = details.reason.unwrap_or_else(|| "no_reason".to_owned());
            let own = || skipped.then(|| detail_of(&reason).to_owned());
            of_chunk.add(FailureCount {
                message: details.message.or_else(own),
                reason,
                unknown,
                skipped,
                recipients: 1,
                sample: vec![Place { chunk: chunk.id.number(), index }.to_string()],
                lines: vec![u64::from(index)],
            });
        }
        // Only of those who are named: a chunk may have thousands.
        let named = of_chunk.counts.values().flat_map(|count| &count.lines).map(|index| *index as u16);
        let rows = store.recipients(chunk.id, &named.collect::<IndexSet>()).await?;
        let lines: BTreeMap<u64, u64> = rows.iter().map(|row| (row.index.into(), row.line)).collect();
        for mut count in of_chunk.counts.into_values() {
            let line = |index: &u64| lines.get(index).copied().unwrap_or_default();
            count.lines = count.lines.iter().map(line).collect();
            self.add(count);
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
        failures.add_chunk(store, &chunk, &[Group::Failed]).await?;
    }
    Ok(failures.by_frequency())
}

/// The same, with those whose outcome nobody knows and the rows that were skipped, of the chunks after `after`, as many as are answered soon. `chunks`: the
/// campaign's, by number.
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
        failures.add_chunk(store, chunk, &[Group::Failed, Group::Unknown, Group::Skipped]).await?;
        reached = Some(Place::last_of(chunk).to_string());
    }
    Ok(Part { errors: failures.by_frequency(), next: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: &str, recipients: u64, sample: &[&str]) -> FailureCount {
        let lines = (1..=sample.len() as u64).collect();
        let sample = sample.iter().map(|id| (*id).to_owned()).collect();
        let (reason, message) = (reason.to_owned(), Some(reason.to_uppercase()));
        FailureCount { reason, message, unknown: false, skipped: false, recipients, sample, lines }
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
        let b = FailureCount { lines: vec![1, 1], ..failed("b", 5, &["0.1", "1.0"]) };
        assert_eq!(whole, [b, failed("a", 3, &["0.2", "0.3"])]);
    }

    #[test]
    fn a6_d4_g2_skipped_rows_and_unknown_ones_are_told_apart_from_failures_of_the_same_reason_and_after_them()
    {
        let mut failures = Failures::new(2);
        let skipped = FailureCount { skipped: true, ..failed("a", 9, &["0.1"]) };
        let unknown = FailureCount { unknown: true, ..failed("a", 5, &["0.3"]) };
        failures.add(skipped.clone());
        failures.add(unknown.clone());
        failures.add(failed("a", 1, &["0.2"]));
        assert_eq!(failures.by_frequency(), [failed("a", 1, &["0.2"]), unknown, skipped]);
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
