//! An expansion, and then the bare writing of the same bytes into another directory.

use super::campaign::expand;
use super::{cpu_seconds, peak_rss_mb, say, valid};
use crate::cli::bench::failed;
use crate::cli::bench::scratch::{PAGE, http_launch};
use crate::config::Config;
use crate::error::{Outcome, storage};
use crate::node::{Directory, Engines};
use serde::{Deserialize, Serialize};
use sluice_core::{CHUNK_ROWS_MAX, CampaignId, ChunkId, IndexSet};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::ports::store::RecipientRow;
use sluice_runtime::{Clock, SystemClock};
use std::path::{Path, PathBuf};
use tokio::task::JoinSet;

/// Records of one append.
const BURST: usize = 1_024;

/// What an expansion took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::cli::bench) struct Expanded {
    /// From the launch to the seal.
    pub(in crate::cli::bench) seconds: f64,
    pub(in crate::cli::bench) cpu_seconds: f64,
    pub(in crate::cli::bench) peak_rss_mb: f64,
    /// Of writing the same rows and records, encoded before.
    pub(in crate::cli::bench) raw_seconds: f64,
}

pub(super) async fn run(config: Config, raw_dir: PathBuf, audience: &Path) -> Outcome<()> {
    let launch = valid(&http_launch("bench", audience))?.launch;
    let engines = Engines::open(&config).await?;
    let cpu = cpu_seconds("self");
    let (took, campaign) = expand(&engines, &config, std::slice::from_ref(&launch)).await?;
    let (cpu, peak_rss_mb) = (cpu_seconds("self") - cpu, peak_rss_mb("self"));

    let chunks = engines.store().chunks(campaign.id).await?;
    let first = chunks.first().ok_or_else(|| failed("nothing was expanded", "the audience is empty"))?;
    let rows = engines.store().recipients(first.id, &IndexSet::full(CHUNK_ROWS_MAX)).await?;
    engines.close().await;
    let sizes: Vec<usize> = chunks.iter().map(|chunk| chunk.size as usize).collect();
    let raw = Engines::Embedded(Directory::open(&raw_dir, config.topics.partitions).await?);
    let began = SystemClock.monotonic();
    write_raw(&raw, &rows, &sizes, config.expander.chunks_in_flight_max).await?;
    let raw_seconds = (SystemClock.monotonic() - began).as_secs_f64();
    raw.close().await;
    say(&Expanded { seconds: took.as_secs_f64(), cpu_seconds: cpu, peak_rss_mb, raw_seconds })
}

/// Writes the rows of one real chunk as often as there were chunks, as many at a time as the expander.
async fn write_raw(
    engines: &Engines,
    rows: &[RecipientRow],
    sizes: &[usize],
    at_a_time: usize,
) -> Outcome<()> {
    let mut writing = JoinSet::new();
    for (number, size) in (0_u32..).zip(sizes) {
        let rows: Vec<RecipientRow> = rows.iter().take(*size).cloned().collect();
        let (log, store) = (engines.log(), engines.store());
        writing.spawn(async move {
            let chunk = ChunkId::new(CampaignId::of("default", "raw"), 0, 1, number);
            let partition = Partition(number % log.partitions(Topic::Sends));
            let record = |row: &RecipientRow| NewRecord { key: PAGE.into(), value: row.payload.clone() };
            let bursts = rows.chunks(BURST).map(|burst| burst.iter().map(record).collect());
            let tickets: Vec<_> = bursts.map(|burst| log.append(Topic::Sends, partition, burst)).collect();
            store.write_recipients(chunk, rows).await?;
            for ticket in tickets {
                ticket.await?;
            }
            Outcome::Ok(())
        });
        if writing.len() >= at_a_time
            && let Some(written) = writing.join_next().await
        {
            written.map_err(storage)??;
        }
    }
    while let Some(written) = writing.join_next().await {
        written.map_err(storage)??;
    }
    Ok(())
}
