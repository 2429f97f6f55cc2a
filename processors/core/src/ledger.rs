//! The body of a page's ledger: which sends are claimed and not yet settled, how much of the daily limits is used, and
//! what waits or is slow because of the provider.
//!
//! A call is made only for what was claimed here first, in one compare-and-set with the page's epoch (G1).
//! A claim leaves the ledger only when the chunk state shows its outcome, or when the call was certainly not
//! made; so `ledger ∪ chunk state` covers every call that may ever have started (hazard 4).

mod doubts;
mod holds;
mod pace;
mod ranges;

use crate::chunk_state::ChunkState;
use crate::ids::{CampaignId, ChunkId};
use crate::index_set::IndexSet;
use crate::number::{put_number, take_number};
use crate::pace::CarriedPace;
use crate::usage::{Bucket, DailyUse};
use doubts::Doubts;
pub use doubts::{DOUBT_GRAIN_MS, Doubt};
pub use holds::{HOLDS_MAX, Held, LedgerHold};
use ranges::{put_claim, take_claim};
use std::collections::BTreeMap;

/// Claims of one page by chunk and attempt, its use of the last 24 hours, its holds and its speed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerBody {
    claims: BTreeMap<(ChunkId, u8), IndexSet>,
    /// Claims among them.
    doubts: Doubts,
    used: BTreeMap<Scope, DailyUse>,
    held: Vec<LedgerHold>,
    pace: Option<CarriedPace>,
}

/// What a daily limit is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// All calls of the page.
    Page,
    /// Those of one campaign.
    Campaign(CampaignId),
}

/// A claim that overlaps one that exists: a bug in whoever asks, nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("indexes {indexes:?} of chunk {chunk} are claimed already")]
pub struct AlreadyClaimed {
    /// The chunk.
    pub chunk: ChunkId,
    /// What overlaps.
    pub indexes: IndexSet,
}

/// A stored body that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged page ledger: {0}")]
pub struct Damaged(pub &'static str);

/// Claims only.
const FORMAT_CLAIMS: u8 = 1;
/// Uses, then claims.
const FORMAT_USES: u8 = 2;
/// Holds, uses, then claims.
const FORMAT_HOLDS: u8 = 3;
/// Pace, holds, uses, then claims.
const FORMAT_PACE: u8 = 4;
/// A pace or none, holds, uses, claims in doubt, then the others.
const FORMAT: u8 = 5;

impl LedgerBody {
    /// Without claims.
    pub fn new() -> Self {
        Self::default()
    }

    /// Claims `indexes` for `attempt`.
    ///
    /// # Errors
    /// When any of them is claimed already, for whichever attempt.
    pub fn claim(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet) -> Result<(), AlreadyClaimed> {
        let mut overlap = self.claimed(chunk);
        overlap.intersect_with(indexes);
        if !overlap.is_empty() {
            return Err(AlreadyClaimed { chunk, indexes: overlap });
        }
        if !indexes.is_empty() {
            self.claims.entry((chunk, attempt)).or_default().union_with(indexes);
        }
        Ok(())
    }

    /// Takes claims back whose calls were certainly not made.
    pub fn give_back(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet) {
        if let Some(claimed) = self.claims.get_mut(&(chunk, attempt)) {
            claimed.subtract(indexes);
            if claimed.is_empty() {
                self.claims.remove(&(chunk, attempt));
            }
            self.doubts.remove(chunk, attempt, indexes);
        }
    }

    /// Drops the claims whose outcome `state` shows; says how many.
    pub fn settle(&mut self, chunk: ChunkId, state: &ChunkState) -> u32 {
        let mut settled = 0;
        let doubts = &mut self.doubts;
        self.claims.retain(|(claimed_chunk, attempt), claimed| {
            if *claimed_chunk == chunk {
                let done: IndexSet =
                    claimed.iter().filter(|&index| state.recipient(index).is_settled(*attempt)).collect();
                settled += done.len();
                claimed.subtract(&done);
                doubts.remove(chunk, *attempt, &done);
            }
            !claimed.is_empty()
        });
        settled
    }

    /// What is claimed in a chunk, for any attempt.
    pub fn claimed(&self, chunk: ChunkId) -> IndexSet {
        let mut all = IndexSet::new();
        for ((_, _), indexes) in self.claims.range((chunk, 0)..=(chunk, u8::MAX)) {
            all.union_with(indexes);
        }
        all
    }

    /// Whether exactly this attempt is claimed.
    pub fn holds(&self, chunk: ChunkId, attempt: u8, index: u16) -> bool {
        self.claims.get(&(chunk, attempt)).is_some_and(|indexes| indexes.contains(index))
    }

    /// Every claim.
    pub fn claims(&self) -> impl Iterator<Item = (ChunkId, u8, &IndexSet)> {
        self.claims.iter().map(|((chunk, attempt), indexes)| (*chunk, *attempt, indexes))
    }

    /// The chunks that have claims.
    pub fn chunks(&self) -> Vec<ChunkId> {
        let mut chunks: Vec<ChunkId> = self.claims.keys().map(|(chunk, _)| *chunk).collect();
        chunks.dedup();
        chunks
    }

    /// Notes that nobody knows what became of these calls, and that their webhooks are waited for until `until_ms` (ms since
    /// 1970), rounded up to [`DOUBT_GRAIN_MS`]. What is not claimed is left out, and what is in doubt already keeps its
    /// time, whoever owns the page meanwhile. Says whether anything was new.
    pub fn doubt(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet, until_ms: i64) -> bool {
        let Some(claimed) = self.claims.get(&(chunk, attempt)) else { return false };
        let mut new = indexes.clone();
        new.intersect_with(claimed);
        self.doubts.add(chunk, attempt, new, until_ms)
    }

    /// Claims whose calls nobody knows the answer of, by what is waited for until when.
    pub fn doubts(&self) -> impl Iterator<Item = Doubt<'_>> {
        self.doubts.iter()
    }

    /// How many that are.
    pub fn in_doubt(&self) -> u32 {
        self.doubts.len()
    }

    /// Claimed sends.
    pub fn len(&self) -> u32 {
        self.claims.values().map(IndexSet::len).sum()
    }

    /// Whether nothing is claimed.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Books `count` calls of a scope that may start from now on (G4).
    pub fn book(&mut self, scope: Scope, now_ms: i64, count: u32) -> Bucket {
        self.used.retain(|of, used| {
            used.expire(now_ms);
            *of == scope || !used.is_empty()
        });
        self.used.entry(scope).or_default().book(now_ms, count)
    }

    /// Takes a call back that was booked in `bucket` and certainly not made.
    pub fn unbook(&mut self, scope: Scope, bucket: Bucket) {
        if let Some(used) = self.used.get_mut(&scope) {
            used.unbook(bucket, 1);
        }
    }

    /// The use of a scope, if there is any.
    pub fn used(&self, scope: Scope) -> Option<&DailyUse> {
        self.used.get(&scope)
    }

    /// How many more calls of a scope may be booked under a limit of `cap` a day.
    pub fn free(&self, scope: Scope, cap: u64, now_ms: i64) -> u64 {
        self.used(scope).map_or(cap, |used| used.free(cap, now_ms))
    }

    /// What waits on the page because of its provider.
    pub fn held(&self) -> &[LedgerHold] {
        &self.held
    }

    /// Replaces what waits; the first [`HOLDS_MAX`] are kept.
    pub fn hold(&mut self, mut held: Vec<LedgerHold>) {
        held.truncate(HOLDS_MAX);
        self.held = held;
    }

    /// How fast the page goes, where its provider has slowed it.
    pub fn pace(&self) -> Option<&CarriedPace> {
        self.pace.as_ref()
    }

    /// Replaces how fast the page goes; `None`: at full speed.
    pub fn go_at(&mut self, pace: Option<CarriedPace>) {
        self.pace = pace;
    }

    /// The stored form: format, pace, holds, uses by scope, claims in doubt, then per (chunk, attempt) the other claimed
    /// ranges as variable-length numbers. Without the first ones as it was before there were any.
    pub fn encode(&self) -> Vec<u8> {
        let format = match (self.doubts.is_empty(), &self.pace, self.held.is_empty(), self.used.is_empty()) {
            (false, ..) => FORMAT,
            (true, Some(_), ..) => FORMAT_PACE,
            (true, None, false, _) => FORMAT_HOLDS,
            (true, None, true, false) => FORMAT_USES,
            (true, None, true, true) => FORMAT_CLAIMS,
        };
        let mut out = vec![format];
        if format == FORMAT {
            out.push(u8::from(self.pace.is_some()));
        }
        self.pace.iter().for_each(|pace| pace::encode_into(pace, &mut out));
        if format >= FORMAT_HOLDS {
            put_number(&mut out, self.held.len() as u64);
            self.held.iter().for_each(|hold| hold.encode_into(&mut out));
        }
        if format != FORMAT_CLAIMS {
            put_number(&mut out, self.used.len() as u64);
            for (scope, used) in &self.used {
                match scope {
                    Scope::Page => out.push(0),
                    Scope::Campaign(id) => {
                        out.push(1);
                        out.extend_from_slice(&id.0);
                    }
                }
                used.encode_into(&mut out);
            }
        }
        if format == FORMAT {
            self.doubts.encode_into(&mut out);
        }
        for ((chunk, attempt), claimed) in &self.claims {
            match self.doubts.rest_of(*chunk, *attempt, claimed) {
                None => put_claim(*chunk, *attempt, claimed, &mut out),
                Some(rest) if rest.is_empty() => {}
                Some(rest) => put_claim(*chunk, *attempt, &rest, &mut out),
            }
        }
        out
    }

    /// Reads the stored form; no bytes at all are an empty ledger.
    ///
    /// # Errors
    /// [`Damaged`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let Some((&format, mut rest)) = bytes.split_first() else { return Ok(Self::new()) };
        let mut body = Self::new();
        if !(FORMAT_CLAIMS..=FORMAT).contains(&format) {
            return Err(Damaged("unknown format"));
        }
        let has_pace = match format {
            FORMAT => take_flag(&mut rest)?,
            _ => format == FORMAT_PACE,
        };
        if has_pace {
            body.pace = Some(pace::decode_from(&mut rest)?);
        }
        if format >= FORMAT_HOLDS {
            body.held = decode_holds(&mut rest)?;
        }
        if format >= FORMAT_USES {
            body.used = decode_used(&mut rest)?;
        }
        let twice = |_| Damaged("an index claimed twice");
        if format == FORMAT {
            body.doubts = Doubts::decode_from(&mut rest)?;
            for Doubt { chunk, attempt, indexes, .. } in body.doubts.iter() {
                // Of one claim there may be several doubts, which differ.
                body.claims.entry((chunk, attempt)).or_default().union_with(indexes);
            }
        }
        while !rest.is_empty() {
            let (chunk, attempt, indexes) = take_claim(&mut rest)?;
            body.claim(chunk, attempt, &indexes).map_err(twice)?;
        }
        Ok(body)
    }
}

fn take_flag(rest: &mut &[u8]) -> Result<bool, Damaged> {
    let (&flag, after) = rest.split_first().ok_or(Damaged("cut short"))?;
    *rest = after;
    match flag {
        0 | 1 => Ok(flag == 1),
        _ => Err(Damaged("a flag that is none")),
    }
}

fn decode_holds(rest: &mut &[u8]) -> Result<Vec<LedgerHold>, Damaged> {
    match take_small(rest)? as usize {
        count if count <= HOLDS_MAX => (0..count).map(|_| LedgerHold::decode_from(rest)).collect(),
        _ => Err(Damaged("too many holds")),
    }
}

fn decode_used(rest: &mut &[u8]) -> Result<BTreeMap<Scope, DailyUse>, Damaged> {
    let mut all = BTreeMap::new();
    for _ in 0..take_small(rest)? {
        let (&kind, after) = rest.split_first().ok_or(Damaged("cut short"))?;
        *rest = after;
        let scope = match kind {
            0 => Scope::Page,
            1 => {
                let (id, after) = rest.split_first_chunk::<8>().ok_or(Damaged("cut short"))?;
                *rest = after;
                Scope::Campaign(CampaignId(*id))
            }
            _ => return Err(Damaged("unknown scope")),
        };
        all.insert(scope, DailyUse::decode_from(rest)?);
    }
    Ok(all)
}

/// Counts and indexes are no larger.
pub(crate) fn take_small(rest: &mut &[u8]) -> Result<u32, Damaged> {
    let number = take_number(rest).map_err(Damaged)?;
    u32::try_from(number).map_err(|_| Damaged("number too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk_state::entry;
    use crate::throttle::HoldReason;
    use proptest::prelude::*;
    use sluice_schemas::Fact;

    fn chunk(number: u32) -> ChunkId {
        ChunkId::new(crate::CampaignId::of("t", "c"), 0, 1, number)
    }

    fn indexes() -> impl Strategy<Value = IndexSet> {
        prop::collection::btree_set(0u16..400, 0..60).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #[test]
        fn g1_ledger_and_chunk_state_together_never_grant_twice(
            steps in prop::collection::vec((0u32..3, indexes(), 0u8..4), 1..30),
        ) {
            let mut body = LedgerBody::new();
            let mut states: BTreeMap<u32, ChunkState> = BTreeMap::new();
            let mut called: BTreeMap<(u32, u16), u32> = BTreeMap::new();
            for (number, wanted, step) in steps {
                let state = states.entry(number).or_default();
                match step {
                    // Grant what neither side shows, as a lane does, and call it.
                    0 | 1 => {
                        let mut free = wanted;
                        free.subtract(&body.claimed(chunk(number)));
                        let free: IndexSet = free.iter().filter(|&index| state.recipient(index).may_attempt(1)).collect();
                        body.claim(chunk(number), 1, &free).unwrap();
                        for index in free.iter() {
                            *called.entry((number, index)).or_default() += 1;
                        }
                    }
                    // Outcomes of some claimed ones are merged.
                    2 => {
                        let mut done = wanted;
                        done.intersect_with(&body.claimed(chunk(number)));
                        for (first, last) in done.ranges() {
                            state.merge(&entry(Fact::Accepted, first, last, 1, 0));
                        }
                    }
                    _ => { body.settle(chunk(number), state); }
                }
            }
            prop_assert!(called.values().all(|&calls| calls == 1));
        }

        #[test]
        fn the_stored_form_holds_every_claim_use_and_hold_and_the_pace(
            holds in 0i64..3, pace in prop::option::of((any::<u32>(), any::<u32>(), any::<u64>(), any::<i64>())),
            sets in prop::collection::vec((0u32..50, 1u8..4, indexes()), 0..10),
            uses in prop::collection::vec((0u8..3, 1u32..2_000), 0..6),
        ) {
            let mut body = LedgerBody::new();
            let hold = |until_ms| LedgerHold {
                what: Held::Page,
                reason: HoldReason::Account("190".to_owned()),
                since_ms: 7,
                until_ms,
                in_a_row: 1,
                control: 3,
            };
            body.hold((0..holds).map(hold).collect());
            body.go_at(pace.map(|(level_permille, per_s_permille, full_per_1000_s, at_ms)| CarriedPace {
                level_permille,
                per_s_permille,
                full_per_1000_s,
                at_ms,
            }));
            for (scope, count) in uses {
                let scope = match scope {
                    0 => Scope::Page,
                    other => Scope::Campaign(CampaignId([other; 8])),
                };
                body.book(scope, 1_700_000_000_000, count);
            }
            for (number, attempt, set) in sets {
                let _overlaps_are_refused = body.claim(chunk(number), attempt, &set);
            }
            prop_assert_eq!(LedgerBody::decode(&body.encode()), Ok(body));
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _either = LedgerBody::decode(&bytes);
        }
    }

    #[test]
    fn forms_that_were_stored_before_there_was_a_pace_are_read() {
        let hold = |out: &mut Vec<u8>| {
            out.extend([3, 1, 0, 1, 3]);
            out.extend(b"429");
            out.extend([0; 8].iter().chain(&[0, 0, 0, 0, 0, 0, 0, 9]).chain(&[1]).chain(&[0; 8]));
        };
        let mut stored = Vec::new();
        hold(&mut stored);
        stored.push(0);
        let body = LedgerBody::decode(&stored).unwrap();
        assert_eq!((body.held()[0].reason.detail(), body.held()[0].until_ms, body.pace()), ("429", 9, None));
        assert_eq!(body.encode(), stored);
        for empty in [&[1][..], &[2, 0], &[]] {
            assert_eq!(LedgerBody::decode(empty), Ok(LedgerBody::new()));
        }
    }

    #[test]
    fn a_second_claim_is_refused_and_changes_nothing() {
        let mut body = LedgerBody::new();
        body.claim(chunk(1), 1, &IndexSet::full(10)).unwrap();
        let before = body.clone();
        let refused = body.claim(chunk(1), 2, &[9, 10].into_iter().collect()).unwrap_err();
        assert_eq!((refused.indexes.ranges(), body), (vec![(9, 9)], before));
    }

    #[test]
    fn hazard_4_a_claim_stays_until_the_chunk_state_shows_its_outcome() {
        let mut body = LedgerBody::new();
        body.claim(chunk(1), 2, &IndexSet::full(4)).unwrap();
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Failed, 0, 3, 1, 0));
        assert_eq!(body.settle(chunk(1), &state), 0, "that was the attempt before");
        state.merge(&entry(Fact::Unresolved, 1, 2, 2, 0));
        assert_eq!(body.settle(chunk(1), &state), 2);
        assert_eq!(body.claimed(chunk(1)).ranges(), vec![(0, 0), (3, 3)]);
    }
}
