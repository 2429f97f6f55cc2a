//! From the acknowledgement of a pause to the last call, at a campaign that sends at full speed.

use super::serving::Start;
use super::{Bench, Report};
use crate::cli::bench::report::Row;
use crate::cli::bench::scratch::named_launch;
use crate::cli::bench::{failed, median, percentile};
use crate::cli::remote::Remote;
use crate::error::Outcome;
use serde_json::json;
use sluice_runtime::{Clock, SystemClock};
use std::time::Duration;

const CAMPAIGN: &str = "paused-often";
/// Pauses after which the last call is awaited.
const AWAITED: usize = 10;
/// Pauses of which only the acknowledgement is measured.
const QUICK: usize = 100;
/// A call this long after the acknowledgement would be one too many.
const LISTENS: Duration = Duration::from_millis(2_500);
/// The campaign sends this many before it is paused again.
const BETWEEN: usize = 500;
const PATIENCE: Duration = Duration::from_secs(30);

/// One pause, in ms.
struct Paused {
    acknowledgement: f64,
    /// From the acknowledgement to the last call; 0 if that came before.
    last_call: f64,
}

pub(super) async fn measure(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    report.say(format_args!("pausing a campaign again and again"));
    let audience = json!({ "path": bench.scratch.audience(bench.recipients).await? });
    let launches = vec![named_launch(CAMPAIGN, audience, CAMPAIGN, "normal")];
    let serving = bench.serve(Start { launches, ..Start::default() }).await?;
    let (mut acknowledgements, mut last_calls) = (Vec::new(), Vec::new());
    for number in 0..AWAITED + QUICK {
        // At the end too little would be left to be paused.
        let calls = bench.answering.count(CAMPAIGN) + BETWEEN;
        if calls as u64 > bench.recipients * 8 / 10 {
            break;
        }
        bench.answering.until(CAMPAIGN, calls, PATIENCE).await?;
        let listens = if number < AWAITED { LISTENS } else { Duration::ZERO };
        let paused = pause(bench, &serving.remote, listens).await?;
        acknowledgements.push(paused.acknowledgement);
        if number < AWAITED {
            last_calls.push(paused.last_call);
        }
        command(&serving.remote, "resume").await?;
    }
    serving.end(bench.ground).await?;
    if last_calls.is_empty() {
        return Err(failed("nothing could be paused", "--recipients is too small"));
    }
    acknowledgements.sort_by(f64::total_cmp);
    last_calls.sort_by(f64::total_cmp);
    let details = json!({
        "recipients": bench.recipients,
        "pauses": last_calls.len(),
        "last_call_p50_ms": median(last_calls.clone()),
        "acknowledged": acknowledgements.len(),
        "acknowledgement_p50_ms": percentile(&acknowledgements, 50),
        "acknowledgement_p99_ms": percentile(&acknowledgements, 99),
    });
    report.row(Row {
        name: "pause",
        value: percentile(&last_calls, 100),
        unit: "ms max",
        ratio: None,
        beside: None,
        aim: "2,000 ms",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}

async fn pause(bench: &Bench<'_>, remote: &Remote, listens: Duration) -> Outcome<Paused> {
    let began = SystemClock.monotonic();
    command(remote, "pause").await?;
    let acknowledged = SystemClock.monotonic();
    tokio::time::sleep(listens).await;
    let last = bench.answering.last(CAMPAIGN).unwrap_or_default();
    let ms = |since: Duration| since.as_secs_f64() * 1e3;
    Ok(Paused { acknowledgement: ms(acknowledged - began), last_call: ms(last.saturating_sub(acknowledged)) })
}

async fn command(remote: &Remote, action: &str) -> Outcome<()> {
    remote.post(&format!("/v1/campaigns/{CAMPAIGN}/{action}"), Vec::new()).await.map(drop)
}
