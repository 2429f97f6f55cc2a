//! From the launch of an urgent campaign to its first call: on a page with a backlog, and on an idle one.

use super::serving::Start;
use super::{Bench, Report};
use crate::cli::bench::report::{Beside, Row};
use crate::cli::bench::scratch::{inline, named_launch};
use crate::cli::bench::{median, percentile};
use crate::error::Outcome;
use serde_json::json;
use sluice_runtime::{Clock, SystemClock};
use std::time::Duration;

const RECIPIENTS: u64 = 1_000;
const LAUNCHES: usize = 10;
const BUSY: &str = "busy";
const IDLE: &str = "idle";
const BULK: &str = "bulk";
/// Slow enough that the backlog lasts, fast enough that an urgent campaign is over soon.
const RATE: &str = "1000/s";
/// Of a backlog that was expanded by then.
const FLOWS: usize = 500;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    report
        .say(format_args!("launching {LAUNCHES} urgent campaigns beside bulk, and as many on an idle page"));
    let audience = json!({ "path": bench.scratch.audience(bench.recipients).await? });
    let launches = vec![named_launch(BULK, audience, BUSY, "bulk")];
    let serving = bench.serve(Start { launches, rate: Some(RATE), ..Start::default() }).await?;
    bench.answering.until(BULK, FLOWS, PATIENCE).await?;
    let (mut busy, mut idle, mut all_ms) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..LAUNCHES {
        for page in [IDLE, BUSY] {
            let name = format!("urgent-{page}-{number}");
            let launch = named_launch(&name, inline(&name, RECIPIENTS), page, "urgent").to_string();
            let began = SystemClock.monotonic();
            serving.remote.post("/v1/campaigns", launch.into_bytes()).await?;
            // The next one does not stand in line with it.
            bench.answering.until(&name, RECIPIENTS as usize, PATIENCE).await?;
            let calls = bench.answering.calls(&name);
            let ms = |call: Option<&Duration>| {
                call.map_or(f64::NAN, |call| call.saturating_sub(began).as_secs_f64() * 1e3)
            };
            let firsts = if page == BUSY { &mut busy } else { &mut idle };
            firsts.push(ms(calls.first()));
            if page == BUSY {
                all_ms.push(ms(calls.last()));
            }
        }
    }
    let sent = bench.answering.count(BULK) as u64;
    serving.end(bench.ground).await?;
    busy.sort_by(f64::total_cmp);
    idle.sort_by(f64::total_cmp);
    let details = json!({
        "bulk": bench.recipients,
        "bulk_left": bench.recipients.saturating_sub(sent),
        "launches": LAUNCHES,
        "p50_ms": percentile(&busy, 50),
        "idle_p50_ms": percentile(&idle, 50),
        "last_call_p50_ms": median(all_ms),
    });
    let (value, beside) = (percentile(&busy, 100), percentile(&idle, 100));
    report.row(Row {
        name: "urgent",
        value,
        unit: "ms max",
        ratio: Some(value / beside),
        beside: Some(Beside { name: "idle page", value: beside, unit: "ms max" }),
        aim: "1,000 ms",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}
