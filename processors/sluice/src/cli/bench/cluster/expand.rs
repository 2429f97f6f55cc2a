//! An audience becomes chunks, beside bare librdkafka and bare rows of the same bytes.

use super::super::child::Process;
use super::super::ground::Ground;
use super::super::report::{Beside, Report, Row};
use super::super::scratch::Scratch;
use super::super::worker::{Job, Spread};
use super::super::{BenchArgs, median};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::json;

const ROWS: u64 = 500_000;

pub(in crate::cli::bench) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let rows = args.recipients.unwrap_or(ROWS);
    let scratch = Scratch::new()?;
    let audience = scratch.audience(rows).await?;
    let (mut rates, mut slower, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut produced, mut written) = (Vec::new(), Vec::new());
    let (mut cpu_us, mut rss_mb) = (Vec::new(), 0.0_f64);
    // The first one only warms the engines up.
    for round in 0..=args.rounds {
        let place = ground.fresh().await?;
        let job = Job::Spread { data_dir: scratch.data()?, audience: audience.clone() };
        let took: Spread = Process::worker(common, &place, &job)?.read().await?;
        ground.remove(place).await?;
        let rate = |seconds: f64| rows as f64 / seconds;
        let (ours, produce, write) =
            (rate(took.seconds), rate(took.produce_seconds), rate(took.rows_seconds));
        report.say(format_args!(
            "round {round}: {} rows/s; bare: {} records/s, {} rows/s: {:.2}{}",
            thousands(ours as u64),
            thousands(produce as u64),
            thousands(write as u64),
            ours / produce.min(write),
            if round == 0 { " (warming up)" } else { "" },
        ));
        if round == 0 {
            continue;
        }
        rates.push(ours);
        produced.push(produce);
        written.push(write);
        slower.push(produce.min(write));
        ratios.push(ours / produce.min(write));
        cpu_us.push(took.cpu_seconds * 1e6 / rows as f64);
        rss_mb = rss_mb.max(took.peak_rss_mb);
    }
    let details = json!({
        "rows": rows, "ratios": ratios, "bare_records_per_s": median(produced).round(),
        "bare_rows_per_s": median(written).round(), "cpu_us_per_row": median(cpu_us), "peak_rss_mb": rss_mb,
    });
    report.row(Row {
        name: "expand",
        value: median(rates),
        unit: "rows/s",
        ratio: Some(median(ratios)),
        beside: Some(Beside { name: "the slower bare one", value: median(slower), unit: "rows/s" }),
        aim: "0.50",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}
