//! How fast the store writes to a CQL database, against the bare driver with the same bytes.
//!
//! `cargo run --release -p sluice-store --example cql_speed HOST:PORT [ROUNDS]`. It makes a keyspace of its own and
//! drops it at the end.
#![expect(clippy::print_stdout, reason = "it is for people")]

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::statement::batch::{Batch, BatchType};
use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::{CampaignId, ChunkId, ChunkState, IndexSet, LedgerBody, PageId};
use sluice_runtime::ports::store::{ChunkSave, Granted, RecipientRow, Store};
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::Fact;
use sluice_store::CqlStore;
use sluice_store::cql::{CqlOptions, migrate};
use std::error::Error;
use std::time::Duration;

type Answer<T> = Result<T, Box<dyn Error>>;

const CHUNK: usize = 8_192;
/// Of a recipient's payload.
const BYTES: usize = 200;
/// Rows of one raw batch: 200 bytes each stay below 50 KiB.
const BATCH: usize = 200;
const AT_ONCE: usize = 16;
const SAVES: usize = 4_000;
const GRANTS: usize = 1_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Answer<()> {
    let address = std::env::args().nth(1).ok_or("name a database as HOST:PORT")?;
    let rounds: u32 = std::env::args().nth(2).map_or(Ok(3), |text| text.parse())?;
    let options = CqlOptions {
        contact_points: vec![address.clone()],
        keyspace: format!("speed_{}", SystemClock.wall_ms()),
        replication: [("datacenter1".to_owned(), 1)].into(),
        ..CqlOptions::default()
    };
    migrate(&options).await?;
    let store = CqlStore::connect(&options, SystemClock.wall_ms()).await?;
    let session = SessionBuilder::new().known_node(&address).build().await?;
    session.use_keyspace(&options.keyspace, true).await?;
    for table in [
        "CREATE TABLE raw_rows (chunk blob, at int, row blob, PRIMARY KEY (chunk, at))",
        "CREATE TABLE raw_cells (chunk blob PRIMARY KEY, state blob)",
        "CREATE TABLE raw_ledger (page text PRIMARY KEY, seq bigint, body blob)",
    ] {
        session.query_unpaged(table, ()).await?;
    }
    for round in 0..rounds {
        println!("round {}", round + 1);
        recipients(&store, &session, round).await?;
        saves(&store, &session, round).await?;
        grants(&store, &session, round).await?;
    }
    session.query_unpaged(format!("DROP KEYSPACE {}", options.keyspace), ()).await?;
    Ok(())
}

fn told(what: &str, count: usize, ours: Duration, raw: Duration) {
    let rate = |took: Duration| count as f64 / took.as_secs_f64();
    let ratio = raw.as_secs_f64() / ours.as_secs_f64();
    println!("{what:<22} {:>9.0} /s   driver {:>9.0} /s   ratio {ratio:.2}", rate(ours), rate(raw));
}

fn chunk(round: u32, number: u32) -> ChunkId {
    ChunkId::new(CampaignId::of("speed", &round.to_string()), 0, 1, number)
}

/// About as compressible as a real request.
fn payload(number: usize) -> Bytes {
    let mut text = format!("{{\"to\":\"+{}\",\"template\":\"spring_sale\"", 490_000_000_000 + number * 7_919);
    while text.len() < BYTES {
        text.push_str(&format!(",\"code\":\"{:x}\"", number.wrapping_mul(text.len() * 0x85EB_CA6B)));
    }
    text.truncate(BYTES);
    text.into()
}

async fn recipients(store: &CqlStore, session: &Session, round: u32) -> Answer<()> {
    const CHUNKS: u32 = 24;
    let rows: Vec<RecipientRow> = (0..CHUNK)
        .map(|index| RecipientRow { index: index as u16, line: 1, skipped: None, payload: payload(index) })
        .collect();
    let start = SystemClock.monotonic();
    let mut writes = stream::iter(0..CHUNKS)
        .map(|number| store.write_recipients(chunk(round, number), rows.clone()))
        .buffer_unordered(2);
    while let Some(written) = writes.next().await {
        written?;
    }
    let ours = SystemClock.monotonic() - start;

    let insert = session.prepare("INSERT INTO raw_rows (chunk, at, row) VALUES (?, ?, ?)").await?;
    let start = SystemClock.monotonic();
    let parts = (0..CHUNKS).flat_map(|number| rows.chunks(BATCH).map(move |part| (number, part)));
    let mut writes = stream::iter(parts)
        .map(|(number, part)| {
            let mut batch = Batch::new(BatchType::Unlogged);
            part.iter().for_each(|_| batch.append_statement(insert.clone()));
            let chunk = chunk(round, number).0;
            let values: Vec<_> =
                part.iter().map(|row| (chunk, i32::from(row.index), row.payload.as_ref())).collect();
            async move { session.batch(&batch, &values).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(written) = writes.next().await {
        written?;
    }
    let raw = SystemClock.monotonic() - start;
    told("recipients", CHUNK * CHUNKS as usize, ours, raw);
    Ok(())
}

async fn saves(store: &CqlStore, session: &Session, round: u32) -> Answer<()> {
    let mut state = ChunkState::new();
    state.merge(&entry(Fact::Closed, 0, 8_191, 0, 0));
    for index in (0..8_192).step_by(7) {
        state.merge(&entry(Fact::Accepted, index, index, 1, 0));
    }
    let counters = state.counters();
    let cell = state.encode();
    let start = SystemClock.monotonic();
    (0..100).for_each(|_| drop(std::hint::black_box(state.encode())));
    let encoding = (SystemClock.monotonic() - start) / 100;
    println!(
        "{:<22} {:>9}      encoded in {encoding:.0?}, which the driver has done",
        "bytes of a state",
        cell.len()
    );
    let saves: Vec<ChunkSave> = (0..SAVES)
        .map(|number| ChunkSave {
            chunk: chunk(round, number as u32),
            stamp: Stamp::new(1, 100),
            state: state.clone(),
            counters,
            details: Vec::new(),
            details_to: Stamp::new(1, 100),
        })
        .collect();
    let start = SystemClock.monotonic();
    for part in saves.chunks(500) {
        store.save_chunks(part.to_vec()).await?;
    }
    let ours = SystemClock.monotonic() - start;

    let insert =
        session.prepare("INSERT INTO raw_cells (chunk, state) VALUES (?, ?) USING TIMESTAMP ?").await?;
    let start = SystemClock.monotonic();
    let mut writes = stream::iter(0..SAVES)
        .map(|number| {
            let values = (chunk(round, number as u32).0, cell.as_slice(), 100i64);
            session.execute_unpaged(&insert, values)
        })
        .buffer_unordered(64);
    while let Some(written) = writes.next().await {
        written?;
    }
    let raw = SystemClock.monotonic() - start;
    told("chunk states", SAVES, ours, raw);
    Ok(())
}

async fn grants(store: &CqlStore, session: &Session, round: u32) -> Answer<()> {
    let page = PageId::from(format!("page-{round}").as_str());
    let mut body = LedgerBody::new();
    for number in 0..20 {
        body.claim(chunk(round, number), 1, &IndexSet::full(512))?;
    }
    let mut fence = store.take(&page, "speed").await?.fence;
    let start = SystemClock.monotonic();
    for _ in 0..GRANTS {
        let (Granted::Yes(next) | Granted::No(next)) = store.grant(&page, fence, &body).await?;
        fence = next;
    }
    let ours = SystemClock.monotonic() - start;

    let cell = body.encode();
    let create = "INSERT INTO raw_ledger (page, seq, body) VALUES (?, 0, ?) IF NOT EXISTS";
    session.query_unpaged(create, (page.as_str(), cell.as_slice())).await?;
    let update = session.prepare("UPDATE raw_ledger SET seq = ?, body = ? WHERE page = ? IF seq = ?").await?;
    let start = SystemClock.monotonic();
    for seq in 0..GRANTS as i64 {
        session.execute_unpaged(&update, (seq + 1, cell.as_slice(), page.as_str(), seq)).await?;
    }
    let raw = SystemClock.monotonic() - start;
    told("grants of one page", GRANTS, ours, raw);
    Ok(())
}
