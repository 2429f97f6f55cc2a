//! How much of their rates pages use, in sliding windows; and what very many limited pages take.

use super::serving::Start;
use super::windows::extremes;
use super::{Bench, Report};
use crate::cli::bench::report::{Beside, Row};
use crate::cli::bench::scratch::{http_launch_to, named_launch};
use crate::error::Outcome;
use serde_json::{Map, json};
use std::time::Duration;

/// A page that is limited.
struct Limited {
    name: &'static str,
    page: &'static str,
    rate: &'static str,
    per_second: u64,
    /// Lengths of windows, in s; none shorter than the rate's own, of which it says nothing.
    windows_s: &'static [u64],
}

const PAGES: [Limited; 2] = [
    Limited { name: "rate_use_50_s", page: "fifty", rate: "50/s", per_second: 50, windows_s: &[1, 10, 60] },
    Limited { name: "rate_use_600_min", page: "minute", rate: "600/min", per_second: 10, windows_s: &[60] },
];
/// The longest run, in s: the longest window slides by ten.
const SECONDS_MAX: u64 = 70;
const SECONDS_MIN: u64 = 12;
/// A first call comes by then.
const PATIENCE: Duration = Duration::from_secs(60);

const MANY: u64 = 10_000;
const MANY_RATE: &str = "10/min";
/// What a page has: nobody's share may be called up before the end.
const MANY_EACH: u64 = 30;
/// Until all pages have made a call.
const MANY_SETTLE: Duration = Duration::from_secs(10);
const MANY_MEASURED: Duration = Duration::from_secs(30);

pub(super) async fn measure(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    windows(bench, report).await?;
    many(bench, report).await
}

async fn windows(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    // As long as the backlog would last at 50/s.
    let seconds = (bench.recipients / 50).clamp(SECONDS_MIN, SECONDS_MAX);
    report.say(format_args!("two limited pages send for {seconds} s"));
    let mut launches = Vec::new();
    for limited in &PAGES {
        let people = limited.per_second * (seconds + 10);
        let audience = json!({ "path": bench.scratch.audience(people).await? });
        launches.push(named_launch(limited.page, audience, limited.page, "normal"));
    }
    let rates = PAGES.each_ref().map(|limited| (limited.page, limited.rate));
    let serving = bench.serve(Start { launches, rates: &rates, ..Start::default() }).await?;
    for limited in &PAGES {
        bench.answering.until(limited.page, 1, PATIENCE).await?;
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    serving.end(bench.ground).await?;
    for limited in &PAGES {
        let mut row = row(limited, &bench.answering.calls(limited.page));
        row.details.insert("judge_late_ms_max".to_owned(), json!(bench.answering.late_max_ms()));
        report.row(row);
    }
    Ok(())
}

fn row(limited: &Limited, calls: &[Duration]) -> Row {
    let took = calls.last().zip(calls.first()).map_or(0.0, |(last, first)| (*last - *first).as_secs_f64());
    let (mut least, mut most) = (f64::NAN, f64::NAN);
    let mut details = Map::new();
    for seconds in limited.windows_s {
        let Some((fewest, largest)) = extremes(calls, Duration::from_secs(*seconds)) else { continue };
        let of_allowed = |calls: usize| calls as f64 / (limited.per_second * seconds) as f64;
        (least, most) = (least.min(of_allowed(fewest)), most.max(of_allowed(largest)));
        details.insert(format!("least_{seconds}_s"), json!(of_allowed(fewest)));
        details.insert(format!("most_{seconds}_s"), json!(of_allowed(largest)));
    }
    details.insert("calls".to_owned(), json!(calls.len()));
    details.insert("least".to_owned(), json!(least));
    details.insert("most".to_owned(), json!(most));
    let value = calls.len().saturating_sub(1) as f64 / took;
    let allowed = limited.per_second as f64;
    Row {
        name: limited.name,
        value,
        unit: "calls/s",
        ratio: Some(value / allowed),
        beside: Some(Beside { name: "allowed", value: allowed, unit: "calls/s" }),
        aim: "least 0.98, most 1",
        details,
    }
}

async fn many(bench: &Bench<'_>, report: &mut Report) -> Outcome<()> {
    let count = (bench.recipients * MANY / super::RECIPIENTS).clamp(10, MANY);
    report.say(format_args!("{count} pages, each limited to {MANY_RATE}, send for {MANY_MEASURED:?}"));
    let pages: Vec<String> = (1..=count).map(|number| format!("page-{number}")).collect();
    let audience = bench.scratch.audience(count * MANY_EACH).await?;
    let launches = vec![http_launch_to("many", &audience, &pages)];
    let serving = bench.serve(Start { launches, rate: Some(MANY_RATE), ..Start::default() }).await?;
    bench.answering.until("", count as usize, PATIENCE).await?;
    tokio::time::sleep(MANY_SETTLE).await;
    let (cpu, calls) = (serving.process.cpu_seconds(), bench.answering.count(""));
    tokio::time::sleep(MANY_MEASURED).await;
    let (cpu, calls) = (serving.process.cpu_seconds() - cpu, bench.answering.count("") - calls);
    let peak_rss_mb = serving.process.peak_rss_mb();
    serving.end(bench.ground).await?;
    let seconds = MANY_MEASURED.as_secs_f64();
    let allowed = count as f64 * 10.0 / 60.0;
    let rate = calls as f64 / seconds;
    let details = json!({
        "pages": count,
        "cpu_s_per_s": cpu / seconds,
        "cpu_us_per_call": cpu * 1e6 / calls as f64,
        "peak_rss_mb": peak_rss_mb,
    });
    report.row(Row {
        name: "rate_use_many",
        value: rate,
        unit: "calls/s",
        ratio: Some(rate / allowed),
        beside: Some(Beside { name: "allowed", value: allowed, unit: "calls/s" }),
        aim: "",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b2_the_use_of_a_rate_is_that_of_its_emptiest_and_its_fullest_window() {
        // Fifty a second, one of which is missing.
        let calls: Vec<Duration> = (0..700)
            .filter(|number| *number != 320)
            .map(|number| Duration::from_millis(number * 20))
            .collect();
        let row = row(&PAGES[0], &calls);
        assert_eq!((&row.details["least"], &row.details["most"]), (&json!(0.98), &json!(1.0)));
        assert_eq!(row.details["least_10_s"], json!(0.998));
        assert!(!row.details.contains_key("least_60_s"));
    }
}
