//! From a launch to its first call.

use super::child::Process;
use super::ground::Ground;
use super::percentile;
use super::report::{Report, Row};
use super::scratch::Scratch;
use super::worker::{Job, Latencies};
use crate::cli::Common;
use crate::error::Outcome;
use serde_json::json;

const LAUNCHES: u32 = 100;

pub(super) async fn measure(common: &Common, ground: &Ground, report: &mut Report) -> Outcome<()> {
    let scratch = Scratch::new()?;
    report.say(format_args!("launching {LAUNCHES} small campaigns"));
    let job = Job::Latency { data_dir: scratch.data()?, launches: LAUNCHES };
    let place = ground.fresh().await?;
    let Latencies { mut ms } = Process::worker(common, &place, &job)?.read().await?;
    ground.remove(place).await?;
    ms.sort_by(f64::total_cmp);
    let details =
        json!({ "launches": LAUNCHES, "p50_ms": percentile(&ms, 50), "max_ms": percentile(&ms, 100) });
    report.row(Row {
        name: "launch_latency",
        value: percentile(&ms, 99),
        unit: "ms p99",
        ratio: None,
        beside: None,
        aim: "100 ms",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}
