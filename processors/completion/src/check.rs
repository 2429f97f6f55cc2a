//! Whether a campaign is at its end. Pure.

use sluice_core::{CampaignRow, CampaignState, ChunkId, ChunkRow, Counters, Seal};
use std::collections::{BTreeMap, BTreeSet};

/// Where a campaign stands, and why it does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has ended; nothing is to be decided.
    Ended,
    /// Rows may still be coming.
    NotSealed,
    /// The seal counts chunks that the store does not show.
    ChunksMissing {
        /// As sealed.
        sealed: u32,
        /// As found.
        found: u32,
    },
    /// Recipients are not in a final state.
    Waiting {
        /// Chunks with such recipients, or without a known size.
        chunks: u32,
        /// Such recipients.
        recipients: u64,
    },
    /// The chunks are done but do not add up to the seal: a broken invariant, and no end until somebody looks.
    DoesNotAddUp {
        /// Rows that the seal counts in chunks.
        sealed: u64,
        /// Rows in the chunks.
        counted: u64,
    },
    /// Every recipient is in a final state; the campaign's counters, rows that were never expanded included.
    Done(Counters),
}

impl Standing {
    /// In words.
    pub fn reason(&self) -> String {
        match self {
            Self::Ended => "it has ended".to_owned(),
            Self::NotSealed => "its audience is still being read".to_owned(),
            Self::ChunksMissing { sealed, found } => format!("{found} of its {sealed} chunks can be seen"),
            Self::Waiting { chunks, recipients } => {
                format!("{recipients} recipients in {chunks} chunks are open")
            }
            Self::DoesNotAddUp { sealed, counted } => {
                format!("{sealed} rows were sealed, {counted} are counted")
            }
            Self::Done(_) => "every recipient is in a final state".to_owned(),
        }
    }
}

/// The state that a campaign takes when it is done.
pub fn end_of(state: CampaignState) -> Option<CampaignState> {
    match state {
        CampaignState::Running | CampaignState::Paused => Some(CampaignState::Completed),
        CampaignState::Cancelling => Some(CampaignState::Cancelled),
        CampaignState::Scheduled
        | CampaignState::Completed
        | CampaignState::Cancelled
        | CampaignState::Failed => None,
    }
}

/// Whether a chunk has a size, the one it was committed with, and nobody open.
pub fn is_done(row: &ChunkRow, counters: Option<&Counters>) -> bool {
    counters.is_some_and(|counters| {
        counters.total == u64::from(row.size) && counters.terminal() == counters.total
    })
}

/// Judges a campaign. Counters of chunks that were never committed (a crashed expansion left them) do not count.
pub fn standing(row: &CampaignRow, chunks: &[ChunkRow], counters: &[(ChunkId, Counters)]) -> Standing {
    if row.state.is_ended() {
        return Standing::Ended;
    }
    let Some(seal) = row.seal else { return Standing::NotSealed };
    let found = chunks.len() as u32;
    if found != seal.chunks {
        return Standing::ChunksMissing { sealed: seal.chunks, found };
    }
    let by_chunk: BTreeMap<ChunkId, &Counters> =
        counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
    let open: Vec<&ChunkRow> =
        chunks.iter().filter(|row| !is_done(row, by_chunk.get(&row.id).copied())).collect();
    if !open.is_empty() {
        let pending = |row: &&ChunkRow| {
            by_chunk.get(&row.id).map_or(u64::from(row.size), |counters| {
                u64::from(row.size).saturating_sub(counters.terminal())
            })
        };
        return Standing::Waiting { chunks: open.len() as u32, recipients: open.iter().map(pending).sum() };
    }
    let mut total = total_of(chunks, counters);
    let sealed = seal.total.saturating_sub(seal.not_expanded);
    if total.total != sealed {
        return Standing::DoesNotAddUp { sealed, counted: total.total };
    }
    total.total += seal.not_expanded;
    total.cancelled += seal.not_expanded;
    Standing::Done(total)
}

/// By how many rows the chunks differ from their seal.
pub fn differs_by(seal: &Seal, chunks: &[ChunkRow]) -> u64 {
    let rows: u64 = chunks.iter().map(|chunk| u64::from(chunk.size)).sum();
    seal.total.saturating_sub(seal.not_expanded).abs_diff(rows)
}

/// The counters of the committed chunks.
pub fn total_of(chunks: &[ChunkRow], counters: &[(ChunkId, Counters)]) -> Counters {
    let committed: BTreeSet<ChunkId> = chunks.iter().map(|row| row.id).collect();
    counters.iter().filter(|(chunk, _)| committed.contains(chunk)).map(|(_, counters)| *counters).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::tests::{chunk_row, launch};

    fn row(seal: Option<Seal>) -> CampaignRow {
        CampaignRow { seal, ..CampaignRow::launched(launch(), 0) }
    }

    fn sent(total: u64) -> Counters {
        Counters { total, sent: total, ..Counters::default() }
    }

    #[test]
    fn g8_a_campaign_is_done_when_sealed_and_everybody_is_final() {
        let chunks = [chunk_row(0, 10), chunk_row(1, 5)];
        let counters = [(chunks[0].id, sent(10)), (chunks[1].id, sent(5))];
        let seal = Seal { chunks: 2, total: 15, not_expanded: 0 };
        assert_eq!(standing(&row(None), &chunks, &counters), Standing::NotSealed);
        assert_eq!(standing(&row(Some(seal)), &chunks, &counters), Standing::Done(sent(15)));
        let half = standing(&row(Some(seal)), &chunks, &counters[..1]);
        assert_eq!(half, Standing::Waiting { chunks: 1, recipients: 5 });
    }

    #[test]
    fn a_campaign_without_recipients_is_done_at_its_seal() {
        let seal = Seal { chunks: 0, total: 0, not_expanded: 0 };
        assert_eq!(standing(&row(Some(seal)), &[], &[]), Standing::Done(Counters::default()));
    }

    #[test]
    fn hazard_23_rows_that_were_never_expanded_count_as_cancelled() {
        let chunks = [chunk_row(0, 10)];
        let seal = Seal { chunks: 1, total: 1_000, not_expanded: 990 };
        let Standing::Done(counters) = standing(&row(Some(seal)), &chunks, &[(chunks[0].id, sent(10))])
        else {
            panic!("not done");
        };
        assert_eq!((counters.total, counters.sent, counters.cancelled), (1_000, 10, 990));
    }

    #[test]
    fn what_a_crashed_expansion_left_behind_does_not_count() {
        let chunks = [chunk_row(0, 10)];
        let left = chunk_row(9, 10).id;
        let seal = Seal { chunks: 1, total: 10, not_expanded: 0 };
        let counters =
            [(chunks[0].id, sent(10)), (left, Counters { total: 3, pending: 3, ..Counters::default() })];
        assert_eq!(standing(&row(Some(seal)), &chunks, &counters), Standing::Done(sent(10)));
    }

    #[test]
    fn a_chunk_that_knows_only_some_of_its_rows_is_open() {
        let chunks = [chunk_row(0, 10)];
        let seal = Seal { chunks: 1, total: 10, not_expanded: 0 };
        let part = standing(&row(Some(seal)), &chunks, &[(chunks[0].id, sent(7))]);
        assert_eq!(part, Standing::Waiting { chunks: 1, recipients: 3 });
    }

    #[test]
    fn g2_chunks_that_do_not_add_up_to_the_seal_are_no_end() {
        let chunks = [chunk_row(0, 10)];
        let seal = Seal { chunks: 1, total: 11, not_expanded: 0 };
        let wrong = standing(&row(Some(seal)), &chunks, &[(chunks[0].id, sent(10))]);
        assert_eq!(wrong, Standing::DoesNotAddUp { sealed: 11, counted: 10 });
        assert_eq!((differs_by(&seal, &chunks), differs_by(&Seal { total: 9, ..seal }, &chunks)), (1, 1));
        let missing = standing(&row(Some(Seal { chunks: 2, ..seal })), &chunks, &[]);
        assert_eq!(missing, Standing::ChunksMissing { sealed: 2, found: 1 });
    }
}
