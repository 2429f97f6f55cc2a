//! Failed recipients by reason (D4).

use super::people::details_of;
use crate::error::Outcome;
use serde::Serialize;
use sluice_core::CampaignId;
use sluice_core::facts::Status;
use sluice_runtime::ports::store::Store;
use std::collections::BTreeMap;

/// Different reasons that are kept apart; providers have dozens.
const REASONS_MAX: usize = 1_000;

/// One reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FailureCount {
    /// Code in the provider's or the system's words.
    pub reason: String,
    /// For people; of one of them.
    pub message: Option<String>,
    /// How many recipients.
    pub recipients: u64,
    /// The first of them, as `<chunk number>.<index>`.
    pub sample: Vec<String>,
}

/// Failed and opted-out recipients by reason, the most frequent first; `samples` of each are named.
pub async fn by_reason(
    store: &dyn Store,
    campaign: CampaignId,
    samples: usize,
) -> Outcome<Vec<FailureCount>> {
    let mut counts: BTreeMap<String, FailureCount> = BTreeMap::new();
    for chunk in store.chunks(campaign).await? {
        let Some((_, state)) = store.load_chunk(chunk.id).await? else { continue };
        let failed = state
            .select(chunk.size, |recipient| matches!(recipient.status(), Status::Failed | Status::OptedOut));
        if failed.is_empty() {
            continue;
        }
        let details = details_of(store, &chunk, &failed).await?;
        for index in failed.iter() {
            let details = &details[usize::from(index)];
            let reason = details.reason.clone().unwrap_or_else(|| "no_reason".to_owned());
            let reason = if counts.len() < REASONS_MAX || counts.contains_key(&reason) {
                reason
            } else {
                "other".to_owned()
            };
            let count = counts
                .entry(reason.clone())
                .or_insert_with(|| FailureCount { reason, ..FailureCount::default() });
            count.recipients += 1;
            count.message = count.message.take().or_else(|| details.message.clone());
            if count.sample.len() < samples {
                count.sample.push(format!("{}.{index}", chunk.id.number()));
            }
        }
    }
    let mut list: Vec<FailureCount> = counts.into_values().collect();
    list.sort_by_key(|count| std::cmp::Reverse(count.recipients));
    Ok(list)
}
