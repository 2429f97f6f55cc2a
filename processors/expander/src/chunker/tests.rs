use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const CLASSES: usize = 3;

fn limits(rows_max: u32) -> ChunkLimits {
    ChunkLimits {
        rows_max,
        linger_first: Duration::from_millis(50),
        linger_max: Duration::from_secs(5),
        bytes_max: 1 << 20,
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A row of the source: which class it is in, how many bytes it holds, how long the source took to give it.
#[derive(Debug, Clone, Copy)]
struct SourceRow {
    class: usize,
    bytes: usize,
}

/// One expansion until it is interrupted.
#[derive(Debug, Clone)]
struct Run {
    rows_max: u32,
    bytes_max: usize,
    linger_first_ms: u64,
    /// Time between rows, in ms.
    pace_ms: u64,
    /// Closed chunks that are committed before the crash.
    commits: usize,
}

fn sources() -> impl Strategy<Value = Vec<SourceRow>> {
    prop::collection::vec(
        (0..CLASSES, 1usize..200).prop_map(|(class, bytes)| SourceRow { class, bytes }),
        0..300,
    )
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let run = (1u32..40, 50usize..4_000, 0u64..80, 0u64..20, 0usize..8).prop_map(
        |(rows_max, bytes_max, linger_first_ms, pace_ms, commits)| Run {
            rows_max,
            bytes_max,
            linger_first_ms,
            pace_ms,
            commits,
        },
    );
    prop::collection::vec(run, 1..6)
}

/// Expands `source` from the first row; what it closes, in order. Checks the budget on the way.
fn expand(source: &[SourceRow], run: &Run, committed: &[u64]) -> Vec<ClosedChunk<usize>> {
    let limits = ChunkLimits {
        rows_max: run.rows_max,
        bytes_max: run.bytes_max,
        linger_first: ms(run.linger_first_ms),
        linger_max: ms(run.linger_first_ms * 4),
    };
    let mut chunker = Chunker::new(limits, committed);
    let mut closed = Vec::new();
    for (number, row) in source.iter().enumerate() {
        let now = ms(run.pace_ms * number as u64);
        chunker.tick(now, &mut closed);
        chunker.push(row.class, number, row.bytes, now, &mut closed);
        assert!(chunker.open_bytes() <= run.bytes_max, "hazard 28: the budget holds");
    }
    chunker.finish(&mut closed);
    assert_eq!((chunker.open_bytes(), chunker.next_deadline()), (0, None));
    assert!(chunker.met_all_committed());
    closed
}

proptest! {
    #[test]
    fn hazard_1_every_row_is_in_exactly_one_committed_chunk_after_any_interruptions(
        source in sources(), interrupted in runs(), last in runs(),
    ) {
        let mut committed: Vec<ClosedChunk<usize>> = Vec::new();
        let mut prefixes = vec![0u64; CLASSES];
        let mut commit = |chunks: Vec<ClosedChunk<usize>>, prefixes: &mut Vec<u64>| {
            for chunk in chunks {
                prop_assert_eq!(chunk.first_in_class, prefixes[chunk.class], "commits of a class are contiguous");
                prefixes[chunk.class] += chunk.rows.len() as u64;
                committed.push(chunk);
            }
            Ok(())
        };
        for run in &interrupted {
            let mut closed = expand(&source, run, &prefixes);
            closed.truncate(run.commits);
            commit(closed, &mut prefixes)?;
        }
        commit(expand(&source, &last[0], &prefixes), &mut prefixes)?;

        let mut rows: Vec<usize> = committed.iter().flat_map(|chunk| chunk.rows.iter().copied()).collect();
        rows.sort_unstable();
        prop_assert!(rows.iter().copied().eq(0..source.len()), "each row once");
        let mut in_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, row) in source.iter().enumerate() {
            in_class.entry(row.class).or_default().push(number);
        }
        for chunk in &committed {
            let first = chunk.first_in_class as usize;
            prop_assert_eq!(&chunk.rows[..], &in_class[&chunk.class][first..first + chunk.rows.len()]);
        }
    }

    #[test]
    fn no_chunk_is_empty_or_too_large(source in sources(), run in runs()) {
        for chunk in expand(&source, &run[0], &[0; CLASSES]) {
            prop_assert!((1..=run[0].rows_max as usize).contains(&chunk.rows.len()));
        }
    }
}

#[test]
fn a_small_campaign_starts_after_the_first_linger() {
    let (mut chunker, mut closed) = (Chunker::new(limits(8_192), &[0]), Vec::new());
    chunker.push(0, "row", 10, ms(1_000), &mut closed);
    chunker.tick(ms(1_049), &mut closed);
    assert!(closed.is_empty());
    assert_eq!(chunker.next_deadline(), Some(ms(1_050)));
    chunker.tick(ms(1_050), &mut closed);
    assert_eq!(closed.len(), 1);
}

#[test]
fn hazard_28_a_slow_source_makes_few_chunks() {
    let (mut chunker, mut closed) = (Chunker::new(limits(8_192), &[0]), Vec::new());
    // One row each 100 ms for ten minutes.
    for row in 0..6_000u64 {
        chunker.tick(ms(row * 100), &mut closed);
        chunker.push(0, row, 10, ms(row * 100), &mut closed);
    }
    chunker.finish(&mut closed);
    assert!(closed.len() < 140, "{} chunks for 6,000 rows", closed.len());
    assert_eq!(closed.iter().map(|chunk| chunk.rows.len()).sum::<usize>(), 6_000);
}

#[test]
fn hazard_28_beyond_the_budget_the_largest_chunk_closes() {
    let limits = ChunkLimits { bytes_max: 1_000, ..limits(8_192) };
    let (mut chunker, mut closed) = (Chunker::new(limits, &[0; 3]), Vec::new());
    chunker.push(0, "small", 200, ms(0), &mut closed);
    chunker.push(1, "large", 600, ms(0), &mut closed);
    assert!(closed.is_empty());
    chunker.push(2, "last", 300, ms(0), &mut closed);
    assert_eq!(closed.iter().map(|chunk| chunk.class).collect::<Vec<_>>(), [1]);
    assert_eq!(chunker.open_bytes(), 500);
}

#[test]
fn rows_of_the_committed_prefix_are_passed_over_and_later_ones_keep_their_position() {
    let (mut chunker, mut closed) = (Chunker::new(limits(2), &[3, 0]), Vec::new());
    for row in 0..5 {
        chunker.push(0, row, 1, ms(0), &mut closed);
    }
    assert_eq!(closed, [ClosedChunk { class: 0, first_in_class: 3, rows: vec![3, 4] }]);
}

#[test]
fn a_source_that_is_shorter_than_what_was_committed_is_noticed() {
    let (mut chunker, mut closed) = (Chunker::new(limits(2), &[2]), Vec::new());
    chunker.push(0, "only", 1, ms(0), &mut closed);
    assert!(!chunker.met_all_committed());
}

#[test]
fn hazard_23_discarded_rows_close_no_chunk() {
    let (mut chunker, mut closed) = (Chunker::new(limits(8_192), &[0]), Vec::new());
    chunker.push(0, "row", 10, ms(0), &mut closed);
    chunker.discard();
    chunker.finish(&mut closed);
    assert!(closed.is_empty() && chunker.next_deadline().is_none() && chunker.open_bytes() == 0);
}

#[test]
fn hazard_28_fifty_thousand_classes_stay_within_the_budget_and_close_no_chunk_a_row() {
    const MANY: usize = 50_000;
    const ROWS: u64 = 1_000_000;
    let limits = ChunkLimits { bytes_max: 64 << 20, ..limits(8_192) };
    let (mut chunker, mut closed) = (Chunker::new(limits, &[]), Vec::new());
    let mut chunks = 0u64;
    let mut rows = 0u64;
    for row in 0..ROWS {
        // 200,000 rows a second, in no order of classes.
        let now = Duration::from_micros(row * 5);
        let class = (row.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % MANY;
        chunker.tick(now, &mut closed);
        chunker.push(class, row, 400, now, &mut closed);
        assert!(chunker.open_bytes() <= limits.bytes_max);
        chunks += closed.len() as u64;
        rows += closed.drain(..).map(|chunk| chunk.rows.len() as u64).sum::<u64>();
    }
    chunker.finish(&mut closed);
    chunks += closed.len() as u64;
    rows += closed.iter().map(|chunk| chunk.rows.len() as u64).sum::<u64>();
    assert_eq!(rows, ROWS);
    // 64 MiB hold three rows of 400 bytes of each class.
    assert!(chunks < ROWS / 2, "{chunks} chunks");
}
