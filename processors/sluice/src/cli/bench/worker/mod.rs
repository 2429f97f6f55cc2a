//! What runs in a process of its own: told what to do in one JSON object, it says what it measured in JSON lines.

pub(super) mod answers;
mod campaign;
mod expand;
mod gates;
mod latency;
mod merge;
mod receipts;
mod spread;

pub(super) use campaign::Ran;
pub(super) use expand::Expanded;
pub(super) use latency::Latencies;
pub(super) use merge::MergedReceipts;
pub(super) use receipts::{Merged, Sent};
pub(super) use spread::Spread;

use super::failed;
use super::scratch::PAGE;
use crate::cli::Common;
use crate::config::{ChannelConfig, Config};
use crate::error::{Exit, Outcome};
use crate::node::launching;
use serde::{Deserialize, Serialize};
use sluice_core::launch::ValidLaunch;
use sluice_providers::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a worker does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Job {
    /// One campaign to its end.
    Campaign {
        data_dir: PathBuf,
        audience: PathBuf,
        recipients: u64,
        url: String,
        in_flight: u32,
        /// The sender starts only when the whole audience is expanded; only sending is measured then.
        expanded_before: bool,
    },
    /// An audience becomes chunks, of which nothing is sent.
    Expand { data_dir: PathBuf, raw_dir: PathBuf, audience: PathBuf },
    /// The same on a cluster.
    Spread { data_dir: PathBuf, audience: PathBuf },
    /// Receipts of so many chunks become states, on a cluster.
    Merge { data_dir: PathBuf, chunks: u32, per_chunk: u32, outcomes: u16 },
    /// Small campaigns, one after the other, against a running node.
    Latency { data_dir: PathBuf, launches: u32 },
    /// A campaign over WhatsApp, then its webhooks come in.
    Receipts { data_dir: PathBuf, audience: PathBuf, recipients: u64, url: String, in_flight: u32 },
    /// Answers like the Cloud API, as little as it takes.
    Answers,
    /// Launches of a file (a JSON array) become chunks, of which nothing is sent; some of them are paused then.
    Backlog { data_dir: PathBuf, launches: PathBuf, paused: Vec<String> },
    /// A service with its API, for whoever started it: until it is killed.
    Serve {
        data_dir: PathBuf,
        url: String,
        in_flight: u32,
        /// Of every page.
        rate: Option<String>,
        /// Of single pages.
        rates: BTreeMap<String, String>,
    },
}

/// The key of webhooks here.
pub(super) const APP_SECRET: &str = "sluice-bench";

/// Does it.
pub(super) async fn run(common: &Common, job: &str) -> Outcome {
    let job: Job = serde_json::from_str(job).map_err(|error| failed("--worker takes a job", error))?;
    let config = common.load(&[], "warn,sluice_sender=error")?.config;
    match job {
        Job::Campaign { data_dir, audience, recipients, url, in_flight, expanded_before } => {
            let config = measured(config, data_dir, &url, in_flight);
            campaign::run(config, &audience, recipients, expanded_before).await?;
        }
        Job::Expand { data_dir, raw_dir, audience } => {
            expand::run(Config { data_dir, ..config }, raw_dir, &audience).await?;
        }
        Job::Spread { data_dir, audience } => {
            spread::run(Config { data_dir, ..config }, &audience).await?;
        }
        Job::Merge { data_dir, chunks, per_chunk, outcomes } => {
            let shape = merge::Shape { chunks, per_chunk, outcomes };
            merge::run(Config { data_dir, ..config }, shape).await?;
        }
        Job::Latency { data_dir, launches } => latency::run(config, data_dir, launches).await?,
        Job::Receipts { data_dir, audience, recipients, url, in_flight } => {
            let config = measured(config, data_dir, &url, in_flight);
            receipts::run(config, &audience, recipients).await?;
        }
        Job::Answers => answers::run().await?,
        Job::Backlog { data_dir, launches, paused } => {
            gates::backlog(Config { data_dir, ..config }, &launches, &paused).await?;
        }
        Job::Serve { data_dir, url, in_flight, rate, rates } => {
            let config = measured(config, data_dir, &url, in_flight);
            gates::serve(gates::limited(config, rate.as_deref(), &rates)?).await?;
        }
    }
    Ok(Exit::Done)
}

/// Everything as configured, except where calls go and how many are under way: those are the same beside.
fn measured(mut config: Config, data_dir: PathBuf, url: &str, in_flight: u32) -> Config {
    let channel = ChannelConfig {
        url: Some(url.to_owned()),
        token: Secret::from("bench"),
        app_secret: Secret::from(APP_SECRET),
        ..ChannelConfig::default()
    };
    config.channels.http = channel.clone();
    config.channels.whatsapp = channel;
    config.pages.remove(PAGE);
    config.sender.in_flight_max = in_flight as usize;
    Config { data_dir, ..config }
}

fn valid(launch: &serde_json::Value) -> Outcome<ValidLaunch> {
    let launch = launching::parse(&launch.to_string(), "the benchmark's launch")?;
    launching::checked(&launch, "the benchmark's launch")
}

/// Says what was measured.
fn say(measured: &impl Serialize) -> Outcome<()> {
    let line =
        serde_json::to_string(measured).map_err(|error| failed("cannot say what was measured", error))?;
    crate::view::out::line(line);
    Ok(())
}

/// The most memory of a process so far, in MB (10⁶ bytes); `self` is this one.
pub(super) fn peak_rss_mb(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(f64::NAN);
    kib * 1_024.0 / 1e6
}

/// Processor time of a process so far, in seconds; `self` is this one.
pub(super) fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may hold anything; user and system time in hundredths.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
