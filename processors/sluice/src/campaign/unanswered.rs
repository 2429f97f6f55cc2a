//! Calls that nobody knows the answer of, after a crash, a timeout or a connection that closed: their webhooks are waited
//! for before they are judged, and the ledgers of their pages say until when. Pure.

use super::gates::GateLine;
use super::stored::Stored;
use crate::view::moment::when;
use crate::view::numbers::counted;
use sluice_core::ledger::Doubt;
use sluice_core::{CampaignId, ChunkId, LedgerBody};
use std::collections::BTreeMap;

/// The setting that says how long.
const SETTING: &str = "sender.unresolved_after_ms";

/// The gate of a channel whose webhooks tell what became of a call.
const WEBHOOKS: &str = "webhooks";

/// The gate of one without: a former owner's calls are waited for.
const ANSWERS: &str = "answers";

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    /// How many calls.
    pub calls: u64,
    /// When the last of them is judged, ms since 1970.
    pub until_ms: i64,
}

impl Unanswered {
    /// What a ledger tells, whose claims are settled as far as their outcomes show; `None`: of no call. `campaign`: of its
    /// calls alone.
    pub fn of(body: &LedgerBody, campaign: Option<CampaignId>) -> Option<Self> {
        let asked = |doubt: &Doubt<'_>| campaign.is_none_or(|id| doubt.chunk.campaign() == id);
        let each = |doubt: Doubt<'_>| Self { calls: doubt.indexes.len().into(), until_ms: doubt.until_ms };
        body.doubts().filter(asked).map(each).reduce(Self::and)
    }

    fn and(self, other: Self) -> Self {
        Self { calls: self.calls + other.calls, until_ms: self.until_ms.max(other.until_ms) }
    }

    /// `12 calls whose answer is unknown`.
    pub fn says(&self) -> String {
        counted(self.calls, "call whose answer is unknown", "calls whose answer is unknown")
    }
}

impl Stored {
    /// What the campaign waits for on all of its pages.
    pub fn unanswered(&self) -> Option<Unanswered> {
        let pages = self.ledgers.values();
        pages.filter_map(|ledger| Unanswered::of(&ledger.body, Some(self.row.id))).reduce(Unanswered::and)
    }

    /// The same by chunk: recipients who are pending, and whom nobody will call.
    pub(super) fn unanswered_of_chunks(&self) -> BTreeMap<ChunkId, u64> {
        let mut calls = BTreeMap::new();
        for doubt in self.ledgers.values().flat_map(|ledger| ledger.body.doubts()) {
            *calls.entry(doubt.chunk).or_default() += u64::from(doubt.indexes.len());
        }
        calls
    }
}

/// What such calls keep waiting. `has_webhooks`: the channel's may still tell what became of them.
pub fn unanswered_gate(stored: &Stored, has_webhooks: bool, now_ms: i64) -> Option<GateLine> {
    let row = &stored.row;
    let waits = stored.unanswered().filter(|_| !row.state.is_ended())?;
    let zone = row.launch.time_zone.clone();
    let until = when(waits.until_ms, zone.as_deref(), now_ms);
    let says = match (has_webhooks, waits.until_ms > now_ms) {
        (true, true) => format!("of calls whose answer is unknown are waited for until {until} ({SETTING})"),
        (false, true) => format!("calls that were left open are judged at {until}"),
        (_, false) => {
            "calls whose answer is unknown are judged as soon as what is known of them is merged".to_owned()
        }
    };
    Some(GateLine {
        gate: if has_webhooks { WEBHOOKS } else { ANSWERS }.to_owned(),
        says,
        holds: waits.calls,
        until_ms: Some(waits.until_ms),
        frees: None,
        zone,
    })
}

impl GateLine {
    /// Whether it is that of calls whose answer is unknown.
    pub(super) fn is_unanswered(&self) -> bool {
        self.gate == WEBHOOKS || self.gate == ANSWERS
    }

    /// `waits for the webhooks of 12 calls whose answer is unknown, until 2026-11-22 14:05 UTC, in 9 min 3 s
    /// (sender.unresolved_after_ms)`: of a campaign that waits for nothing else.
    pub(super) fn waits_for_answers(&self, now_ms: i64) -> String {
        let calls = Unanswered { calls: self.holds, until_ms: self.until_ms.unwrap_or(now_ms) };
        let until = when(calls.until_ms, self.zone.as_deref(), now_ms);
        match (self.gate.as_str(), calls.until_ms > now_ms) {
            (WEBHOOKS, true) => {
                format!("waits for the webhooks of {}, until {until} ({SETTING})", calls.says())
            }
            (_, true) => format!("waits for {}: judged at {until}", calls.says()),
            (_, false) => {
                format!("judges {} as soon as what is known of them is merged", calls.says())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::{CampaignStatus, derived};
    use super::super::stored::tests::{booked, row, stored};
    use super::*;
    use crate::page::queue::{Place, queued};
    use sluice_core::{CampaignState, Counters, IndexSet, PageId};

    const NOON: i64 = 1_780_315_200_000;

    /// A campaign with one chunk of nine on page `a`, three of whom were called and nobody knows the answer.
    fn crashed() -> Stored {
        let mut stored = stored(row("null", "{}"), &[("a", 9)]);
        let chunk = stored.chunks[0].id;
        let mut ledger = booked(&stored.row, NOON, 0);
        ledger.body.claim(chunk, 1, &IndexSet::full(3)).unwrap();
        ledger.body.doubt(chunk, 1, &IndexSet::full(3), NOON + 300_000);
        stored.ledgers.insert(PageId::from("a"), ledger);
        stored
    }

    fn status(stored: &Stored, pending: u64, has_webhooks: bool, now_ms: i64) -> CampaignStatus {
        let counters = Counters { total: 9, pending, sent: 9 - pending, ..Counters::default() };
        let stored = Stored { counters: vec![(stored.chunks[0].id, counters)], ..stored.clone() };
        let mut status = derived(&stored, now_ms);
        status.gates.extend(unanswered_gate(&stored, has_webhooks, now_ms));
        status
    }

    #[test]
    fn g3_g8_calls_whose_answer_is_unknown_are_told_with_the_time_when_nothing_else_is_left() {
        let stored = crashed();
        let waits = status(&stored, 3, true, NOON);
        assert_eq!(
            waits.held(NOON).unwrap(),
            "spring waits for the webhooks of 3 calls whose answer is unknown, until 2026-06-01 09:05 \
             America/Sao_Paulo, in 5 min 0 s (sender.unresolved_after_ms). 6 of 9 done."
        );
        assert_eq!(queued(&waits, NOON).place, Place::Deferred);
        let late = NOON + 300_000;
        assert_eq!(
            status(&stored, 3, true, late).held(late).unwrap(),
            "spring judges 3 calls whose answer is unknown as soon as what is known of them is merged. 6 of 9 done."
        );
        let without = status(&stored, 3, false, NOON).held(NOON).unwrap();
        assert!(
            without.starts_with("spring waits for 3 calls whose answer is unknown: judged at"),
            "{without}"
        );
    }

    #[test]
    fn g3_g8_beside_others_who_wait_they_are_one_of_the_gates() {
        let status = status(&crashed(), 5, true, NOON);
        assert_eq!((status.held(NOON), queued(&status, NOON).place), (None, Place::Active));
        let line = status.gates.last().unwrap();
        assert_eq!((line.gate.as_str(), line.holds), ("webhooks", 3));
        assert!(line.says.ends_with("in 5 min 0 s (sender.unresolved_after_ms)"), "{}", line.says);
    }

    #[test]
    fn g3_g8_a_cancelled_campaign_tells_what_its_end_waits_for_and_a_paused_one_that_it_is_paused() {
        let mut stored = crashed();
        (stored.row.state, stored.row.reason) = (CampaignState::Cancelling, Some("wrong price".to_owned()));
        let held = status(&stored, 3, true, NOON).held(NOON).unwrap();
        let expected = "spring is being cancelled (wrong price) and waits for the webhooks of 3 calls";
        assert!(held.starts_with(expected), "{held}");
        let held = status(&stored, 9, true, NOON).held(NOON).unwrap();
        assert_eq!(held, "spring is being cancelled (wrong price). 0 of 9 done.");
        (stored.row.state, stored.row.reason) = (CampaignState::Paused, None);
        let held = status(&stored, 3, true, NOON).held(NOON).unwrap();
        assert!(held.starts_with("spring is paused; to go on"), "{held}");
    }

    #[test]
    fn g3_what_another_campaign_waits_for_is_not_told() {
        let mut stored = crashed();
        stored.row.id = CampaignId::of("default", "other");
        assert_eq!((stored.unanswered(), unanswered_gate(&stored, true, NOON)), (None, None));
    }
}
