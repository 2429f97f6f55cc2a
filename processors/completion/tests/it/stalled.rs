//! Campaigns that stand still without a reason.

use crate::support::{Bench, SIZE, chunk, id};
use sluice_completion::{
    Cause, Completion, CompletionOptions, CompletionStats, Stalled, StalledCampaigns, cancel, pause,
};
use sluice_core::chunk_state::entry;
use sluice_core::{CampaignId, CampaignState, ChunkId, Seal};
use sluice_runtime::ports::log::{Log, Membership, NewRecord, Partition, Position, Topic};
use sluice_runtime::{ShutdownTrigger, shutdown};
use sluice_schemas::{ChunkReady, Fact, RetryReady, decode, is};
use sluice_simulation::Faults;
use std::sync::Arc;
use std::time::Duration;

/// Twice as long as a campaign has to be quiet, and the sweeps in between.
const LONG: Duration = Duration::from_secs(300);

const SENDS: (&str, Topic) = ("sender", Topic::Chunks);
const EXPANDS: (&str, Topic) = ("expander", Topic::Launches);

/// A completion processor that is looked at, beside the receipt processor of the bench.
struct Watched {
    found: StalledCampaigns,
    stats: Arc<CompletionStats>,
    /// Processes that send and that expand, and do nothing.
    there: Vec<Membership>,
    _trigger: ShutdownTrigger,
}

/// Beside processes for all work.
async fn watched(bench: &Bench) -> Watched {
    watched_beside(bench, &[SENDS, EXPANDS]).await
}

async fn watched_beside(bench: &Bench, works: &[(&str, Topic)]) -> Watched {
    let mut there = Vec::new();
    for (group, topic) in works {
        there.push(bench.hand_ports().log.join(group, *topic).await.unwrap());
    }
    let completion = Completion::new(bench.hand_ports(), CompletionOptions::default());
    let (found, stats) = (completion.stalled(), completion.stats());
    let (trigger, stop) = shutdown::channel();
    tokio::spawn(async move { completion.run(stop).await.unwrap() });
    Watched { found, stats, there, _trigger: trigger }
}

/// First attempts that somebody asks for, by the number of their chunk.
fn asked(bench: &Bench) -> Vec<u32> {
    let records = bench.log.inspect(Topic::Chunks, Partition(1));
    let ready = records.iter().filter(|record| is::<ChunkReady>(&record.value));
    ready
        .map(|record| decode::<ChunkReady>(&record.value).unwrap())
        .map(|ready| ChunkId(ready.chunk.into_array()))
        .filter(|chunk| chunk.campaign() == id())
        .map(|chunk| chunk.number())
        .collect()
}

/// Asks for the first attempts of these chunks.
async fn ask(bench: &Bench, chunks: impl Iterator<Item = ChunkId>) {
    let record = |chunk: ChunkId| {
        let ready = ChunkReady {
            chunk: serde_bytes::ByteArray::new(chunk.0),
            page: "page".to_owned(),
            size: i32::from(SIZE),
            spans: Vec::new(),
            class: Default::default(),
        };
        NewRecord { key: "page".into(), value: sluice_schemas::encode(&ready).into() }
    };
    let log: Arc<dyn Log> = bench.hand_ports().log;
    log.append(Topic::Chunks, Partition(1), chunks.map(record).collect()).await.unwrap();
}

async fn forget_chunks(bench: &Bench) {
    let log = bench.hand_ports().log;
    let Position(end) = log.bounds(Topic::Chunks, Partition(1)).await.unwrap().end;
    log.trim(Topic::Chunks, Partition(1), Position(end)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn d8_a_chunk_that_nobody_has_is_told_once_and_asked_for_again() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(3).await;
    bench.seal(3, 0).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    bench.all(1, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(asked(&bench), [0_u32; 0], "not before it was quiet for long");
    tokio::time::sleep(LONG).await;
    assert_eq!(asked(&bench), [1, 2], "chunk 0 is done");
    assert_eq!((watched.stats.stalled(), watched.stats.asked_again()), (1, 2));
    tokio::time::sleep(LONG).await;
    assert_eq!(asked(&bench), [1, 2], "its page has them now");
    forget_chunks(&bench).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(asked(&bench), [1, 2], "lost again, asked for again");
    bench.all(3, Fact::Accepted, 1).await;
    bench.reaches(CampaignState::Completed, 1).await;
    assert_eq!(watched.found.get(bench.row().id), None);
}

#[tokio::test(start_paused = true)]
async fn d8_a_lost_retry_is_asked_for_again_and_one_that_waits_is_not() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.seal(1, 0).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    bench.receipt(0, vec![entry(Fact::Failed, 2, 4, 1, 5), entry(Fact::Accepted, 5, SIZE - 1, 1, 5)]).await;
    bench.receipt(0, vec![entry(Fact::Accepted, 0, 1, 1, 5)]).await;
    tokio::time::sleep(LONG).await;
    assert_eq!((bench.retries().len(), watched.stats.stalled()), (1, 0), "the retry waits in `chunks`");
    forget_chunks(&bench).await;
    let found = async {
        while watched.found.get(bench.row().id).is_none() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(LONG, found).await.unwrap();
    assert_eq!(watched.found.get(bench.row().id).unwrap().recipients, 3);
    tokio::time::sleep(LONG).await;
    let retries: Vec<RetryReady> = bench.retries();
    assert_eq!((retries.len(), watched.stats.stalled()), (1, 1));
    assert_eq!((retries[0].attempt, retries[0].indexes[0].first, retries[0].indexes[0].last), (2, 2, 4));
    assert_eq!(watched.found.get(bench.row().id), None, "it has a reason again");
    assert_eq!(asked(&bench), [0_u32; 0], "nobody is asked for a first attempt");
}

#[tokio::test(start_paused = true)]
async fn d8_a_paused_campaign_and_one_with_receipts_to_merge_is_never_stalled() {
    let paused = Bench::new(1, Faults::none());
    paused.campaign(1).await;
    paused.seal(1, 0).await;
    pause(&paused.hand_ports(), paused.row().id, None).await.unwrap();
    let unsealed = Bench::new(2, Faults::none());
    unsealed.campaign(1).await;
    pause(&unsealed.hand_ports(), unsealed.row().id, None).await.unwrap();
    // Nobody merges what is in the log: it may be the reason.
    let behind = Bench::new(3, Faults::none());
    behind.campaign(1).await;
    behind.seal(1, 0).await;
    for (bench, merges) in [(&paused, true), (&unsealed, true), (&behind, false)] {
        let receipts = merges.then(|| bench.start_receipts());
        let watched = watched(bench).await;
        tokio::time::sleep(2 * LONG).await;
        assert_eq!((watched.stats.stalled(), asked(bench).len()), (0, 0));
        drop(receipts);
    }
}

#[tokio::test(start_paused = true)]
async fn d8_a_chunk_whose_descriptor_waits_is_not_stalled() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.seal(1, 0).await;
    ask(&bench, [chunk(0)].into_iter()).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    tokio::time::sleep(2 * LONG).await;
    assert_eq!((watched.stats.stalled(), asked(&bench).len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn d8_g9_a_chunk_that_nobody_has_is_found_behind_a_backlog_of_any_length() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(2).await;
    bench.seal(2, 0).await;
    // More than one look reads.
    let other = |number| ChunkId::new(CampaignId::of("t", "other"), 0, 1, number);
    ask(&bench, (0..45_000).map(other)).await;
    ask(&bench, [chunk(1)].into_iter()).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    tokio::time::sleep(LONG).await;
    assert_eq!(asked(&bench), [1, 0], "the one at the end of the backlog is seen, too");
    assert_eq!((watched.stats.stalled(), watched.stats.asked_again()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn d8_a_chunk_that_nobody_has_is_found_behind_many_that_wait() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(300).await;
    bench.seal(300, 0).await;
    let mut chunks: Vec<ChunkId> = (0..300).map(chunk).collect();
    chunks.sort();
    let lost = chunks.pop().unwrap();
    ask(&bench, chunks.into_iter()).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    tokio::time::sleep(2 * LONG).await;
    assert_eq!(asked(&bench)[299..], [lost.number()]);
    assert_eq!(watched.stats.stalled(), 1);
}

/// Waits until it is found, and says what is known of it.
async fn found(bench: &Bench, watched: &Watched) -> Stalled {
    let found = async {
        loop {
            if let Some(stalled) = watched.found.get(bench.row().id) {
                return stalled;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(LONG, found).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn d8_a_campaign_that_no_process_sends_is_told_once_until_one_does() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(3).await;
    bench.seal(3, 0).await;
    ask(&bench, (0..3).map(chunk)).await;
    let (_receipts, mut watched) = (bench.start_receipts(), watched_beside(&bench, &[EXPANDS]).await);
    bench.all(1, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(watched.found.get(bench.row().id), None, "not before it was quiet for long");
    let stalled = found(&bench, &watched).await;
    assert_eq!((stalled.cause, stalled.recipients), (Cause::NoSender, 2 * u64::from(SIZE)));
    assert!((115_000..130_000).contains(&(stalled.found_ms - stalled.since_ms)), "{stalled:?}");
    tokio::time::sleep(2 * LONG).await;
    assert_eq!(
        (watched.stats.stalled(), watched.stats.asked_again()),
        (1, 0),
        "told once, nothing to ask for"
    );
    watched.there.push(bench.hand_ports().log.join(SENDS.0, SENDS.1).await.unwrap());
    tokio::time::sleep(LONG).await;
    assert_eq!(watched.found.get(bench.row().id), None, "its page is somebody's");
    assert_eq!(watched.stats.stalled(), 1);
}

#[tokio::test(start_paused = true)]
async fn d8_g8_a_cancelled_campaign_whose_last_calls_no_process_settles_is_told_once_until_one_does() {
    for works in [&[EXPANDS][..], &[SENDS, EXPANDS]] {
        let bench = Bench::new(1, Faults::none());
        bench.campaign(1).await;
        bench.seal(1, 0).await;
        // Their sender was killed before it heard of them.
        bench.claim(&[4, 5].into_iter().collect()).await;
        let (_receipts, mut watched) = (bench.start_receipts(), watched_beside(&bench, works).await);
        cancel(&bench.hand_ports(), id(), None).await.unwrap();
        if works.contains(&SENDS) {
            tokio::time::sleep(2 * LONG).await;
            assert_eq!(watched.stats.stalled(), 0, "its sender will judge them");
            continue;
        }
        let stalled = found(&bench, &watched).await;
        assert_eq!((stalled.cause, stalled.recipients), (Cause::NoSender, 2));
        tokio::time::sleep(2 * LONG).await;
        assert_eq!(
            (watched.stats.stalled(), watched.stats.asked_again()),
            (1, 0),
            "told once, nobody is called"
        );
        watched.there.push(bench.hand_ports().log.join(SENDS.0, SENDS.1).await.unwrap());
        tokio::time::sleep(LONG).await;
        assert_eq!(watched.found.get(id()), None, "its page is somebody's");
        bench.receipt(0, vec![entry(Fact::Unresolved, 4, 5, 1, 9)]).await;
        bench.reaches(CampaignState::Cancelled, 1).await;
        assert_eq!((bench.counters().cancelled, bench.counters().unknown), (8, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn d8_a_sender_that_starts_again_now_and_then_is_no_reason_to_tell() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    bench.seal(1, 0).await;
    ask(&bench, [chunk(0)].into_iter()).await;
    let (_receipts, mut watched) = (bench.start_receipts(), watched_beside(&bench, &[EXPANDS]).await);
    for _ in 0..20 {
        let sends = bench.hand_ports().log.join(SENDS.0, SENDS.1).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        drop(sends);
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
    watched.there.clear();
    assert_eq!(watched.stats.stalled(), 0);
}

#[tokio::test(start_paused = true)]
async fn d8_an_audience_that_gives_nothing_more_is_told_once_until_it_does() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(2).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    bench.all(2, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(watched.found.get(bench.row().id), None, "not before it was quiet for long");
    let stalled = found(&bench, &watched).await;
    assert_eq!((stalled.cause, stalled.recipients), (Cause::Audience, 0));
    tokio::time::sleep(2 * LONG).await;
    assert_eq!((watched.stats.stalled(), watched.stats.asked_again()), (1, 0));
    bench.more_chunks(2..3).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(watched.found.get(bench.row().id), None, "it goes on");
    let again = found(&bench, &watched).await;
    assert_eq!(
        (again.cause, again.recipients, watched.stats.stalled()),
        (Cause::Audience, u64::from(SIZE), 2)
    );
    bench.seal(3, 0).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(watched.found.get(bench.row().id), None, "its audience is read");
}

#[tokio::test(start_paused = true)]
async fn d8_a_campaign_that_no_process_expands_is_told_as_such() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    let (_receipts, watched) = (bench.start_receipts(), watched_beside(&bench, &[SENDS]).await);
    assert_eq!(found(&bench, &watched).await.cause, Cause::NoExpander);
    tokio::time::sleep(LONG).await;
    assert_eq!((watched.stats.stalled(), watched.stats.asked_again()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn d8_recipients_that_no_process_sends_to_are_found_while_the_audience_is_read() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    let (_receipts, watched) = (bench.start_receipts(), watched_beside(&bench, &[EXPANDS]).await);
    for number in 1..8 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        bench.more_chunks(number..number + 1).await;
    }
    let stalled = watched.found.get(bench.row().id).unwrap();
    assert_eq!((stalled.cause, watched.stats.stalled()), (Cause::NoSender, 1));
}

#[tokio::test(start_paused = true)]
async fn d8_an_audience_whose_source_is_tried_again_and_again_in_vain_is_told_once() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(1).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        bench.hand_store().lease_expansion(id()).await.unwrap();
    }
    assert_eq!(watched.found.get(id()).map(|stalled| stalled.cause), Some(Cause::Audience));
    assert_eq!(watched.stats.stalled(), 1);
}

#[tokio::test(start_paused = true)]
async fn d8_g2_a_seal_that_its_chunks_do_not_add_up_to_is_told_once_and_no_end() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(2).await;
    let rows = 2 * u64::from(SIZE);
    let seal = Seal { chunks: 2, total: rows + 3, not_expanded: 0 };
    bench.hand_store().seal(id(), 1, seal).await.unwrap();
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    bench.all(2, Fact::Accepted, 1).await;
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(watched.found.get(id()), None, "not before it was so for long");
    let stalled = found(&bench, &watched).await;
    assert_eq!((stalled.cause, stalled.recipients), (Cause::Seal, 3));
    assert!((115_000..130_000).contains(&(stalled.found_ms - stalled.since_ms)), "{stalled:?}");
    tokio::time::sleep(2 * LONG).await;
    assert_eq!((watched.stats.stalled(), watched.stats.asked_again()), (1, 0));
    assert_eq!((bench.row().state, bench.row().ended_at_ms), (CampaignState::Running, None));
}

#[tokio::test(start_paused = true)]
async fn d8_a_seal_whose_chunks_are_seen_later_is_told_until_they_are() {
    let bench = Bench::new(1, Faults::none());
    bench.campaign(2).await;
    bench.seal(3, 0).await;
    let (_receipts, watched) = (bench.start_receipts(), watched(&bench).await);
    bench.all(2, Fact::Accepted, 1).await;
    let stalled = found(&bench, &watched).await;
    assert_eq!((stalled.cause, stalled.recipients), (Cause::Seal, u64::from(SIZE)));
    bench.more_chunks(2..3).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(watched.found.get(id()), None, "it goes on");
    bench.all(3, Fact::Accepted, 1).await;
    bench.reaches(CampaignState::Completed, 1).await;
    assert_eq!(watched.stats.stalled(), 1);
}
