//! An audience becomes chunks, beside the bare writing of the same bytes.

use super::child::Process;
use super::ground::Ground;
use super::report::{Beside, Report, Row};
use super::scratch::Scratch;
use super::worker::{Expanded, Job};
use super::{BenchArgs, median};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::json;

const ROWS: u64 = 2_000_000;

pub(super) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let rows = args.recipients.unwrap_or(ROWS);
    let scratch = Scratch::new()?;
    let audience = scratch.audience(rows).await?;
    let (mut rates, mut raw_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cpu_us, mut rss_mb) = (Vec::new(), 0.0_f64);
    for round in 1..=args.rounds {
        // Each round has a directory for both data directories; the last round's is removed first.
        let data = Scratch::new()?;
        let job = Job::Expand {
            data_dir: data.path().join("data"),
            raw_dir: data.path().join("raw"),
            audience: audience.clone(),
        };
        let place = ground.fresh().await?;
        let took: Expanded = Process::worker(common, &place, &job)?.read().await?;
        ground.remove(place).await?;
        let (rate, raw) = (rows as f64 / took.seconds, rows as f64 / took.raw_seconds);
        report.say(format_args!(
            "round {round}: {} rows/s, written bare {} rows/s, {:.0} MB at most",
            thousands(rate as u64),
            thousands(raw as u64),
            took.peak_rss_mb,
        ));
        rates.push(rate);
        raw_rates.push(raw);
        ratios.push(rate / raw);
        cpu_us.push(took.cpu_seconds * 1e6 / rows as f64);
        rss_mb = rss_mb.max(took.peak_rss_mb);
    }
    let details = json!({
        "rows": rows, "ratios": ratios, "cpu_us_per_row": median(cpu_us), "peak_rss_mb": rss_mb,
    });
    report.row(Row {
        name: "expand",
        value: median(rates),
        unit: "rows/s",
        ratio: Some(median(ratios)),
        beside: Some(Beside { name: "raw writes", value: median(raw_rates), unit: "rows/s" }),
        aim: "250,000 rows/s, 200 MB",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}
