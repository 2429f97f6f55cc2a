//! From a launch to its first call.

use super::child::Process;
use super::ground::Ground;
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
    let details = json!({ "launches": LAUNCHES, "p50_ms": at(&ms, 50), "max_ms": at(&ms, 100) });
    report.row(Row {
        name: "launch_latency",
        value: at(&ms, 99),
        unit: "ms p99",
        ratio: None,
        beside: None,
        aim: "100 ms",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}

/// The value that so many percent do not exceed.
fn at(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::at;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((at(&sorted, 50), at(&sorted, 99), at(&sorted, 100)), (50.0, 99.0, 100.0));
        assert_eq!(at(&[7.0], 99), 7.0);
    }
}
