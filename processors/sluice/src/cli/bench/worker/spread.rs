//! An expansion on a cluster, and then its bytes again through bare librdkafka and the bare driver.

use super::campaign::expand;
use super::{cpu_seconds, peak_rss_mb, say, valid};
use crate::cli::bench::failed;
use crate::cli::bench::scratch::{PAGE, http_launch, inline_launch};
use crate::config::Config;
use crate::error::Outcome;
use crate::node::Engines;
use crate::node::engines::{log_refused, store_refused};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sluice_core::{CHUNK_ROWS_MAX, IndexSet};
use sluice_log::kafka;
use sluice_runtime::ports::log::{NewRecord, Topic};
use sluice_store::cql::raw::RawTables;
use std::path::Path;

/// What it took, in seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::cli::bench) struct Spread {
    /// From the launch to the seal.
    pub(in crate::cli::bench) seconds: f64,
    pub(in crate::cli::bench) cpu_seconds: f64,
    pub(in crate::cli::bench) peak_rss_mb: f64,
    /// Of the same records through bare librdkafka.
    pub(in crate::cli::bench) produce_seconds: f64,
    /// Of the same bytes as rows, one a recipient, through the bare driver.
    pub(in crate::cli::bench) rows_seconds: f64,
}

pub(super) async fn run(config: Config, audience: &Path) -> Outcome<()> {
    // The first one is small: the group has its partitions after it.
    let launches =
        [valid(&inline_launch("first", 10))?.launch, valid(&http_launch("bench", audience))?.launch];
    let engines = Engines::open(&config).await?;
    let cpu = cpu_seconds("self");
    let (took, campaign) = expand(&engines, &config, &launches).await?;
    let (cpu, peak_rss_mb) = (cpu_seconds("self") - cpu, peak_rss_mb("self"));

    let chunks = engines.store().chunks(campaign.id).await?;
    let first = chunks.first().ok_or_else(|| failed("nothing was expanded", "the audience is empty"))?;
    let rows = engines.store().recipients(first.id, &IndexSet::full(CHUNK_ROWS_MAX)).await?;
    let count = chunks.iter().map(|chunk| chunk.size as usize).sum();
    let payloads: Vec<Bytes> = rows.into_iter().map(|row| row.payload).collect();
    let record = |value: &Bytes| NewRecord { key: PAGE.into(), value: value.clone() };
    let records = payloads.iter().map(record).collect();
    // A topic with as many partitions that nobody reads here.
    let produced = kafka::raw::produce(&config.kafka, Topic::Chunks, records, count).await;
    let produced = produced.map_err(log_refused)?;
    let tables = RawTables::create(&config.cql).await.map_err(store_refused)?;
    let written = tables.write_rows(&payloads, count).await.map_err(store_refused)?;
    say(&Spread {
        seconds: took.as_secs_f64(),
        cpu_seconds: cpu,
        peak_rss_mb,
        produce_seconds: produced.as_secs_f64(),
        rows_seconds: written.as_secs_f64(),
    })
}
