//! Calls that nobody knows the answer of, and until when their webhooks are waited for, as the page's ledger has it:
//! whichever process is asked can tell it, and the next owner waits no longer than the last one would have (G8).

use super::ranges::{put_claim, take_claim};
use super::{Damaged, take_small};
use crate::ids::ChunkId;
use crate::index_set::IndexSet;
use crate::number::put_number;
use std::collections::BTreeMap;

/// Ends of waits are rounded up to this, in ms: the ledger is written with every grant, and so a page of which a call
/// times out each second has a hundred of them at most, not a thousand.
pub const DOUBT_GRAIN_MS: i64 = 10_000;

/// With more doubts than this, ends are rounded up to [`COARSE_GRAIN_MS`]: a provider that answers nobody, on a page with
/// dozens of open chunks, would fill the ledger up to where nothing more is granted.
const FINE_MAX: usize = 64;

/// See [`FINE_MAX`].
const COARSE_GRAIN_MS: i64 = 60_000;

/// Claims of one attempt whose webhooks are waited for until one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt<'a> {
    /// Where.
    pub chunk: ChunkId,
    /// Which call.
    pub attempt: u8,
    /// When they are judged, ms since 1970 on the clock of the owner that noted it.
    pub until_ms: i64,
    /// Who was called.
    pub indexes: &'a IndexSet,
}

/// The doubts of a page: no index of an attempt is in two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Doubts {
    by_time: BTreeMap<(ChunkId, u8, i64), IndexSet>,
    len: u32,
}

impl Doubts {
    /// Adds those that are not in doubt yet; says whether there were any.
    pub(super) fn add(&mut self, chunk: ChunkId, attempt: u8, mut new: IndexSet, until_ms: i64) -> bool {
        for (_, known) in self.of(chunk, attempt) {
            new.subtract(known);
        }
        if new.is_empty() {
            return false;
        }
        let grain_ms = if self.by_time.len() < FINE_MAX { DOUBT_GRAIN_MS } else { COARSE_GRAIN_MS };
        let until_ms = until_ms.saturating_add(grain_ms - 1).div_euclid(grain_ms) * grain_ms;
        self.len += new.len();
        self.by_time.entry((chunk, attempt, until_ms)).or_default().union_with(&new);
        true
    }

    /// What became of them is known, or they were not called after all.
    pub(super) fn remove(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet) {
        // It is asked of every call that ends, and nearly none was in doubt.
        if self.of(chunk, attempt).next().is_none() {
            return;
        }
        self.by_time.retain(|(of_chunk, of_attempt, _), known| {
            if (*of_chunk, *of_attempt) == (chunk, attempt) {
                known.subtract(indexes);
            }
            !known.is_empty()
        });
        self.len = self.by_time.values().map(IndexSet::len).sum();
    }

    fn of(&self, chunk: ChunkId, attempt: u8) -> impl Iterator<Item = (i64, &IndexSet)> {
        let range = (chunk, attempt, i64::MIN)..=(chunk, attempt, i64::MAX);
        self.by_time.range(range).map(|((.., until_ms), indexes)| (*until_ms, indexes))
    }

    /// `claimed` without those in doubt; `None`: all of it.
    pub(super) fn rest_of(&self, chunk: ChunkId, attempt: u8, claimed: &IndexSet) -> Option<IndexSet> {
        self.of(chunk, attempt).fold(None, |rest, (_, known)| {
            let mut rest = rest.unwrap_or_else(|| claimed.clone());
            rest.subtract(known);
            Some(rest)
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Doubt<'_>> {
        self.by_time.iter().map(|((chunk, attempt, until_ms), indexes)| Doubt {
            chunk: *chunk,
            attempt: *attempt,
            until_ms: *until_ms,
            indexes,
        })
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        put_number(out, self.by_time.len() as u64);
        for Doubt { chunk, attempt, until_ms, indexes } in self.iter() {
            out.extend_from_slice(&until_ms.to_be_bytes());
            put_claim(chunk, attempt, indexes, out);
        }
    }

    pub(super) fn decode_from(rest: &mut &[u8]) -> Result<Self, Damaged> {
        let mut doubts = Self::default();
        for _ in 0..take_small(rest)? {
            let (until_ms, after) = rest.split_first_chunk::<8>().ok_or(Damaged("cut short"))?;
            *rest = after;
            let (chunk, attempt, indexes) = take_claim(rest)?;
            let is_known = doubts.claimed(chunk).any(|known| {
                let mut both = indexes.clone();
                both.intersect_with(known);
                !both.is_empty()
            });
            if is_known || indexes.is_empty() {
                return Err(Damaged("an index in doubt twice, or none"));
            }
            doubts.len += indexes.len();
            let key = (chunk, attempt, i64::from_be_bytes(*until_ms));
            if doubts.by_time.insert(key, indexes).is_some() {
                return Err(Damaged("a doubt written twice"));
            }
        }
        Ok(doubts)
    }

    /// What is in doubt in a chunk, of any attempt.
    fn claimed(&self, chunk: ChunkId) -> impl Iterator<Item = &IndexSet> {
        self.by_time.range((chunk, 0, i64::MIN)..=(chunk, u8::MAX, i64::MAX)).map(|(_, indexes)| indexes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LedgerBody;
    use super::*;
    use crate::chunk_state::{ChunkState, entry};
    use proptest::prelude::*;
    use sluice_schemas::Fact;

    fn chunk(number: u32) -> ChunkId {
        ChunkId::new(crate::CampaignId::of("t", "c"), 0, 1, number)
    }

    fn set(indexes: &[u16]) -> IndexSet {
        indexes.iter().copied().collect()
    }

    fn told(body: &LedgerBody) -> Vec<(i64, Vec<u16>)> {
        body.doubts().map(|doubt| (doubt.until_ms, doubt.indexes.iter().collect())).collect()
    }

    #[test]
    fn g8_a_doubt_keeps_its_time_and_is_rounded_up_and_only_claims_are_in_doubt() {
        let mut body = LedgerBody::new();
        body.claim(chunk(1), 1, &IndexSet::full(4)).unwrap();
        assert!(body.doubt(chunk(1), 1, &set(&[0, 1, 9]), 901));
        assert_eq!(told(&body), [(10_000, vec![0, 1])]);
        assert!(!body.doubt(chunk(1), 1, &set(&[0, 1]), 900_000), "the next owner waits no longer");
        assert!(!body.doubt(chunk(1), 2, &set(&[2]), 1) && !body.doubt(chunk(2), 1, &set(&[2]), 1));
        assert!(body.doubt(chunk(1), 1, &set(&[1, 2]), 20_000));
        assert_eq!((told(&body), body.in_doubt()), (vec![(10_000, vec![0, 1]), (20_000, vec![2])], 3));
    }

    #[test]
    fn g9_many_doubts_are_rounded_up_further() {
        let mut body = LedgerBody::new();
        for number in 0..200 {
            body.claim(chunk(number), 1, &IndexSet::full(1)).unwrap();
            body.doubt(chunk(number), 1, &IndexSet::full(1), i64::from(number) * DOUBT_GRAIN_MS);
        }
        let ends: std::collections::BTreeSet<i64> = body.doubts().map(|doubt| doubt.until_ms).collect();
        assert!(ends.len() < FINE_MAX + 200 / 6 + 1, "{}", ends.len());
        assert!(ends.iter().skip(FINE_MAX).all(|end| end % COARSE_GRAIN_MS == 0));
    }

    #[test]
    fn a_doubt_that_is_written_twice_is_damage_and_loses_no_claim_silently() {
        let written = |indexes: &[u16]| {
            let mut doubts = Doubts::default();
            doubts.add(chunk(1), 1, set(indexes), 10_000);
            let mut out = Vec::new();
            doubts.encode_into(&mut out);
            out.split_off(1)
        };
        let twice = [&[2][..], &written(&[0]), &written(&[5])].concat();
        assert_eq!(Doubts::decode_from(&mut twice.as_slice()), Err(Damaged("a doubt written twice")));
    }

    #[test]
    fn g8_a_doubt_ends_with_its_claim() {
        let mut body = LedgerBody::new();
        body.claim(chunk(1), 1, &IndexSet::full(4)).unwrap();
        body.doubt(chunk(1), 1, &IndexSet::full(4), 10_000);
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Accepted, 0, 1, 1, 0));
        body.settle(chunk(1), &state);
        body.give_back(chunk(1), 1, &set(&[3]));
        assert_eq!((told(&body), body.in_doubt()), (vec![(10_000, vec![2])], 1));
        state.merge(&entry(Fact::Unresolved, 2, 2, 1, 0));
        body.settle(chunk(1), &state);
        assert_eq!((body.encode(), body.in_doubt()), (LedgerBody::new().encode(), 0));
    }

    proptest! {
        #[test]
        fn the_stored_form_holds_claims_in_doubt_and_others(
            claims in prop::collection::btree_map((0u32..4, 1u8..4), prop::collection::btree_set(0u16..200, 0..40), 0..5),
            doubts in prop::collection::vec((0u32..4, 1u8..4, prop::collection::btree_set(0u16..200, 0..20), any::<i64>()), 0..6),
        ) {
            let mut body = LedgerBody::new();
            for ((number, attempt), indexes) in claims {
                let _overlaps_are_refused = body.claim(chunk(number), attempt, &indexes.into_iter().collect());
            }
            for (number, attempt, indexes, until_ms) in doubts {
                body.doubt(chunk(number), attempt, &indexes.into_iter().collect(), until_ms);
            }
            let in_doubt: u32 = body.doubts().map(|doubt| doubt.indexes.len()).sum();
            prop_assert_eq!(in_doubt, body.in_doubt());
            prop_assert!(in_doubt <= body.len());
            prop_assert_eq!(LedgerBody::decode(&body.encode()), Ok(body));
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _either = LedgerBody::decode(&[&[5, 0, 0, 0][..], &bytes].concat());
        }
    }
}
