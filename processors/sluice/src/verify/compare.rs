//! What has to hold between recipient rows, chunk states, counters, ledgers and the seal. Pure.

use serde::Serialize;
use sluice_core::chunk_state::ChunkState;
use sluice_core::facts::Status;
use sluice_core::{CampaignRow, CampaignState, ChunkRow, Counters, IndexSet};
use std::collections::BTreeSet;

/// One recipient row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFacts {
    /// Inside the chunk.
    pub index: u16,
    /// The row says that it is never sent.
    pub skipped: bool,
    /// An earlier row, of this chunk or another, has the same address and is not skipped.
    pub address_seen: bool,
}

/// A claim in the ledger of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which page.
    pub page: String,
    /// From 1.
    pub attempt: u8,
    /// Whose.
    pub indexes: IndexSet,
}

/// All that is stored about one chunk.
#[derive(Debug, Clone)]
pub struct ChunkFacts {
    /// The committed chunk.
    pub row: ChunkRow,
    /// By index.
    pub rows: Vec<RowFacts>,
    /// `None`: no receipt of it was merged.
    pub state: Option<ChunkState>,
    /// The counters beside the state.
    pub counters: Option<Counters>,
    /// Claims of its recipients in all ledgers.
    pub claims: Vec<Claim>,
}

/// Two sides that do not hold the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Number of the chunk; `None`: the campaign as a whole.
    pub chunk: Option<u32>,
    /// Of the recipient; `None`: the chunk as a whole.
    pub index: Option<u16>,
    /// What each side holds.
    pub what: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.chunk, self.index) {
            (Some(chunk), Some(index)) => write!(f, "chunk {chunk}, index {index}: {}", self.what),
            (Some(chunk), None) => write!(f, "chunk {chunk}: {}", self.what),
            _ => f.write_str(&self.what),
        }
    }
}

/// Sums over chunks, and what does not fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Recount {
    /// Chunks looked at.
    pub chunks: u32,
    /// Recipient rows.
    pub recipients: u64,
    /// Recounted from the chunk states.
    pub counters: Counters,
    /// Recipients whose state is not final: waiting, or on their way.
    pub without_state: u64,
    /// Claims whose outcome no state shows: calls that were made or may have been made.
    pub in_flight: u64,
    /// Recipients that two claims hold at once.
    pub claimed_twice: u64,
    /// What does not fit, the first [`DIFFERENCES_MAX`].
    pub differences: Vec<Difference>,
    /// How many do not fit in all.
    pub different: u64,
}

/// Differences that are kept; the others are counted.
pub const DIFFERENCES_MAX: usize = 100;

impl Recount {
    /// Adds a chunk. `ended`: the campaign is at its end, so nothing may be open.
    pub fn add(&mut self, facts: &ChunkFacts, ended: bool) {
        let number = facts.row.id.number();
        self.chunks += 1;
        self.recipients += facts.rows.len() as u64;
        self.check_rows(number, facts);
        let empty = ChunkState::new();
        let state = facts.state.as_ref().unwrap_or(&empty);
        self.check_state(number, facts, state, ended);
        self.check_claims(number, facts, state, ended);
    }

    /// Compares the sums with the seal.
    pub fn finish(&mut self, campaign: &CampaignRow) {
        let Some(seal) = campaign.seal else {
            // A recurring campaign that came for the last time never had an audience of its own.
            let is_sealed = matches!(campaign.state, CampaignState::Completed | CampaignState::Cancelled);
            if is_sealed && !campaign.awaits_start {
                let state = campaign.state.as_str();
                self.differ(None, None, format!("the campaign is {state} and has no seal"));
            }
            return;
        };
        if seal.chunks != self.chunks {
            self.differ(
                None,
                None,
                format!("the seal counts {} chunks, {} are there", seal.chunks, self.chunks),
            );
        }
        let expanded = seal.total.saturating_sub(seal.not_expanded);
        if expanded != self.recipients {
            let what = format!("the seal counts {expanded} recipients, {} are there", self.recipients);
            self.differ(None, None, what);
        }
    }

    /// Every index from 0 to the size exists exactly once, and nobody is there twice.
    fn check_rows(&mut self, number: u32, facts: &ChunkFacts) {
        let mut seen = IndexSet::new();
        for row in &facts.rows {
            if !seen.insert(row.index) {
                self.differ(Some(number), Some(row.index), "two recipient rows");
            }
            if u32::from(row.index) >= facts.row.size {
                self.differ(
                    Some(number),
                    Some(row.index),
                    format!("a recipient row, the chunk has {} rows", facts.row.size),
                );
            }
            if !row.skipped && row.address_seen {
                self.differ(Some(number), Some(row.index), "an earlier recipient has the same address");
            }
        }
        let mut missing = IndexSet::full(facts.row.size);
        missing.subtract(&seen);
        for index in missing.iter() {
            self.differ(Some(number), Some(index), "no recipient row");
        }
        let skipped = facts.rows.iter().filter(|row| row.skipped).count() as u64;
        if skipped != u64::from(facts.row.skipped) {
            let what = format!("the chunk counts {} skipped rows, {skipped} are there", facts.row.skipped);
            self.differ(Some(number), None, what);
        }
    }

    fn check_state(&mut self, number: u32, facts: &ChunkFacts, state: &ChunkState, ended: bool) {
        let mut counters = state.counters();
        if let Some(stored) = &facts.counters {
            for ((name, stored), (_, recounted)) in stored.named().into_iter().zip(counters.named()) {
                if stored != recounted {
                    self.differ(
                        Some(number),
                        None,
                        format!("the counter {name} is {stored}, the recount gives {recounted}"),
                    );
                }
            }
        } else if facts.state.is_some() {
            self.differ(Some(number), None, "a state without counters");
        }
        match state.size() {
            Some(size) if size != facts.row.size => {
                self.differ(
                    Some(number),
                    None,
                    format!("the state has {size} rows, the chunk {}", facts.row.size),
                );
            }
            None if ended => self.differ(
                Some(number),
                None,
                "the campaign has ended, and the state does not know the chunk's size",
            ),
            _ => {}
        }
        let known = counters.total.min(u64::from(facts.row.size));
        counters.pending += u64::from(facts.row.size) - known;
        counters.total += u64::from(facts.row.size) - known;
        self.without_state += counters.pending;
        self.counters += counters;
        for row in &facts.rows {
            let status = state.recipient(row.index).status();
            match (row.skipped, status) {
                (true, Status::Skipped) => {}
                (true, Status::Pending) if !ended => {}
                (true, status) => self.differ(
                    Some(number),
                    Some(row.index),
                    format!("the row is skipped, the state says {}", status.as_str()),
                ),
                (false, Status::Skipped) => {
                    self.differ(Some(number), Some(row.index), "the state says skipped, the row does not")
                }
                (false, Status::Pending) if ended => self.differ(
                    Some(number),
                    Some(row.index),
                    "the campaign has ended, the state says pending",
                ),
                (false, _) => {}
            }
        }
    }

    fn check_claims(&mut self, number: u32, facts: &ChunkFacts, state: &ChunkState, ended: bool) {
        let mut claimed = IndexSet::new();
        let mut twice = BTreeSet::new();
        for claim in &facts.claims {
            for index in claim.indexes.iter() {
                if state.recipient(index).is_settled(claim.attempt) {
                    continue;
                }
                self.in_flight += 1;
                if !claimed.insert(index) {
                    twice.insert(index);
                }
                if u32::from(index) >= facts.row.size {
                    let what =
                        format!("claimed by page {}, the chunk has {} rows", claim.page, facts.row.size);
                    self.differ(Some(number), Some(index), what);
                } else if claim.page != facts.row.page.as_str() {
                    let what = format!(
                        "claimed by page {}, the chunk belongs to page {}",
                        claim.page, facts.row.page
                    );
                    self.differ(Some(number), Some(index), what);
                } else if ended {
                    let what = format!(
                        "the campaign has ended, page {} still claims attempt {}",
                        claim.page, claim.attempt
                    );
                    self.differ(Some(number), Some(index), what);
                }
            }
        }
        self.claimed_twice += twice.len() as u64;
        for index in twice {
            self.differ(Some(number), Some(index), "two attempts in flight");
        }
    }

    fn differ(&mut self, chunk: Option<u32>, index: Option<u16>, what: impl Into<String>) {
        self.different += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(Difference { chunk, index, what: what.into() });
        }
    }

    /// Whether all sides hold the same.
    pub fn agrees(&self) -> bool {
        self.different == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::stored::tests::row;
    use sluice_core::chunk_state::entry;
    use sluice_core::{CampaignId, ChunkId, PageId, Seal};
    use sluice_schemas::{Fact, GateClass};

    /// Three rows: accepted, failed, skipped.
    fn facts() -> ChunkFacts {
        let id = ChunkId::new(CampaignId::of("default", "c"), 0, 1, 3);
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Accepted, 0, 0, 1, 10));
        state.merge(&entry(Fact::FailedForGood, 1, 1, 1, 10));
        state.merge(&entry(Fact::Skipped, 2, 2, 0, 10));
        state.merge(&entry(Fact::Closed, 0, 2, 0, 10));
        let row = |index, skipped| RowFacts { index, skipped, address_seen: false };
        ChunkFacts {
            row: ChunkRow {
                id,
                page: PageId::from("p"),
                size: 3,
                first_in_class: 0,
                shard: 0,
                spans: Vec::new(),
                skipped: 1,
                class: GateClass::default(),
            },
            rows: vec![row(0, false), row(1, false), row(2, true)],
            counters: Some(state.counters()),
            state: Some(state),
            claims: Vec::new(),
        }
    }

    fn recount(facts: &ChunkFacts, total: u64) -> Recount {
        let mut recount = Recount::default();
        recount.add(facts, true);
        recount.finish(&ended(Some(Seal { chunks: 1, total, not_expanded: 0 })));
        recount
    }

    fn ended(seal: Option<Seal>) -> CampaignRow {
        CampaignRow { seal, state: CampaignState::Completed, ..row("null", "{}") }
    }

    fn first(facts: &ChunkFacts) -> String {
        recount(facts, 3).differences.first().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn g3_what_belongs_together_agrees() {
        let recount = recount(&facts(), 3);
        assert!(recount.agrees(), "{recount:?}");
        let counters = recount.counters;
        assert_eq!((counters.total, counters.sent, counters.failed, counters.skipped), (3, 1, 1, 1));
        assert_eq!((recount.without_state, recount.in_flight), (0, 0));
    }

    #[test]
    fn g3_a_counter_that_is_off_by_one_is_named_with_both_sides() {
        let mut facts = facts();
        if let Some(counters) = &mut facts.counters {
            counters.sent += 1;
        }
        assert_eq!(first(&facts), "chunk 3: the counter sent is 2, the recount gives 1");
    }

    #[test]
    fn g2_a_lost_row_and_a_wrong_total_are_found() {
        let mut facts = facts();
        facts.rows.remove(1);
        assert_eq!(first(&facts), "chunk 3, index 1: no recipient row");
        assert!(
            recount(&self::facts(), 4).differences[0]
                .what
                .contains("the seal counts 4 recipients, 3 are there")
        );
    }

    #[test]
    fn g2_an_end_without_a_seal_is_found_unless_the_campaign_had_no_audience_of_its_own() {
        let of = |row: CampaignRow| {
            let mut recount = Recount::default();
            recount.finish(&row);
            recount.differences.first().map(ToString::to_string)
        };
        assert_eq!(of(ended(None)).unwrap(), "the campaign is completed and has no seal");
        assert_eq!(of(CampaignRow { awaits_start: true, ..ended(None) }), None, "it came for the last time");
    }

    #[test]
    fn g1_the_same_address_twice_is_found_unless_the_second_is_skipped() {
        let mut facts = facts();
        facts.rows[2].address_seen = true;
        assert!(recount(&facts, 3).agrees());
        facts.rows[1].address_seen = true;
        assert_eq!(first(&facts), "chunk 3, index 1: an earlier recipient has the same address");
    }

    #[test]
    fn g1_two_attempts_in_flight_are_found() {
        let mut facts = facts();
        facts.state = None;
        facts.counters = None;
        let claim = |attempt| Claim { page: "p".to_owned(), attempt, indexes: IndexSet::full(1) };
        facts.claims = vec![claim(1), claim(2)];
        let mut recount = Recount::default();
        recount.add(&facts, false);
        assert_eq!((recount.in_flight, recount.claimed_twice, recount.without_state), (2, 1, 3));
        assert_eq!(recount.differences[0].to_string(), "chunk 3, index 0: two attempts in flight");
    }

    #[test]
    fn a_claim_that_the_state_settles_is_not_in_flight() {
        let mut facts = facts();
        facts.claims = vec![Claim { page: "p".to_owned(), attempt: 1, indexes: IndexSet::full(2) }];
        assert_eq!(recount(&facts, 3).in_flight, 0);
        assert!(recount(&facts, 3).agrees());
    }

    #[test]
    fn a_skipped_row_that_was_sent_is_found() {
        let mut facts = facts();
        facts.rows[0].skipped = true;
        facts.row.skipped = 2;
        assert_eq!(first(&facts), "chunk 3, index 0: the row is skipped, the state says sent");
    }

    #[test]
    fn g8_a_campaign_that_ended_with_somebody_pending_is_found() {
        let mut facts = facts();
        facts.state = None;
        facts.counters = None;
        assert!(recount(&facts, 3).differences.iter().any(|difference| difference.what.contains("pending")));
    }
}
