//! The queues of one campaign inside a page, one a class: chunks to be called, retries that become due, and what
//! waits for its outcome to show.
//!
//! A chunk is homogeneous, so a lane holds descriptors, not messages; only what can be called next is decoded, and
//! a class whose window is closed holds no other up (G6).

use crate::chunk_state::ChunkState;
use crate::facts::{Recipient, Status};
use crate::ids::ChunkId;
use crate::index_set::IndexSet;
use sluice_schemas::{GateClass, Span};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

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
    /// Places of the spans that are behind it.
    passed: u64,
}

impl SpanCursor {
    /// At the first record.
    pub fn new(spans: impl IntoIterator<Item = Span>) -> Self {
        Self { spans: spans.into_iter().filter(|span| span.first < span.end).collect(), passed: 0 }
    }

    /// The offset to read next and the end of its span.
    pub fn next(&self) -> Option<(u64, u64)> {
        self.spans.front().map(|span| (span.first.max(0) as u64, span.end.max(0) as u64))
    }

    /// Everything below `offset` of the present span has been read.
    pub fn advance(&mut self, offset: u64) {
        if let Some(span) = self.spans.front_mut() {
            let to = i64::try_from(offset).unwrap_or(i64::MAX);
            self.passed += to.min(span.end).abs_diff(span.first);
            span.first = to;
            if span.first >= span.end {
                self.spans.pop_front();
            }
        }
    }

    /// Goes on behind the first `places` places of all spans, if it is not there yet.
    pub fn skip_to(&mut self, places: u64) {
        while self.passed < places
            && let Some((first, end)) = self.next()
        {
            self.advance(end.min(first + (places - self.passed)));
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
    /// What its gate looks at.
    pub class: Arc<GateClass>,
    asked: Asked,
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
        let asked_for = match attempt {
            1 => (chunk, 1, 0, 0),
            _ => (chunk, attempt, asked.iter().next().unwrap_or(0), asked.len()),
        };
        Self {
            chunk,
            attempt,
            not_before_ms,
            source,
            records: vec![record],
            class: Arc::default(),
            asked: asked_for,
            unfinished: asked,
            unloaded: IndexSet::new(),
            taken: IndexSet::new(),
        }
    }

    /// The same, of a class.
    pub fn of_class(self, class: GateClass) -> Self {
        Self { class: Arc::new(class), ..self }
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
        self.skip_finished(state);
    }

    /// Records lie in the order of their indexes, and every index has one, except where the row was skipped when the
    /// audience was expanded: as many lie before the first that is wanted. An owner that takes a chunk over in the
    /// middle does not read what was called long ago. Another producer's records in between only put the first wanted
    /// one further back, and one that were missed nevertheless would be read from its row.
    fn skip_finished(&mut self, state: &ChunkState) {
        if let (Source::Spans(cursor), Some(first)) = (&mut self.source, self.unloaded.iter().next()) {
            let has_record = |index: &u16| !state.recipient(*index).is_excluded();
            cursor.skip_to((0..first).filter(has_record).count() as u64);
        }
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

/// By what a descriptor that is delivered again is found: chunk, attempt, first and number of the recipients asked
/// for. First attempts ask for whole chunks.
type Asked = (ChunkId, u8, u16, u32);

/// What waits in one class.
#[derive(Debug, Clone, Default)]
struct Queue {
    /// First attempts, in order.
    first: VecDeque<u64>,
    /// Retries, by their time.
    retries: BTreeSet<(i64, u64)>,
}

impl Queue {
    fn due(&self, now_ms: i64) -> Option<(i64, u64)> {
        self.retries.first().copied().filter(|(not_before_ms, _)| *not_before_ms <= now_ms)
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.retries.is_empty()
    }
}

/// All works of one campaign on one page. Every step costs the logarithm of their number, however many chunks wait
/// or retries are to come, and the number of its classes.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// By number, in the order in which they came.
    works: BTreeMap<u64, Work>,
    numbers: BTreeMap<Asked, BTreeSet<u64>>,
    next_number: u64,
    queues: BTreeMap<Arc<GateClass>, Queue>,
    /// Decoded to the end, waiting for outcomes to show.
    settling: BTreeSet<(ChunkId, u64)>,
}

impl Lane {
    /// Adds a work; one that is known only gets another record to finish.
    pub fn add(&mut self, work: Work) {
        let candidates = self.numbers.entry(work.asked).or_default();
        let is_same = |known: &&u64| {
            let known = self.works.get(*known);
            known.is_some_and(|known| work.attempt == 1 || known.unfinished == work.unfinished)
        };
        if let Some(known) = candidates.iter().find(is_same).copied() {
            if let Some(known) = self.works.get_mut(&known) {
                known.records.extend(work.records);
            }
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        candidates.insert(number);
        let queue = self.queues.entry(work.class.clone()).or_default();
        if work.attempt == 1 {
            queue.first.push_back(number);
        } else {
            queue.retries.insert((work.not_before_ms, number));
        }
        self.works.insert(number, work);
    }

    /// The work to decode next, of a class that is open: retries that are due first, they are few and waited
    /// already; of several classes what came first.
    pub fn next(&mut self, now_ms: i64, is_open: impl Fn(&GateClass) -> bool) -> Option<(u64, &mut Work)> {
        let open = || self.queues.iter().filter(|(class, _)| is_open(class)).map(|(_, queue)| queue);
        let due = open().filter_map(|queue| queue.due(now_ms)).min().map(|(_, number)| number);
        let number = due.or_else(|| open().filter_map(|queue| queue.first.front().copied()).min())?;
        Some((number, self.works.get_mut(&number)?))
    }

    /// The classes that something waits in.
    pub fn classes(&self) -> impl Iterator<Item = &Arc<GateClass>> {
        self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(class, _)| class)
    }

    /// Recipients of a class that are neither decoded nor known to be finished.
    pub fn waiting_of(&self, class: &GateClass) -> u64 {
        let Some(queue) = self.queues.get(class) else { return 0 };
        let numbers = queue.first.iter().copied().chain(queue.retries.iter().map(|(_, number)| *number));
        let works = numbers.filter_map(|number| self.works.get(&number));
        works.map(|work| u64::from(work.unfinished.len() - work.taken.len().min(work.unfinished.len()))).sum()
    }

    /// Puts decoded recipients back that can't be called now.
    pub fn put_back(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet) {
        let of_chunk =
            self.works.iter_mut().filter(|(_, work)| work.chunk == chunk && work.attempt == attempt);
        let mut again = Vec::new();
        for (number, work) in of_chunk {
            let mut mine = indexes.clone();
            mine.intersect_with(&work.taken);
            if !mine.is_empty() {
                work.put_back(&mine);
                work.source = Source::Rows;
                again.push(*number);
            }
        }
        for number in again {
            if self.settling.remove(&(chunk, number)) {
                self.decode_again(number);
            }
        }
    }

    /// A work by its number, as long as it is there.
    pub fn work(&mut self, number: u64) -> Option<&mut Work> {
        self.works.get_mut(&number)
    }

    /// This work is decoded to the end.
    pub fn is_decoded(&mut self, number: u64) {
        let Some(work) = self.works.get(&number) else { return };
        self.settling.insert((work.chunk, number));
        let Some(queue) = self.queues.get_mut(&work.class) else { return };
        if !queue.retries.remove(&(work.not_before_ms, number)) {
            // Nearly always the first.
            let place = queue.first.iter().position(|first| *first == number);
            place.map(|place| queue.first.remove(place));
        }
        if queue.is_empty() {
            self.queues.remove(&work.class);
        }
    }

    /// When the next retry becomes due, in ms since 1970.
    pub fn next_retry_ms(&self) -> Option<i64> {
        let firsts = self.queues.values().filter_map(|queue| queue.retries.first());
        firsts.map(|(not_before_ms, _)| *not_before_ms).min()
    }

    fn settling_of(&self, chunk: ChunkId) -> Vec<u64> {
        self.settling.range((chunk, 0)..=(chunk, u64::MAX)).map(|(_, number)| *number).collect()
    }

    /// What waits for outcomes of `chunk` looks at its state (see [`Work::observe`]): the finished works leave, those
    /// whose recipients may be called after all are decoded again. Whether any still waits.
    pub fn settle(&mut self, chunk: ChunkId, state: &ChunkState, busy: &IndexSet) -> (Vec<Work>, bool) {
        let (mut finished, mut waits) = (Vec::new(), false);
        for number in self.settling_of(chunk) {
            let Some(work) = self.works.get_mut(&number) else { continue };
            work.observe(state, busy);
            if work.is_finished() {
                finished.extend(self.remove(number));
                continue;
            }
            waits = true;
            if !work.unloaded.is_empty() {
                self.settling.remove(&(chunk, number));
                self.decode_again(number);
            }
        }
        (finished, waits)
    }

    fn remove(&mut self, number: u64) -> Option<Work> {
        let work = self.works.remove(&number)?;
        self.settling.remove(&(work.chunk, number));
        if let Some(numbers) = self.numbers.get_mut(&work.asked) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.numbers.remove(&work.asked);
            }
        }
        Some(work)
    }

    /// Every work starts over: what was decoded under a former grant of the page is forgotten.
    pub fn restart(&mut self) {
        self.works.values_mut().for_each(Work::restart);
        for (_, number) in std::mem::take(&mut self.settling) {
            self.decode_again(number);
        }
    }

    fn decode_again(&mut self, number: u64) {
        let Some(work) = self.works.get_mut(&number) else { return };
        work.source = Source::Rows;
        let queue = self.queues.entry(work.class.clone()).or_default();
        if work.attempt == 1 {
            queue.first.push_front(number);
        } else {
            queue.retries.insert((work.not_before_ms, number));
        }
    }

    /// Every work.
    pub fn works(&self) -> impl Iterator<Item = &Work> {
        self.works.values()
    }

    /// Whether there is no work.
    pub fn is_empty(&self) -> bool {
        self.works.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CampaignId;
    use crate::chunk_state::entry;
    use proptest::prelude::*;
    use sluice_schemas::Fact;

    fn chunk() -> ChunkId {
        ChunkId::new(CampaignId::of("t", "c"), 0, 1, 1)
    }

    fn always(_: &GateClass) -> bool {
        true
    }

    #[test]
    fn g6_a_closed_class_holds_no_other_up_and_what_was_decoded_of_it_waits_again() {
        let class = |zone: &str| GateClass { zone: Some(zone.to_owned()), day: None };
        let mut lane = Lane::default();
        let other = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 2);
        lane.add(work(1, IndexSet::full(2)).of_class(class("UTC")));
        lane.add(
            Work { chunk: other, asked: (other, 1, 0, 0), ..work(1, IndexSet::full(3)) }
                .of_class(class("Asia/Tokyo")),
        );
        let (number, next) = lane.next(0, |class| class.zone.as_deref() == Some("Asia/Tokyo")).unwrap();
        assert_eq!(next.chunk, other);
        next.observe(&ChunkState::new(), &IndexSet::new());
        assert_eq!(next.take_unloaded(2).len(), 2);
        lane.is_decoded(number);
        lane.put_back(other, 1, &[1].into_iter().collect());
        let (again, next) = lane.next(0, |class| class.zone.as_deref() == Some("Asia/Tokyo")).unwrap();
        assert_eq!((again, next.unloaded().ranges()), (number, vec![(1, 2)]));
        assert_eq!(lane.next(0, always).map(|(_, work)| work.chunk), Some(chunk()), "what came first");
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
        let (number, work) = lane.next(0, always).unwrap();
        work.observe(&ChunkState::new(), &IndexSet::new());
        assert_eq!(work.take_unloaded(2).len(), 2);
        work.observe(&ChunkState::new(), &IndexSet::new());
        assert_eq!(work.unloaded().ranges(), [(2, 2)]);
        lane.is_decoded(number);
        lane.restart();
        let (_, work) = lane.next(0, always).unwrap();
        work.observe(&ChunkState::new(), &[1].into_iter().collect());
        assert_eq!(work.unloaded().ranges(), [(0, 0), (2, 2)]);
    }

    #[test]
    fn c3_a_waiting_retry_does_not_hold_first_attempts_up() {
        let mut lane = Lane::default();
        lane.add(Work { not_before_ms: 500, ..work(2, IndexSet::full(1)) });
        lane.add(work(1, IndexSet::full(1)));
        assert_eq!(lane.next(499, always).map(|(_, work)| work.attempt), Some(1));
        assert_eq!(lane.next(500, always).map(|(_, work)| work.attempt), Some(2));
        assert_eq!(lane.next_retry_ms(), Some(500));
    }

    #[test]
    fn a_retry_that_is_delivered_again_is_known_until_its_recipients_are_settled() {
        let mut lane = Lane::default();
        lane.add(work(2, [3, 5].into_iter().collect()));
        lane.add(Work { records: vec![9], ..work(2, [3, 5].into_iter().collect()) });
        lane.add(Work { records: vec![11], ..work(2, [3, 6].into_iter().collect()) });
        assert_eq!(lane.works().map(|work| work.records.clone()).collect::<Vec<_>>(), [vec![7, 9], vec![11]]);
        for _ in 0..2 {
            let number = lane.next(0, always).unwrap().0;
            lane.is_decoded(number);
        }
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Failed, 3, 6, 1, 0));
        state.merge(&entry(Fact::Accepted, 3, 5, 2, 0));
        let (finished, waits) = lane.settle(chunk(), &state, &IndexSet::new());
        assert_eq!((finished[0].records.clone(), finished.len(), waits), (vec![7, 9], 1, true));
        assert_eq!(lane.next(0, always).unwrap().1.unloaded().ranges(), [(6, 6)], "may be called after all");
        assert!(!lane.is_empty());
    }

    #[test]
    fn g9_a_hundred_thousand_retries_of_one_chunk_are_taken_in_and_given_out_by_their_time() {
        let mut lane = Lane::default();
        let count: i64 = 100_000;
        for number in 0..count {
            let asked = [(number % 8_192) as u16].into_iter().collect();
            let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, (number / 8_192) as u32);
            lane.add(Work::open(chunk, 2, count - number, Source::Rows, number as u64, asked));
        }
        assert_eq!((lane.works().count() as i64, lane.next_retry_ms()), (count, Some(1)));
        for due in 1..=count {
            let (number, work) = lane.next(count, always).unwrap();
            assert_eq!(work.not_before_ms, due);
            lane.is_decoded(number);
        }
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

    #[test]
    fn who_takes_a_chunk_over_begins_to_read_at_the_first_who_may_be_called() {
        let source = Source::Spans(SpanCursor::new([Span { first: 100, end: 8_290 }]));
        let mut first = Work { source, ..work(1, IndexSet::full(8_192)) };
        let mut state = ChunkState::new();
        // Rows 10 and 11 were skipped and have no record; up to 4,999 the former owner has called or claimed.
        state.merge(&entry(Fact::Skipped, 10, 11, 0, 0));
        state.merge(&entry(Fact::Accepted, 0, 9, 1, 0));
        state.merge(&entry(Fact::Accepted, 12, 4_899, 1, 0));
        let claimed: IndexSet = (4_900..5_000).collect();
        first.observe(&state, &claimed);
        let Source::Spans(cursor) = &mut first.source else { panic!("{:?}", first.source) };
        assert_eq!(cursor.next(), Some((100 + 4_998, 8_290)));
        // Who looks again goes on from where it has read to.
        cursor.advance(6_000);
        first.observe(&state, &claimed);
        let Source::Spans(cursor) = &first.source else { panic!("{:?}", first.source) };
        assert_eq!(cursor.next(), Some((6_000, 8_290)));
    }

    proptest! {
        /// Records of a chunk lie in the order of their indexes, with others' in between.
        #[test]
        fn g2_nobody_who_may_be_called_lies_before_the_place_that_is_read_first(
            rows in proptest::collection::vec((0_u8..4, 0_i64..3), 1..200),
            cut in 0_i64..200,
        ) {
            let (mut state, mut busy, mut records) = (ChunkState::new(), IndexSet::new(), Vec::new());
            let mut place = 50_i64;
            for (index, (fate, others)) in (0_u16..).zip(&rows) {
                if *fate == 0 {
                    state.merge(&entry(Fact::Skipped, index, index, 0, 0));
                } else if *fate == 1 {
                    state.merge(&entry(Fact::Accepted, index, index, 1, 0));
                } else if *fate == 2 {
                    busy.insert(index);
                }
                if *fate != 0 {
                    place += others;
                    records.push((place, index));
                    place += 1;
                }
            }
            let cut = (50 + cut).min(place);
            // Two bursts, with a gap of another chunk between them.
            let moved = |at: i64| if at < cut { at } else { at + 1_000 };
            let spans = [Span { first: 50, end: cut }, Span { first: cut + 1_000, end: place + 1_000 }];
            let source = Source::Spans(SpanCursor::new(spans));
            let mut first = Work { source, ..work(1, IndexSet::full(rows.len() as u32)) };
            first.observe(&state, &busy);
            let Source::Spans(cursor) = &first.source else { panic!("{:?}", first.source) };
            let read_from = cursor.next().map_or(u64::MAX, |(first, _)| first);
            for (at, index) in records {
                prop_assert!(!first.unloaded().contains(index) || moved(at) as u64 >= read_from);
            }
        }
    }
}
