//! The `reopened` receipts of a new run, which must all be merged before the run may end.
//!
//! Each chunk's receipt ends with a mark, an entry about no attempt that names the run. A chunk whose saved entries
//! show the mark has merged its `reopened` entries, as both are in one record. So whoever looks can tell whether the
//! run has really begun, and can finish what a crashed process began: the state is read before the mark is looked
//! for, so a missing mark means that the state's failures are still those of the run before (hazard 25).

use crate::error::CompletionError;
use crate::processor::CompletionPorts;
use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::chunk_state::entry;
use sluice_core::facts::Status;
use sluice_core::retry::RESEND;
use sluice_core::{ATTEMPTS_MAX, CampaignRow, ChunkRow, ChunkState, Counters, IndexSet};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Fact, Receipt, ReceiptEntry, encode};
use std::collections::BTreeMap;

fn mark_of(run: u32) -> String {
    format!("run {run}")
}

fn is_mark(entry: &ReceiptEntry, run: u32) -> bool {
    entry.fact == Fact::Reopened && entry.attempt == 0 && entry.reason.as_deref() == Some(&mark_of(run))
}

/// Whether a chunk with these counters may have recipients whom the present run opens.
pub(crate) fn is_reopened(row: &CampaignRow, counters: &Counters) -> bool {
    counters.failed > 0 || row.retries_unknown() && counters.unknown > 0
}

/// The entries that open a chunk's failed recipients, the mark last. With `unknown` also those of whom nobody knows
/// whether they got the message: their old call may still be under way, which the reason tells.
pub(crate) fn entries(
    state: &ChunkState,
    size: u32,
    run: u32,
    unknown: bool,
    at_ms: i64,
) -> Vec<ReceiptEntry> {
    let mut by_attempt: BTreeMap<(bool, u8), IndexSet> = BTreeMap::new();
    // A recipient without a slot for another attempt would stay open for ever.
    let can_be_tried = state.select(size, |recipient| {
        let opens = match recipient.status() {
            Status::Failed => true,
            Status::Unknown => unknown,
            _ => false,
        };
        opens && recipient.attempts() < ATTEMPTS_MAX
    });
    for index in can_be_tried.iter() {
        let recipient = state.recipient(index);
        let is_unknown = recipient.status() == Status::Unknown;
        by_attempt.entry((is_unknown, recipient.attempts())).or_default().insert(index);
    }
    let ranges = by_attempt.into_iter().flat_map(|((is_unknown, attempt), indexes)| {
        indexes.ranges().into_iter().map(move |(first, last)| ReceiptEntry {
            reason: is_unknown.then(|| RESEND.to_owned()),
            ..entry(Fact::Reopened, first, last, attempt, at_ms)
        })
    });
    let mark = ReceiptEntry { reason: Some(mark_of(run)), ..entry(Fact::Reopened, 0, 0, 0, at_ms) };
    ranges.chain([mark]).collect()
}

/// Appends the receipts of those of `chunks` that do not show the mark of the row's run. True when all show it.
pub(crate) async fn reopen(
    ports: &CompletionPorts,
    row: &CampaignRow,
    chunks: &[ChunkRow],
) -> Result<bool, CompletionError> {
    let mut batches: BTreeMap<Partition, Vec<NewRecord>> = BTreeMap::new();
    for chunk in chunks {
        let (_, state) = ports.store.load_chunk(chunk.id).await?.unwrap_or_default();
        let details = ports.store.details(chunk.id).await?;
        if details.iter().any(|entry| is_mark(entry, row.run)) {
            continue;
        }
        let entries = entries(&state, chunk.size, row.run, row.retries_unknown(), ports.clock.wall_ms());
        let receipt = Receipt { chunk: ByteArray::new(chunk.id.0), entries };
        batches.entry(Partition(u32::from(chunk.id.receipts_partition()))).or_default().push(NewRecord {
            key: Bytes::copy_from_slice(&chunk.id.0),
            value: Bytes::from(encode(&receipt)),
        });
    }
    let all_marked = batches.is_empty();
    let tickets: Vec<_> = batches
        .into_iter()
        .map(|(partition, records)| ports.log.append(Topic::Receipts, partition, records))
        .collect();
    for ticket in tickets {
        ticket.await?;
    }
    Ok(all_marked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazard_25_only_failed_recipients_are_opened_each_at_its_own_attempt() {
        let mut state = ChunkState::new();
        let facts = [
            (Fact::FailedForGood, 0, 1),
            (Fact::FailedForGood, 1, 2),
            (Fact::Unresolved, 2, 1),
            (Fact::Accepted, 3, 1),
            (Fact::FailedForGood, 4, ATTEMPTS_MAX),
            (Fact::FailedForGood, 5, 1),
            (Fact::OptedOut, 5, 0),
            (Fact::FailedForGood, 6, 1),
        ];
        for (fact, index, attempt) in facts {
            state.merge(&entry(fact, index, index, attempt, 0));
        }
        let opened = |unknown| -> Vec<(i32, i32, i32, Option<String>)> {
            let entries = entries(&state, 7, 2, unknown, 0).into_iter();
            entries.map(|entry| (entry.first, entry.last, entry.attempt, entry.reason)).collect()
        };
        let mark = (0, 0, 0, Some("run 2".to_owned()));
        let failed = [(0, 0, 1, None), (6, 6, 1, None), (1, 1, 2, None)];
        assert_eq!(opened(false), [&failed[..], std::slice::from_ref(&mark)].concat());
        // Hazard 13: only when a person asks for it.
        let unknown = (2, 2, 1, Some(RESEND.to_owned()));
        assert_eq!(opened(true), [&failed[..], &[unknown, mark]].concat());
    }

    #[test]
    fn hazard_13_who_is_unknown_because_of_an_earlier_attempt_is_opened_at_the_last_one() {
        let mut state = ChunkState::new();
        for (fact, attempt) in [(Fact::Unresolved, 1), (Fact::Reopened, 1), (Fact::FailedForGood, 2)] {
            state.merge(&entry(fact, 0, 0, attempt, 0));
        }
        assert_eq!(state.recipient(0).status(), Status::Unknown);
        let opened = entries(&state, 1, 2, true, 0);
        assert_eq!(opened[0].attempt, 2);
        opened.iter().for_each(|entry| state.merge(entry));
        assert!(state.recipient(0).may_attempt(3));
    }

    #[test]
    fn the_mark_changes_no_recipient() {
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Closed, 0, 4, 0, 0));
        state.merge(&entry(Fact::Accepted, 0, 4, 1, 0));
        let before = state.clone();
        for entry in entries(&state.clone(), 5, 2, true, 0) {
            assert!(is_mark(&entry, 2) && !is_mark(&entry, 3));
            state.merge(&entry);
        }
        assert_eq!(state, before);
    }
}
