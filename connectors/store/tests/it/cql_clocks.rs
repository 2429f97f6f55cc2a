//! Hazard 18: what is written of a chunk, as a real CQL database keeps it.

use crate::cql::{chunk, connect, session, shared};
use scylla::client::session::Session;
use scylla::statement::Statement;
use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::{ChunkId, ChunkState};
use sluice_runtime::ports::store::{ChunkSave, Store};
use sluice_schemas::Fact;
use std::time::Duration;

/// A state of ten people of whom `sent` are sent, and the last of them as details.
fn save(chunk: ChunkId, stamp: Stamp, sent: u32, has_details: bool) -> ChunkSave {
    let mut state = ChunkState::new();
    state.merge(&entry(Fact::Closed, 0, 9, 0, 0));
    (0..sent).for_each(|index| state.merge(&entry(Fact::Accepted, index as u16, index as u16, 1, 0)));
    let last = sent as u16 - 1;
    let details = if has_details { vec![entry(Fact::Accepted, last, last, 1, 0)] } else { Vec::new() };
    ChunkSave { chunk, stamp, counters: state.counters(), state, details, details_to: stamp }
}

fn literal(chunk: ChunkId) -> String {
    format!("0x{}", chunk.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// When each cell of a chunk was written, as the database has it, and that none goes by itself: columns of the whole
/// chunk by their names, then `details` by their place.
async fn written(session: &Session, keyspace: &str, chunk: ChunkId) -> Vec<(String, i64)> {
    let columns = format!(
        "SELECT column_name, kind FROM system_schema.columns \
         WHERE keyspace_name = '{keyspace}' AND table_name = 'chunk_states'"
    );
    let columns = session.query_unpaged(columns, ()).await.unwrap().into_rows_result().unwrap();
    let mut written = Vec::new();
    for column in columns.rows::<(String, String)>().unwrap() {
        let (name, kind) = column.unwrap();
        if !["static", "regular"].contains(&kind.as_str()) {
            continue;
        }
        let text = format!(
            "SELECT at, WRITETIME({name}), TTL({name}) FROM {keyspace}.chunk_states WHERE chunk = {}",
            literal(chunk)
        );
        let rows = session.query_unpaged(text, ()).await.unwrap().into_rows_result().unwrap();
        for row in rows.rows::<(i64, Option<i64>, Option<i32>)>().unwrap() {
            let (at, time, ttl) = row.unwrap();
            assert_eq!(ttl, None, "{name} goes by itself");
            let name = if kind == "static" { name.clone() } else { format!("{name} at {at}") };
            let time = time.unwrap_or_else(|| panic!("{name} is null"));
            written.push((name, time));
        }
    }
    written.sort();
    written.dedup();
    written
}

/// Dead cells that a read of the chunk passes, as the database counts them itself.
async fn dead_cells(session: &Session, keyspace: &str, chunk: ChunkId) -> u64 {
    let text = format!("SELECT * FROM {keyspace}.chunk_states WHERE chunk = {}", literal(chunk));
    let mut read = Statement::new(text);
    read.set_tracing(true);
    let trace = session.query_unpaged(read, ()).await.unwrap().tracing_id().unwrap();
    // A trace is written beside the answer, bit by bit.
    for _ in 0..100 {
        let events = session.get_tracing_info(&trace).await.map(|info| info.events).unwrap_or_default();
        let counted = events.iter().filter_map(|event| {
            let (_, rest) = event.activity.as_deref()?.split_once(" live rows and ")?;
            rest.split(' ').next()?.parse().ok()
        });
        if let Some(count) = counted.max() {
            return count;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the database has no trace of the read");
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_18_the_highest_stamp_wins_whatever_time_it_was_written_at() {
    let (session, options) = (session().await, shared().await);
    let (former, later) = (connect(options).await, connect(options).await);
    let chunk = chunk("clocks", 0);
    // As microseconds they are in January 1970: any clock would write after them.
    let stamps = [Stamp::new(1, 50), Stamp::new(1, 60), Stamp::new(2, 7), Stamp::new(2, 8)];
    let saves = [
        save(chunk, stamps[0], 1, true),
        save(chunk, stamps[1], 2, true),
        save(chunk, stamps[2], 3, true),
        save(chunk, stamps[3], 4, false),
    ];
    // Each former state comes once more after a later one.
    for (latest, late) in [(0, 0), (1, 0), (2, 1), (3, 2)] {
        later.save_chunks(vec![saves[latest].clone()]).await.unwrap();
        former.save_chunks(vec![saves[late].clone()]).await.unwrap();
        let loaded = former.load_chunk(chunk).await.unwrap().unwrap();
        assert_eq!(loaded, (saves[latest].stamp, saves[latest].state.clone()), "{latest} before {late}");
    }
    let details: Vec<_> = saves.iter().flat_map(|save| save.details.clone()).collect();
    assert_eq!(later.details(chunk).await, Ok(details), "what has none takes none away");

    let written = written(&session, &options.keyspace, chunk).await;
    assert_eq!(written.len(), 16 + 3, "state, stamp and 14 counters; details: {written:?}");
    for (cell, time) in written {
        let expected = match cell.strip_prefix("details at ").map(|at| at.parse::<i64>().unwrap()) {
            Some(at) => at,
            None => stamps[3].0 as i64,
        };
        assert_eq!(time, expected, "{cell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_18_what_is_saved_leaves_no_dead_cell_behind() {
    let (session, options) = (session().await, shared().await);
    let store = connect(options).await;
    let saved = chunk("clocks", 1);
    for (position, has_details) in [(10, true), (20, false), (15, true), (30, false)] {
        let save = save(saved, Stamp::new(1, position), position as u32 / 5, has_details);
        store.save_chunks(vec![save]).await.unwrap();
    }
    assert_eq!(dead_cells(&session, &options.keyspace, saved).await, 0);
    // The count does see a null.
    let nulled = chunk("clocks", 2);
    let null = format!(
        "INSERT INTO {}.chunk_states (chunk, at, details) VALUES ({}, 1, null)",
        options.keyspace,
        literal(nulled)
    );
    session.query_unpaged(null, ()).await.unwrap();
    assert_eq!(dead_cells(&session, &options.keyspace, nulled).await, 1);
}
