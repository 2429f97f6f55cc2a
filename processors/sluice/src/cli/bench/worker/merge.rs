//! Receipts of chunks that nobody sends, merged by the receipt processor alone; then bare writes of such states.

use super::{cpu_seconds, peak_rss_mb, say};
use crate::cli::bench::failed;
use crate::config::Config;
use crate::error::Outcome;
use crate::node::engines::store_refused;
use crate::node::{Assignment, Engines, Node, NodeOptions};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_core::chunk_state::entry;
use sluice_core::{CHUNK_ROWS_MAX, CampaignId, ChunkId, ChunkState};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::{Fact, Receipt, ReceiptEntry, encode};
use sluice_store::cql::raw::RawTables;
use std::time::Duration;

/// Which receipts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) chunks: u32,
    pub(super) per_chunk: u32,
    /// Of one receipt.
    pub(super) outcomes: u16,
}

/// Merging so many receipts never takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

/// What it took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::cli::bench) struct MergedReceipts {
    /// From the first append until everything is merged, stored and committed.
    pub(in crate::cli::bench) seconds: f64,
    /// Of one bare write of a state for each receipt.
    pub(in crate::cli::bench) raw_seconds: f64,
    pub(in crate::cli::bench) cpu_seconds: f64,
    pub(in crate::cli::bench) peak_rss_mb: f64,
    /// States that were stored.
    pub(in crate::cli::bench) saves: u64,
    /// Bytes of a state with the details of a receipt.
    pub(in crate::cli::bench) state_bytes: usize,
}

pub(super) async fn run(config: Config, shape: Shape) -> Outcome<()> {
    let engines = Engines::open(&config).await?;
    let work = "receipts".parse::<Assignment>().map_err(|error| failed("no such role", error))?;
    let options = NodeOptions { work, ..NodeOptions::new(config.clone()) };
    let node = Node::over(engines, options).await?;
    let partitions = node.log().partitions(Topic::Receipts);
    // The group has every partition once it has merged a receipt of each.
    append(&node, "first", Shape { chunks: partitions, per_chunk: 1, outcomes: 1 }).await?;
    all_merged(&node).await?;

    let (saves, cpu) = (node.receipt_stats().saves.get(), cpu_seconds("self"));
    let began = SystemClock.monotonic();
    append(&node, "bench", shape).await?;
    all_merged(&node).await?;
    let took = SystemClock.monotonic() - began;
    let cpu_seconds = cpu_seconds("self") - cpu;
    let saves = node.receipt_stats().saves.get() - saves;

    let mut state = ChunkState::new();
    (0..shape.per_chunk).flat_map(|number| shape.entries(number)).for_each(|entry| state.merge(&entry));
    // What is stored for it: the state, and what the receipt says as details.
    let receipt = Receipt { chunk: [0; 16].into(), entries: shape.entries(1) };
    let cell = [state.encode(), encode(&receipt)].concat();
    let state_bytes = cell.len();
    let cells = vec![cell; shape.chunks as usize];
    let tables = RawTables::create(&config.cql).await.map_err(store_refused)?;
    let raw =
        tables.write_cells(&cells, (shape.chunks * shape.per_chunk) as usize).await.map_err(store_refused)?;
    say(&MergedReceipts {
        seconds: took.as_secs_f64(),
        raw_seconds: raw.as_secs_f64(),
        cpu_seconds,
        peak_rss_mb: peak_rss_mb("self"),
        saves,
        state_bytes,
    })
}

async fn append(node: &Node, campaign: &str, shape: Shape) -> Outcome<()> {
    let log = node.log();
    let partitions = log.partitions(Topic::Receipts);
    let campaign = CampaignId::of("default", campaign);
    let mut tickets = Vec::new();
    for number in 0..shape.chunks {
        let partition = number % partitions;
        let chunk = ChunkId::new(campaign, partition as u16, 1, number);
        let record = |receipt: u32| {
            let receipt = Receipt { chunk: chunk.0.into(), entries: shape.entries(receipt) };
            NewRecord { key: Bytes::copy_from_slice(&chunk.0), value: encode(&receipt).into() }
        };
        let records = (0..shape.per_chunk).map(record).collect();
        tickets.push(log.append(Topic::Receipts, Partition(partition), records));
    }
    for ticket in tickets {
        ticket.await?;
    }
    Ok(())
}

impl Shape {
    /// Of the receipt of a chunk with this number. Gathered ones: all were accepted, and most are delivered already.
    fn entries(self, receipt: u32) -> Vec<ReceiptEntry> {
        const UNDELIVERED_EVERY: u16 = 7;
        /// Without a common divisor with the rows of a chunk: no index comes twice.
        const STRIDE: u32 = 2_477;
        let closed = entry(Fact::Closed, 0, CHUNK_ROWS_MAX as u16 - 1, 0, 0);
        let mut entries: Vec<ReceiptEntry> = (receipt == 0).then_some(closed).into_iter().collect();
        if self.outcomes == 1 {
            let index = (receipt * STRIDE % CHUNK_ROWS_MAX) as u16;
            entries.push(entry(Fact::Accepted, index, index, 1, 0));
            return entries;
        }
        let first = receipt as u16 * self.outcomes;
        let last = first + self.outcomes - 1;
        entries.push(entry(Fact::Accepted, first, last, 1, 0));
        let delivered = |at: u16| entry(Fact::Delivered, at, (at + UNDELIVERED_EVERY - 2).min(last), 1, 0);
        entries.extend((first..=last).step_by(usize::from(UNDELIVERED_EVERY)).map(delivered));
        entries
    }
}

async fn all_merged(node: &Node) -> Outcome<()> {
    match node.merged(PATIENCE).await {
        true => Ok(()),
        false => Err(failed("receipts were not merged", format!("within {PATIENCE:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: Shape) -> sluice_core::Counters {
        let mut state = ChunkState::new();
        (0..shape.per_chunk).flat_map(|number| shape.entries(number)).for_each(|entry| state.merge(&entry));
        state.counters()
    }

    #[test]
    fn sixteen_gathered_receipts_cover_a_chunk() {
        let counters = counted(Shape { chunks: 1, per_chunk: 16, outcomes: 512 });
        // Who has it is no longer counted as sent alone.
        assert_eq!((counters.total, counters.pending), (8_192, 0));
        assert!(counters.delivered > 6_900 && counters.delivered < 7_100, "{counters:?}");
    }

    #[test]
    fn every_single_receipt_is_about_somebody_else() {
        let counters = counted(Shape { chunks: 1, per_chunk: 1_000, outcomes: 1 });
        assert_eq!((counters.total, counters.sent), (8_192, 1_000));
    }
}
