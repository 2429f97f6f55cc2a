//! Sending, between two runs of the bare client; and the whole way from the CSV file to the end.

use super::child::Process;
use super::report::{Beside, Report, Row};
use super::scratch::Scratch;
use super::worker::{Job, Ran};
use super::{BenchArgs, bare, median};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::json;

const RECIPIENTS: u64 = 400_000;

/// What one of the two ways took, in every round.
#[derive(Debug, Default)]
struct Measured {
    rates: Vec<f64>,
    beside: Vec<f64>,
    ratios: Vec<f64>,
    cpu_us: Vec<f64>,
    rss_mb: Vec<f64>,
}

pub(super) async fn measure(common: &Common, args: &BenchArgs, report: &mut Report) -> Outcome<()> {
    let recipients = args.recipients.unwrap_or(RECIPIENTS);
    let scratch = Scratch::new()?;
    let audience = scratch.audience(recipients).await?;
    let (_sink, url) = Process::sink().await?;
    let (mut send, mut whole) = (Measured::default(), Measured::default());
    let mut before = bare::rate(&url, recipients, args.in_flight).await?;
    for round in 1..=args.rounds {
        for (expanded_before, measured) in [(true, &mut send), (false, &mut whole)] {
            let job = Job::Campaign {
                data_dir: scratch.data()?,
                audience: audience.clone(),
                recipients,
                url: url.clone(),
                in_flight: args.in_flight,
                expanded_before,
            };
            let ran: Ran = Process::worker(common, &job)?.read().await?;
            let after = bare::rate(&url, recipients, args.in_flight).await?;
            let seconds = if expanded_before { ran.sent_seconds } else { ran.ended_seconds };
            let (rate, beside) = (recipients as f64 / seconds, f64::midpoint(before, after));
            let what = if expanded_before { "send" } else { "csv_to_finished" };
            report.say(format_args!(
                "round {round}: bare {}/s, {what} {}/s, bare {}/s: {:.2}",
                thousands(before as u64),
                thousands(rate as u64),
                thousands(after as u64),
                rate / beside,
            ));
            measured.rates.push(rate);
            measured.beside.push(beside);
            measured.ratios.push(rate / beside);
            measured.cpu_us.push(ran.cpu_seconds * 1e6 / recipients as f64);
            measured.rss_mb.push(ran.peak_rss_mb);
            before = after;
        }
    }
    report.row(row("send", "0.80", send, recipients));
    report.row(row("csv_to_finished", "0.70", whole, recipients));
    Ok(())
}

fn row(name: &'static str, aim: &'static str, measured: Measured, recipients: u64) -> Row {
    let details = json!({
        "recipients": recipients,
        "ratios": measured.ratios,
        "cpu_us_per_send": median(measured.cpu_us),
        "peak_rss_mb": median(measured.rss_mb),
    });
    Row {
        name,
        value: median(measured.rates),
        unit: "sends/s",
        ratio: Some(median(measured.ratios)),
        beside: Some(Beside { name: "bare client", value: median(measured.beside), unit: "calls/s" }),
        aim,
        details: details.as_object().cloned().unwrap_or_default(),
    }
}
