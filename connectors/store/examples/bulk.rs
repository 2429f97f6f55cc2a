//! How fast an expansion's bulk gets into the embedded log and store, and how long a grant takes meanwhile.
//!
//! `cargo run --release -p sluice-store --example bulk [ROWS [LOW_KIB_PER_COMMIT]]` in a directory with space: it writes to `bulk-data`
//! there and removes it at the end.
#![expect(clippy::print_stdout, reason = "it is for people")]

use bytes::Bytes;
use sluice_core::{CampaignId, ChunkId, IndexSet, LedgerBody, PageId};
use sluice_engine::{Engine, EngineOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Position, ReadLimit, Topic};
use sluice_runtime::ports::store::{Granted, RecipientRow, Store};
use sluice_runtime::{Clock, SystemClock};
use sluice_store::EmbeddedStore;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const BURST: usize = 1_024;
const CHUNK: usize = 8_192;
const VALUE: usize = 150;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = std::env::args().nth(1).map_or(Ok(2_000_000), |text| text.parse())?;
    let mut options = EngineOptions::default();
    if let Some(text) = std::env::args().nth(2) {
        options.low_bytes_per_commit = text.parse::<usize>()? << 10;
    }
    let dir = Path::new("bulk-data");
    let engine = Arc::new(Engine::open(dir, options)?);
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(engine.clone(), EmbeddedLogOptions::default())?);
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(engine.clone())?);

    let is_over = Arc::new(AtomicBool::new(false));
    let grants = tokio::spawn(grant_all_the_time(store.clone(), is_over.clone()));
    let start = SystemClock.monotonic();
    for (number, first) in (0..rows).step_by(CHUNK).enumerate() {
        let chunk = ChunkId::new(CampaignId::of("default", "bulk"), 0, 1, number as u32);
        let size = CHUNK.min(rows - first);
        let payloads: Vec<Bytes> = (first..first + size).map(payload).collect();
        let recipients = payloads.iter().zip(0u16..).map(|(payload, index)| RecipientRow {
            index,
            line: u64::from(index) + first as u64,
            skipped: None,
            payload: payload.clone(),
        });
        let recipients = recipients.collect();
        let records =
            payloads.iter().map(|payload| NewRecord { key: "page-1".into(), value: payload.clone() });
        let records: Vec<NewRecord> = records.collect();
        let partition = Partition((number % 4) as u32);
        let tickets: Vec<_> =
            records.chunks(BURST).map(|burst| log.append(Topic::Sends, partition, burst.to_vec())).collect();
        store.write_recipients(chunk, recipients).await?;
        for ticket in tickets {
            ticket.await?;
        }
    }
    let took = SystemClock.monotonic() - start;
    is_over.store(true, Ordering::Relaxed);
    let mut waits = grants.await??;
    waits.sort();
    let statistics = engine.statistics();
    println!("log + recipients  {:>9.0} rows/s of each", rows as f64 / took.as_secs_f64());
    println!("commits           {:>9}   {} MB", statistics.commits, statistics.bytes >> 20);
    println!("peak memory       {:>9} MB", peak_memory_kb().unwrap_or(0) >> 10);
    let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or_default();
    println!("grant meanwhile   {:>9.1?} median, {:.1?} p99, of {}", at(50), at(99), waits.len());

    let start = SystemClock.monotonic();
    let mut read = 0;
    for partition in (0..4).map(Partition) {
        let mut from = Position(0);
        loop {
            let limit = ReadLimit { records_max: 4_096, bytes_max: 4 << 20 };
            let records = log.read(Topic::Sends, partition, from, limit).await?;
            let Some(last) = records.last() else { break };
            from = last.offset.next();
            read += records.len();
        }
    }
    let took = SystemClock.monotonic() - start;
    println!("log read          {:>9.0} records/s of {read}", read as f64 / took.as_secs_f64());
    drop((log, store, engine));
    let start = SystemClock.monotonic();
    let engine = Arc::new(Engine::open(dir, EngineOptions::default())?);
    EmbeddedLog::open(engine, EmbeddedLogOptions::default())?;
    println!("open again        {:>9.1?}", SystemClock.monotonic() - start);
    println!("peak memory       {:>9} MB", peak_memory_kb().unwrap_or(0) >> 10);
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

/// About as compressible as a real request.
fn payload(number: usize) -> Bytes {
    let mut text = format!(
        "{{\"to\":\"+{}\",\"name\":\"Person {}\",\"template\":\"spring_sale\",\"id\":\"{:016x}\"",
        490_000_000_000 + number * 7_919,
        number.wrapping_mul(0x9E37_79B9) % 100_000,
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
    );
    while text.len() < VALUE {
        text.push_str(",\"code\":\"");
        text.push_str(&format!("{:x}\"", number.wrapping_mul(text.len() * 0x85EB_CA6B)));
    }
    text.truncate(VALUE);
    text.into()
}

async fn grant_all_the_time(
    store: Arc<dyn Store>,
    is_over: Arc<AtomicBool>,
) -> Result<Vec<Duration>, sluice_runtime::ports::store::StoreError> {
    let page = PageId::from("page-1");
    let mut fence = store.take(&page, "bulk").await?.fence;
    let mut waits = Vec::new();
    let chunk = ChunkId::new(CampaignId::of("default", "bulk"), 0, 1, 0);
    while !is_over.load(Ordering::Relaxed) {
        let mut body = LedgerBody::new();
        if body.claim(chunk, 1, &IndexSet::full(512)).is_err() {
            break;
        }
        let start = SystemClock.monotonic();
        let (Granted::Yes(next) | Granted::No(next)) = store.grant(&page, fence, &body).await?;
        fence = next;
        waits.push(SystemClock.monotonic() - start);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(waits)
}

fn peak_memory_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
}
