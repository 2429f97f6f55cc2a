use super::*;
use crate::CampaignId;
use crate::chunk_state::entry;
use proptest::prelude::*;
use sluice_schemas::{Fact, Span};

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
