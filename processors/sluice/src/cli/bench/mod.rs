//! `sluice bench`: measures this machine.
//!
//! Every benchmark measures something beside the thing it is about, in the same run: machines drift, so only
//! ratios can be compared between two of them.
//!
//! - `send`: the pipeline between two runs of a bare HTTP client, and its whole way from the CSV file to the end.
//! - `expand`: an audience becomes chunks, beside the bare writing of the same bytes.
//! - `launch_latency`: from a launch to its first call.
//! - `receipts`: webhooks become counters, beside the sending before them.
//! - `memory`: the most memory of a large campaign.
//! - `gates`: limits, pauses and priorities, seen by the side that answers the calls.
//! - `cluster`: what only a cluster has.
//! - `ground`: engines without anything of an earlier run.
//! - `worker`: what runs in a process of its own, so that memory and processor time are its own, too.
//! - `bare`, `child`, `scratch`, `report`: the client beside, processes, files, results.

mod bare;
mod child;
mod cluster;
mod expand;
mod gates;
mod ground;
mod launch_latency;
mod memory;
mod receipts;
mod report;
mod scratch;
mod send;
mod worker;

use super::Common;
use super::signals::Signals;
use crate::error::{Exit, Failure, Outcome};
use clap::{Args, ValueEnum};
use ground::Ground;
use report::Report;

/// What to measure, and how much of it.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sluice bench send --recipients 200000
  sluice bench --json > figures.ndjson
  sluice bench --log kafka --store cql expand
Files go to the temporary directory (TMPDIR) and are removed. The sink and the measured process are processes of
their own on this machine; close what else works on it. docs/performance.md has figures and what they mean.
On a cluster each run makes topics and a keyspace of its own and removes them; `kafka` and `cql` of the configuration
say where.")]
pub struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    pub which: Which,
    /// Recipients of each campaign; each benchmark has its own default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=90_000_000))]
    pub recipients: Option<u64>,
    /// Rounds; the median counts
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Campaigns before the first round of `send` [default: 6 on a cluster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub warm_ups: Option<u32>,
    /// Calls in flight, of the pipeline and of the client beside it
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub in_flight: u32,
    /// The log that is measured [default: as configured]
    #[arg(long, value_enum, requires = "store")]
    pub log: Option<LogKind>,
    /// The store that is measured [default: as configured]
    #[arg(long, value_enum, requires = "log")]
    pub store: Option<StoreKind>,
    /// Work as the process that is measured
    #[arg(long, hide = true, value_name = "JSON")]
    pub worker: Option<String>,
}

/// The benchmarks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum Which {
    Send,
    Expand,
    LaunchLatency,
    Receipts,
    Memory,
    /// Limits, pauses and priorities: the next four; some minutes, and not among `all`
    Gates,
    /// Pages beside one with a backlog that may not or cannot go on
    Neighbours,
    /// How much of their rates limited pages use; very many limited pages
    RateUse,
    /// From the acknowledgement of a pause to the last call
    Pause,
    /// An urgent campaign on a page with a backlog
    Urgent,
    /// Cluster: receipts beside bare writes of states
    Merge,
    /// Cluster: pages whose process is killed or stops
    Takeover,
    /// Cluster: one, two and three processes
    Processes,
    All,
}

/// Logs that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum LogKind {
    Embedded,
    Kafka,
}

/// Stores that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub enum StoreKind {
    Embedded,
    Cql,
}

/// Runs the benchmarks that were asked for.
///
/// # Errors
/// Why one of them could not be measured.
pub fn run(common: &Common, args: BenchArgs) -> Outcome {
    let (common, args) = (common.clone(), args);
    super::on_runtime(async move {
        if let Some(job) = &args.worker {
            return worker::run(&common, job).await;
        }
        let mut signals = Signals::new()?;
        let ground = Ground::of(&common, &args)?;
        // Dropped at a signal or a failure, it ends its processes and removes its files.
        let measured = tokio::select! {
            biased;
            measured = measure(&common, &args, &ground) => measured.map(|()| Exit::Done),
            () = signals.next() => Err(stopped()),
        };
        ground.remove_all().await;
        measured
    })
}

async fn measure(common: &Common, args: &BenchArgs, ground: &Ground) -> Outcome<()> {
    let mut report = Report::new(common);
    let is_cluster = ground.is_cluster();
    let only_there = [Which::Merge, Which::Takeover, Which::Processes];
    if !is_cluster && only_there.contains(&args.which) {
        let name = args.which.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned());
        return Err(cluster::needed(&name));
    }
    let wants = |which| args.which == which || args.which == Which::All;
    if wants(Which::Send) {
        send::measure(common, args, ground, &mut report).await?;
    }
    if wants(Which::Expand) {
        match is_cluster {
            true => cluster::expand::measure(common, args, ground, &mut report).await?,
            false => expand::measure(common, args, ground, &mut report).await?,
        }
    }
    if wants(Which::LaunchLatency) {
        launch_latency::measure(common, ground, &mut report).await?;
    }
    if wants(Which::Receipts) {
        receipts::measure(common, args, ground, &mut report).await?;
    }
    // Ten million recipients are for a cluster that is asked for them.
    if args.which == Which::Memory || (!is_cluster && wants(Which::Memory)) {
        memory::measure(common, args, ground, &mut report).await?;
    }
    if gates::is_part(args.which) {
        gates::measure(common, args, ground, &mut report).await?;
    }
    if is_cluster && wants(Which::Merge) {
        cluster::merge::measure(common, args, ground, &mut report).await?;
    }
    if is_cluster && wants(Which::Processes) {
        cluster::processes::measure(common, args, ground, &mut report).await?;
    }
    if is_cluster && wants(Which::Takeover) {
        cluster::takeover::measure(common, args, ground, &mut report).await?;
    }
    report.finish();
    Ok(())
}

fn stopped() -> Failure {
    Failure::new(Exit::TryAgain, "stopped", "stopped before the end", "run the same command again")
}

/// Something beside the measured thing failed.
fn failed(what: &str, error: impl std::fmt::Display) -> Failure {
    let to_do = "free memory, disk (TMPDIR) and ports of this machine and run the same command again";
    Failure::new(Exit::TryAgain, "not_measured", what, to_do).with(error.to_string())
}

/// The value that so many percent do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The middle one; of an even number the lower one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::{median, percentile};

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        let at = |percent| percentile(&sorted, percent);
        assert_eq!((at(50), at(99), at(100)), (50.0, 99.0, 100.0));
        assert_eq!(percentile(&[7.0], 99), 7.0);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![2.0, 1.0])), (2.0, 1.0));
    }
}
