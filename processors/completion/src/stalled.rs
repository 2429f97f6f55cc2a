//! Whether a campaign that does not move has a reason (D8). Pure.
//!
//! A gate that is closed is a reason, and so is everything that somebody else will settle: a claim, a retry that is
//! asked for, a descriptor that the sender has: unless no process sends for its shard. What nobody knows of is lost, and
//! is asked for again. Who is left of a cancelled campaign was called, or is counted as cancelled in a moment.

use crate::descriptors::Asked;
use sluice_core::facts::Status;
use sluice_core::gate::{self, CampaignGate};
use sluice_core::{CampaignState, ChunkId, ChunkState, IndexSet};
use sluice_schemas::GateClass;
use std::collections::BTreeMap;

/// Why a campaign does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Outcomes are in the log and not merged yet.
    Receipts,
    /// It does not run, or waits for its start, a day, its window or its end.
    Gate(gate::Waits),
    /// Its limit of 24 hours is used up.
    DailyLimit,
    /// Calls have no outcome yet; their page settles them.
    Claims,
    /// Another attempt is asked for later, in ms since 1970.
    Retry(i64),
    /// Its page has the descriptor: the limits of the page, a hold and other campaigns are its affair.
    Page,
    /// Nobody who is open may be called now.
    Closed,
}

impl Waits {
    /// In words, for logs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Receipts => "outcomes are not merged yet",
            Self::Gate(_) | Self::Closed => "it does not run, or its window is closed",
            Self::DailyLimit => "its daily limit is used up",
            Self::Claims => "calls have no outcome yet",
            Self::Retry(_) => "another attempt is due later",
            Self::Page => "its pages have its chunks",
        }
    }
}

/// A chunk with open recipients, as everybody knows it.
#[derive(Debug)]
pub struct ChunkSeen<'a> {
    /// Its name.
    pub id: ChunkId,
    /// Its rows.
    pub size: u32,
    /// What its gate looks at.
    pub class: &'a GateClass,
    /// The campaign's gate on its page.
    pub gate: &'a CampaignGate,
    /// The page's share of the campaign's daily limit is used up.
    pub is_day_full: bool,
    /// Claimed in its page's ledger.
    pub claims: IndexSet,
    /// Records of `chunks` that the sender has not finished.
    pub asked: &'a [Asked],
    /// No process has had its shard for long: who waits for its page waits for nobody.
    pub nobody_sends: bool,
    /// What is known of its recipients.
    pub state: &'a ChunkState,
}

/// Recipients of a chunk that wait for an attempt that nobody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The chunk.
    pub chunk: ChunkId,
    /// Who, by the attempt that is theirs.
    pub attempts: BTreeMap<u8, IndexSet>,
}

impl Lost {
    /// How many.
    pub fn recipients(&self) -> u64 {
        self.attempts.values().map(|indexes| u64::from(indexes.len())).sum()
    }
}

/// What comes of a look at a campaign that has not moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It has a reason.
    Waits(Waits),
    /// It has none, and nobody will ask for these.
    Stalled(Vec<Lost>),
    /// So many recipients wait for their page, and no process sends for it.
    Unattended(u64),
}

/// Judges a campaign by its chunks with open recipients. One that is lost counts, whatever the others wait for.
pub fn judge(chunks: &[ChunkSeen<'_>], now_ms: i64) -> Verdict {
    let (mut lost, mut first, mut unattended) = (Vec::new(), None, 0);
    for chunk in chunks {
        match judge_chunk(chunk, now_ms) {
            Ok(Waits::Page | Waits::Claims) if chunk.nobody_sends => {
                unattended += u64::from(open(chunk).len());
            }
            Ok(waits) => first = first.or(Some(waits)),
            Err(found) => lost.push(found),
        }
    }
    match first {
        _ if !lost.is_empty() => Verdict::Stalled(lost),
        _ if unattended > 0 => Verdict::Unattended(unattended),
        waits => Verdict::Waits(waits.unwrap_or(Waits::Receipts)),
    }
}

fn judge_chunk(chunk: &ChunkSeen<'_>, now_ms: i64) -> Result<Waits, Lost> {
    match chunk.gate.verdict(chunk.class, now_ms) {
        Err(gate::Waits::State(CampaignState::Cancelling)) => return Ok(settles(chunk)),
        Err(waits) => return Ok(Waits::Gate(waits)),
        Ok(_) => {}
    }
    if chunk.is_day_full {
        return Ok(Waits::DailyLimit);
    }
    // Its recipients are looked at one by one as soon as this record is finished.
    if chunk.asked.contains(&Asked::First) {
        return Ok(Waits::Page);
    }
    let (open, attempts) = lost(chunk);
    if !attempts.is_empty() {
        return Err(Lost { chunk: chunk.id, attempts });
    }
    let mut claimed = chunk.claims.clone();
    claimed.intersect_with(&open);
    if !claimed.is_empty() {
        return Ok(Waits::Claims);
    }
    let next = chunk.asked.iter().filter_map(|asked| match asked {
        Asked::Retry { not_before_ms, .. } => Some(*not_before_ms),
        Asked::First => None,
    });
    match next.min() {
        Some(at_ms) if at_ms > now_ms => Ok(Waits::Retry(at_ms)),
        Some(_) => Ok(Waits::Page),
        // Nobody is open, or nothing may be tried: what settles them is a receipt on its way.
        None => Ok(Waits::Receipts),
    }
}

/// What a chunk of a cancelled campaign waits for.
fn settles(chunk: &ChunkSeen<'_>) -> Waits {
    let mut claimed = open(chunk);
    claimed.intersect_with(&chunk.claims);
    if claimed.is_empty() { Waits::Receipts } else { Waits::Claims }
}

fn open(chunk: &ChunkSeen<'_>) -> IndexSet {
    chunk.state.select(chunk.size, |recipient| recipient.status() == Status::Pending)
}

/// Who is open, and those of them whom nobody will call.
fn lost(chunk: &ChunkSeen<'_>) -> (IndexSet, BTreeMap<u8, IndexSet>) {
    let open = open(chunk);
    let mut unclaimed = open.clone();
    unclaimed.subtract(&chunk.claims);
    let mut attempts: BTreeMap<u8, IndexSet> = BTreeMap::new();
    for index in unclaimed.iter() {
        let recipient = chunk.state.recipient(index);
        let next = recipient.attempts().saturating_add(1);
        let is_asked = chunk.asked.iter().any(|asked| match asked {
            Asked::First => next == 1,
            Asked::Retry { attempt, indexes, .. } => *attempt == next && indexes.contains(index),
        });
        if !is_asked && recipient.may_attempt(next) {
            attempts.entry(next).or_default().insert(index);
        }
    }
    (open, attempts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::tests::{chunk_row, launch};
    use sluice_core::chunk_state::entry;
    use sluice_core::{CampaignRow, CampaignState};
    use sluice_schemas::{Fact, OpenHours, SendWindow, WindowClock};

    const NOON: i64 = 1_780_315_200_000;

    fn gate(open: Option<(&str, &str)>) -> CampaignGate {
        let mut launch = launch();
        launch.rules.window = open.map(|(from, to)| SendWindow {
            open: vec![OpenHours { days: Vec::new(), from: from.to_owned(), to: to.to_owned() }],
            clock: WindowClock::Campaign,
            closed_on: Vec::new(),
        });
        CampaignGate::of(&CampaignRow::launched(launch, 0), 0).unwrap()
    }

    fn seen<'a>(gate: &'a CampaignGate, state: &'a ChunkState, asked: &'a [Asked]) -> ChunkSeen<'a> {
        const EVERYWHERE: &GateClass = &GateClass { zone: None, day: None };
        ChunkSeen {
            id: chunk_row(0, 4).id,
            size: 4,
            class: EVERYWHERE,
            gate,
            is_day_full: false,
            claims: IndexSet::new(),
            asked,
            nobody_sends: false,
            state,
        }
    }

    fn state(facts: &[(Fact, u16, u8)]) -> ChunkState {
        let mut state = ChunkState::new();
        facts
            .iter()
            .for_each(|(fact, index, attempt)| state.merge(&entry(*fact, *index, *index, *attempt, 0)));
        state
    }

    #[test]
    fn d8_a_chunk_that_nobody_has_is_lost_with_those_of_its_recipients_that_are_open() {
        let (gate, state) = (gate(None), state(&[(Fact::Accepted, 1, 1), (Fact::Skipped, 2, 0)]));
        let found = judge(&[seen(&gate, &state, &[])], NOON);
        let attempts = BTreeMap::from([(1, [0, 3].into_iter().collect())]);
        assert_eq!(found, Verdict::Stalled(vec![Lost { chunk: chunk_row(0, 4).id, attempts }]));
        assert_eq!(judge(&[seen(&gate, &state, &[Asked::First])], NOON), Verdict::Waits(Waits::Page));
    }

    #[test]
    fn d8_a_campaign_with_a_reason_is_never_lost() {
        let (open, closed, state) = (gate(None), gate(Some(("13:00", "14:00"))), ChunkState::new());
        let opens = Some(NOON + 3_600_000);
        let waits = |chunk| judge(&[chunk], NOON);
        let window = Verdict::Waits(Waits::Gate(gate::Waits::Window { opens_ms: opens }));
        assert_eq!(waits(seen(&closed, &state, &[])), window);
        let paused = open.in_state(CampaignState::Paused);
        let expected = Waits::Gate(gate::Waits::State(CampaignState::Paused));
        assert_eq!(waits(seen(&paused, &state, &[])), Verdict::Waits(expected));
        let full = ChunkSeen { is_day_full: true, ..seen(&open, &state, &[]) };
        assert_eq!(waits(full), Verdict::Waits(Waits::DailyLimit));
        let claimed = ChunkSeen { claims: IndexSet::full(4), ..seen(&open, &state, &[]) };
        assert_eq!(waits(claimed), Verdict::Waits(Waits::Claims));
    }

    #[test]
    fn d8_a_retry_that_is_asked_for_is_a_reason_and_one_that_nobody_asks_for_is_lost() {
        let done = [(Fact::Accepted, 2, 1), (Fact::Accepted, 3, 1)];
        let failed = [(Fact::Failed, 0, 1), (Fact::Failed, 1, 1)];
        let (gate, state) = (gate(None), state(&[done, failed].concat()));
        let retry = |indexes: &[u16]| Asked::Retry {
            attempt: 2,
            not_before_ms: NOON + 5,
            indexes: indexes.iter().copied().collect(),
        };
        let both = [retry(&[0, 1])];
        assert_eq!(judge(&[seen(&gate, &state, &both)], NOON), Verdict::Waits(Waits::Retry(NOON + 5)));
        assert_eq!(judge(&[seen(&gate, &state, &both)], NOON + 5), Verdict::Waits(Waits::Page));
        let one = [retry(&[0])];
        let Verdict::Stalled(lost) = judge(&[seen(&gate, &state, &one)], NOON) else { panic!("not stalled") };
        assert_eq!((lost[0].recipients(), lost[0].attempts[&2].ranges()), (1, vec![(1, 1)]));
    }

    #[test]
    fn d8_who_waits_for_a_page_that_no_process_sends_for_waits_for_nobody() {
        let (open, closed, state) = (gate(None), gate(Some(("13:00", "14:00"))), ChunkState::new());
        let alone = |chunk| judge(&[ChunkSeen { nobody_sends: true, ..chunk }], NOON);
        let asked = [Asked::First];
        assert_eq!(alone(seen(&open, &state, &asked)), Verdict::Unattended(4));
        let claimed = ChunkSeen { claims: IndexSet::full(4), ..seen(&open, &state, &[]) };
        assert_eq!(alone(claimed), Verdict::Unattended(4), "nobody settles its claims");
        assert!(matches!(alone(seen(&closed, &state, &asked)), Verdict::Waits(Waits::Gate(_))));
        assert!(matches!(alone(seen(&open, &state, &[])), Verdict::Stalled(_)), "first it is asked for");
    }

    #[test]
    fn d8_g8_who_was_called_for_a_cancelled_campaign_is_settled_by_its_page_whatever_its_hours() {
        let cancelling = gate(Some(("13:00", "14:00"))).in_state(CampaignState::Cancelling);
        let state = ChunkState::new();
        let claims = || [1, 2].into_iter().collect();
        let claimed = ChunkSeen { claims: claims(), ..seen(&cancelling, &state, &[]) };
        assert_eq!(judge(&[claimed], NOON), Verdict::Waits(Waits::Claims));
        let alone = ChunkSeen { claims: claims(), nobody_sends: true, ..seen(&cancelling, &state, &[]) };
        assert_eq!(judge(&[alone], NOON), Verdict::Unattended(4));
        let unclaimed = ChunkSeen { nobody_sends: true, ..seen(&cancelling, &state, &[]) };
        assert_eq!(
            judge(&[unclaimed], NOON),
            Verdict::Waits(Waits::Receipts),
            "they are cancelled in a moment"
        );
    }

    #[test]
    fn g1_who_is_unknown_or_claimed_is_asked_for_by_nobody() {
        let (gate, state) = (gate(None), state(&[(Fact::Unresolved, 0, 1), (Fact::Failed, 1, 1)]));
        let claims = [1, 2, 3].into_iter().collect();
        let chunk = ChunkSeen { claims, ..seen(&gate, &state, &[]) };
        assert_eq!(judge(&[chunk], NOON), Verdict::Waits(Waits::Claims));
    }
}
