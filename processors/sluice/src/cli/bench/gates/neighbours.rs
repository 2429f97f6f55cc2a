//! Four pages at full speed, beside a page with a backlog that may not or cannot go on, and without it.

use super::answering::{HANGING, REFUSED};
use super::serving::Start;
use super::{Bench, Report};
use crate::cli::bench::median;
use crate::cli::bench::report::{Beside, Row};
use crate::cli::bench::scratch::named_launch;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::{Value, json};
use std::time::Duration;

const NEIGHBOURS: usize = 4;
/// Recipients of each neighbour at most.
const EACH_MAX: u64 = 50_000;
/// A call of a neighbour comes by then.
const PATIENCE: Duration = Duration::from_secs(30);
const PAGE: &str = "crowded";

/// Why the backlog waits.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    name: &'static str,
    campaign: &'static str,
    rate: Option<&'static str>,
    is_paused: bool,
}

const CROWDS: [Crowd; 4] = [
    Crowd { name: "neighbours_throttled", campaign: "throttled", rate: Some("10/s"), is_paused: false },
    Crowd { name: "neighbours_paused", campaign: "paused", rate: None, is_paused: true },
    Crowd { name: "neighbours_429", campaign: REFUSED, rate: None, is_paused: false },
    Crowd { name: "neighbours_hanging", campaign: HANGING, rate: None, is_paused: false },
];

/// What the neighbours did, and what their process took.
#[derive(Debug, Clone, Copy)]
struct Ran {
    rate: f64,
    peak_rss_mb: f64,
}

#[derive(Debug, Default)]
struct Measured {
    rates: Vec<f64>,
    without: Vec<f64>,
    ratios: Vec<f64>,
    memory_mb: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    let mut measured: [Measured; CROWDS.len()] = Default::default();
    // The first run only warms up.
    run(bench, None).await?;
    for round in 1..=bench.args.rounds {
        let mut before = run(bench, None).await?;
        for (crowd, measured) in CROWDS.iter().zip(&mut measured) {
            let with = run(bench, Some(crowd)).await?;
            let after = run(bench, None).await?;
            let without = f64::midpoint(before.rate, after.rate);
            let memory = with.peak_rss_mb - f64::midpoint(before.peak_rss_mb, after.peak_rss_mb);
            report.say(format_args!(
                "round {round}: {} {}/s, without {}/s and {}/s: {:.2}, {memory:.1} MB more",
                crowd.name,
                thousands(with.rate as u64),
                thousands(before.rate as u64),
                thousands(after.rate as u64),
                with.rate / without,
            ));
            measured.rates.push(with.rate);
            measured.without.push(without);
            measured.ratios.push(with.rate / without);
            measured.memory_mb.push(memory);
            before = after;
        }
    }
    for (crowd, measured) in CROWDS.iter().zip(measured) {
        report.row(row(crowd.name, bench.recipients, measured));
    }
    Ok(())
}

async fn run(bench: &Bench<'_>, crowd: Option<&Crowd>) -> Outcome<Ran> {
    let each = (bench.recipients / 20).clamp(1_000, EACH_MAX);
    let audience = json!({ "path": bench.scratch.audience(each).await? });
    let names: Vec<String> = (1..=NEIGHBOURS).map(|number| format!("neighbour-{number}")).collect();
    let neighbour = |name: &String| named_launch(name, audience.clone(), name, "normal");
    let mut start =
        Start { launches: names.iter().map(neighbour).collect::<Vec<Value>>(), ..Start::default() };
    let (paused, rates);
    if let Some(crowd) = crowd {
        let backlog = json!({ "path": bench.scratch.audience(bench.recipients).await? });
        start.launches.push(named_launch(crowd.campaign, backlog, PAGE, "normal"));
        paused = [crowd.campaign];
        start.paused = if crowd.is_paused { &paused } else { &[] };
        rates = crowd.rate.map(|rate| (PAGE, rate));
        start.rates = rates.as_slice();
    }
    let serving = bench.serve(start).await?;
    for name in &names {
        bench.answering.until(name, each as usize, PATIENCE).await?;
    }
    let peak_rss_mb = serving.process.peak_rss_mb();
    serving.end(bench.ground).await?;
    let calls: Vec<Vec<Duration>> = names.iter().map(|name| bench.answering.calls(name)).collect();
    let first = calls.iter().filter_map(|calls| calls.first()).min().copied().unwrap_or_default();
    let last = calls.iter().filter_map(|calls| calls.last()).max().copied().unwrap_or_default();
    let count = calls.iter().map(Vec::len).sum::<usize>();
    Ok(Ran { rate: count as f64 / (last.saturating_sub(first)).as_secs_f64(), peak_rss_mb })
}

fn row(name: &'static str, recipients: u64, measured: Measured) -> Row {
    let details = json!({
        "backlog": recipients,
        "ratios": measured.ratios,
        "memory_mb": median(measured.memory_mb.clone()),
        "memories_mb": measured.memory_mb,
    });
    Row {
        name,
        value: median(measured.rates),
        unit: "sends/s",
        ratio: Some(median(measured.ratios)),
        beside: Some(Beside { name: "without it", value: median(measured.without), unit: "sends/s" }),
        aim: "0.95, 5 MB",
        details: details.as_object().cloned().unwrap_or_default(),
    }
}
