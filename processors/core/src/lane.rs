//! The queue of one campaign inside a page: chunks to be called, retries that become due, and what waits for
//! its outcome to show.
//!
//! A chunk is homogeneous, so a lane holds descriptors, not messages; only what can be called next is decoded.

use crate::chunk_state::ChunkState;
use crate::facts::{Recipient, Status};
use crate::ids::ChunkId;
use crate::index_set::IndexSet;
use sluice_schemas::Span;
use std::collections::VecDeque;

/// Where the payloads of a work come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Records of `sends`, read in order from a cursor.
    Spans(SpanCursor),
    /// The recipient rows: retries, and first attempts whose records are gone (hazard 26).
    Rows,
}

/// What is left to read of a chunk's spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanCursor {
    spans: VecDeque<Span>,
}

impl SpanCursor {
    /// At the first record.
    pub fn new(spans: impl IntoIterator<Item = Span>) -> Self {
        Self { spans: spans.into_iter().filter(|span| span.first < span.end).collect() }
    }

    /// The offset to read next and the end of its span.
    pub fn next(&self) -> Option<(u64, u64)> {
        self.spans.front().map(|span| (span.first.max(0) as u64, span.end.max(0) as u64))
    }

    /// Everything below `offset` of the present span has been read.
    pub fn advance(&mut self, offset: u64) {
        if let Some(span) = self.spans.front_mut() {
            span.first = i64::try_from(offset).unwrap_or(i64::MAX);
            if span.first >= span.end {
                self.spans.pop_front();
            }
        }
    }
}

/// One attempt of some recipients of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The chunk.
    pub chunk: ChunkId,
    /// The attempt.
    pub attempt: u8,
    /// Earliest start, in ms since 1970; 0 for first attempts.
    pub not_before_ms: i64,
    /// Where payloads come from.
    pub source: Source,
    /// The records of `chunks` that asked for it: finished together.
    pub records: Vec<u64>,
    /// Recipients whose outcome of this attempt the chunk state does not show yet.
    unfinished: IndexSet,
    /// Those of them that are neither claimed nor decoded.
    unloaded: IndexSet,
    /// Those that were given out for decoding: each only once, until [`Work::restart`].
    taken: IndexSet,
}

/// What becomes of one recipient of a work.
enum Fate {
    /// May be claimed now.
    Open,
    /// Not decided yet: claimed, or the failure before is not shown yet.
    Waiting,
    /// Nothing is left to do.
    Finished,
}

impl Work {
    /// The recipients `asked` at this attempt, as far as `state` and the ledger's claims leave any.
    pub fn open(
        chunk: ChunkId,
        attempt: u8,
        not_before_ms: i64,
        source: Source,
        record: u64,
        asked: IndexSet,
    ) -> Self {
        Self {
            chunk,
            attempt,
            not_before_ms,
            source,
            records: vec![record],
            unfinished: asked,
            ..Self::empty(chunk)
        }
    }

    fn empty(chunk: ChunkId) -> Self {
        Self {
            chunk,
            attempt: 1,
            not_before_ms: 0,
            source: Source::Rows,
            records: Vec::new(),
            unfinished: IndexSet::new(),
            unloaded: IndexSet::new(),
            taken: IndexSet::new(),
        }
    }

    /// Looks at the chunk state: drops what is finished, and offers what may be claimed and is not yet
    /// (`busy`: claimed in the ledger, or decoded already).
    pub fn observe(&mut self, state: &ChunkState, busy: &IndexSet) {
        let mut finished = IndexSet::new();
        let mut open = IndexSet::new();
        for index in self.unfinished.iter() {
            match fate(state.recipient(index), self.attempt) {
                Fate::Open => {
                    open.insert(index);
                }
                Fate::Finished => {
                    finished.insert(index);
                }
                Fate::Waiting => {}
            }
        }
        self.unfinished.subtract(&finished);
        open.subtract(busy);
        open.subtract(&self.taken);
        self.unloaded = open;
    }

    /// Takes at most `limit` recipients that may be decoded now.
    pub fn take_unloaded(&mut self, limit: usize) -> IndexSet {
        let taken: IndexSet = self.unloaded.iter().take(limit).collect();
        self.unloaded.subtract(&taken);
        self.taken.union_with(&taken);
        taken
    }

    /// Puts recipients back that could not be decoded now.
    pub fn put_back(&mut self, indexes: &IndexSet) {
        self.taken.subtract(indexes);
        self.unloaded.union_with(indexes);
    }

    /// Forgets what was decoded: the page changed hands, and only a new look at ledger and chunk state tells
    /// who may still be called.
    fn restart(&mut self) {
        if !self.taken.is_empty() {
            self.source = Source::Rows;
        }
        self.taken = IndexSet::new();
        self.unloaded = IndexSet::new();
    }

    /// Takes one recipient if it may be decoded now.
    pub fn take_one(&mut self, index: u16) -> bool {
        self.unloaded.remove(index) && self.taken.insert(index)
    }

    /// Recipients that may be decoded.
    pub fn unloaded(&self) -> &IndexSet {
        &self.unloaded
    }

    /// Recipients whose outcome is not shown.
    pub fn unfinished(&self) -> &IndexSet {
        &self.unfinished
    }

    /// Whether the outcome of every recipient is shown.
    pub fn is_finished(&self) -> bool {
        self.unfinished.is_empty()
    }
}

fn fate(recipient: Recipient, attempt: u8) -> Fate {
    if recipient.may_attempt(attempt) {
        return Fate::Open;
    }
    if recipient.is_settled(attempt) || recipient.is_excluded() || recipient.status() != Status::Pending {
        return Fate::Finished;
    }
    Fate::Waiting
}

/// All works of one campaign on one page.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// First attempts, in order.
    first: VecDeque<Work>,
    /// Retries, by their time.
    retries: Vec<Work>,
    /// Decoded to the end, waiting for outcomes to show.
    settling: Vec<Work>,
}

impl Lane {
    /// Adds a work; one that is known only gets another record to finish.
    pub fn add(&mut self, work: Work) {
        let same = |known: &&mut Work| {
            known.chunk == work.chunk
                && known.attempt == work.attempt
                && (work.attempt == 1 || known.unfinished == work.unfinished)
        };
        if let Some(known) = self.works_mut().find(same) {
            known.records.extend(work.records);
        } else if work.attempt == 1 {
            self.first.push_back(work);
        } else {
            let place = self.retries.partition_point(|known| known.not_before_ms <= work.not_before_ms);
            self.retries.insert(place, work);
        }
    }

    /// The work to decode next: retries that are due first, they are few and waited already.
    pub fn next(&mut self, now_ms: i64) -> Option<&mut Work> {
        if self.retries.first().is_some_and(|work| work.not_before_ms <= now_ms) {
            return self.retries.first_mut();
        }
        self.first.front_mut()
    }

    /// The work that [`Lane::next`] gives is decoded to the end.
    pub fn next_is_decoded(&mut self, now_ms: i64) {
        if self.retries.first().is_some_and(|work| work.not_before_ms <= now_ms) {
            self.settling.push(self.retries.remove(0));
        } else if let Some(work) = self.first.pop_front() {
            self.settling.push(work);
        }
    }

    /// When the next retry becomes due, in ms since 1970.
    pub fn next_retry_ms(&self) -> Option<i64> {
        self.retries.first().map(|work| work.not_before_ms)
    }

    /// The works that wait for outcomes.
    pub fn settling_mut(&mut self) -> &mut Vec<Work> {
        &mut self.settling
    }

    /// A work whose recipients may be called after all goes back to the decoding ones.
    pub fn reopen_settling(&mut self) {
        let (open, settling) =
            std::mem::take(&mut self.settling).into_iter().partition(|work| !work.unloaded.is_empty());
        self.settling = settling;
        self.decode_again(open);
    }

    /// Every work starts over: what was decoded under a former grant of the page is forgotten.
    pub fn restart(&mut self) {
        self.works_mut().for_each(Work::restart);
        let settling = std::mem::take(&mut self.settling);
        self.decode_again(settling);
    }

    fn decode_again(&mut self, works: Vec<Work>) {
        for mut work in works {
            work.source = Source::Rows;
            if work.attempt == 1 {
                self.first.push_front(work);
            } else {
                self.retries.insert(0, work);
            }
        }
    }

    /// Takes the finished works out of those that wait for outcomes.
    pub fn take_finished(&mut self) -> Vec<Work> {
        let (finished, settling) =
            std::mem::take(&mut self.settling).into_iter().partition(Work::is_finished);
        self.settling = settling;
        finished
    }

    /// Every work.
    pub fn works(&self) -> impl Iterator<Item = &Work> {
        self.first.iter().chain(&self.retries).chain(&self.settling)
    }

    fn works_mut(&mut self) -> impl Iterator<Item = &mut Work> {
        self.first.iter_mut().chain(&mut self.retries).chain(&mut self.settling)
    }

    /// Whether there is no work.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.retries.is_empty() && self.settling.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CampaignId;
    use crate::chunk_state::entry;
    use sluice_schemas::Fact;

    fn chunk() -> ChunkId {
        ChunkId::new(CampaignId::of("t", "c"), 0, 1, 1)
    }

    fn work(attempt: u8, asked: IndexSet) -> Work {
        Work::open(chunk(), attempt, 0, Source::Rows, 7, asked)
    }

    #[test]
    fn claimed_recipients_are_not_offered_again() {
        let mut first = work(1, IndexSet::full(4));
        first.observe(&ChunkState::new(), &[1, 2].into_iter().collect());
        assert_eq!(first.unloaded().ranges(), [(0, 0), (3, 3)]);
        assert_eq!(first.unfinished().len(), 4);
    }

    #[test]
    fn g1_a_retry_waits_until_the_failure_before_is_shown() {
        let mut retry = work(2, IndexSet::full(2));
        let mut state = ChunkState::new();
        retry.observe(&state, &IndexSet::new());
        assert!(retry.unloaded().is_empty() && !retry.is_finished());
        state.merge(&entry(Fact::Failed, 0, 1, 1, 0));
        retry.observe(&state, &IndexSet::new());
        assert_eq!(retry.unloaded().len(), 2);
        state.merge(&entry(Fact::Accepted, 0, 1, 2, 0));
        retry.observe(&state, &IndexSet::new());
        assert!(retry.is_finished());
    }

    #[test]
    fn skipped_and_cancelled_recipients_finish_without_a_call() {
        let mut first = work(1, IndexSet::full(2));
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Skipped, 0, 0, 0, 0));
        state.merge(&entry(Fact::Cancelled, 1, 1, 0, 0));
        first.observe(&state, &IndexSet::new());
        assert!(first.is_finished());
    }

    #[test]
    fn a_descriptor_that_is_delivered_again_only_adds_its_record() {
        let mut lane = Lane::default();
        lane.add(work(1, IndexSet::full(2)));
        lane.add(Work { records: vec![9], ..work(1, IndexSet::full(2)) });
        assert_eq!(lane.works().map(|work| work.records.clone()).collect::<Vec<_>>(), [vec![7, 9]]);
    }

    #[test]
    fn g1_each_recipient_is_given_out_once_until_the_page_changes_hands() {
        let mut lane = Lane::default();
        lane.add(work(1, IndexSet::full(3)));
        let work = lane.next(0).unwrap();
        work.observe(&ChunkState::new(), &IndexSet::new());
        assert_eq!(work.take_unloaded(2).len(), 2);
        work.observe(&ChunkState::new(), &IndexSet::new());
        assert_eq!(work.unloaded().ranges(), [(2, 2)]);
        lane.next_is_decoded(0);
        lane.restart();
        let work = lane.next(0).unwrap();
        work.observe(&ChunkState::new(), &[1].into_iter().collect());
        assert_eq!(work.unloaded().ranges(), [(0, 0), (2, 2)]);
    }

    #[test]
    fn c3_a_waiting_retry_does_not_hold_first_attempts_up() {
        let mut lane = Lane::default();
        lane.add(Work { not_before_ms: 500, ..work(2, IndexSet::full(1)) });
        lane.add(work(1, IndexSet::full(1)));
        assert_eq!(lane.next(499).map(|work| work.attempt), Some(1));
        assert_eq!(lane.next(500).map(|work| work.attempt), Some(2));
        assert_eq!(lane.next_retry_ms(), Some(500));
    }

    #[test]
    fn a_cursor_walks_through_all_spans() {
        let mut cursor = SpanCursor::new([Span { first: 3, end: 5 }, Span { first: 9, end: 10 }]);
        assert_eq!(cursor.next(), Some((3, 5)));
        cursor.advance(5);
        assert_eq!(cursor.next(), Some((9, 10)));
        cursor.advance(10);
        assert_eq!(cursor.next(), None);
    }
}
