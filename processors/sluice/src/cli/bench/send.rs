//! Sending, between two runs of the bare client; and the whole way from the CSV file to the end.

use super::child::Process;
use super::ground::Ground;
use super::report::{Beside, Report, Row};
use super::scratch::Scratch;
use super::worker::{Job, Ran, cpu_seconds};
use super::{BenchArgs, bare, median};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::json;
use std::path::PathBuf;

const RECIPIENTS: u64 = 400_000;
/// Campaigns until two engines that were started a moment ago have compiled what they run: seen to get faster for
/// some five of them.
const WARM_UPS: u32 = 6;
/// Two runs of the bare client that differ by more than this had other company on the machine.
const DRIFT_MAX: f64 = 1.2;

/// What one of the two ways took, in every round.
#[derive(Debug, Default)]
struct Measured {
    rates: Vec<f64>,
    beside: Vec<f64>,
    ratios: Vec<f64>,
    cpu_us: Vec<f64>,
    cpu_ratios: Vec<f64>,
    rss_mb: Vec<f64>,
}

/// A run of the bare client.
#[derive(Debug, Clone, Copy)]
struct Bare {
    rate: f64,
    /// Of the client and of the sink, per call, in µs.
    cpu_us: (f64, f64),
}

struct Bench<'a> {
    common: &'a Common,
    args: &'a BenchArgs,
    ground: &'a Ground,
    recipients: u64,
    scratch: Scratch,
    audience: PathBuf,
    sink: Process,
    url: String,
}

pub(super) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let recipients = args.recipients.unwrap_or(RECIPIENTS);
    let scratch = Scratch::new()?;
    let audience = scratch.audience(recipients).await?;
    let (sink, url) = Process::sink().await?;
    let bench = Bench { common, args, ground, recipients, scratch, audience, sink, url };
    let (mut send, mut whole) = (Measured::default(), Measured::default());
    // The first runs only warm up: engines that were just started compile what they run often.
    for _ in 0..args.warm_ups.unwrap_or(if ground.is_cluster() { WARM_UPS } else { 0 }) {
        bench.pipeline(true).await?;
    }
    bench.bare().await?;
    let mut before = bench.bare().await?;
    let (mut round, mut again) = (1, args.rounds);
    while round <= args.rounds {
        let mut drift = 1.0_f64;
        let mut found = Vec::new();
        for expanded_before in [true, false] {
            let ran = bench.pipeline(expanded_before).await?;
            let after = bench.bare().await?;
            found.push((expanded_before, ran, before, after));
            drift = drift.max(before.rate / after.rate).max(after.rate / before.rate);
            before = after;
        }
        let counts = drift <= DRIFT_MAX || again == 0;
        for (expanded_before, (ran, sink_us), before, after) in found {
            let seconds = if expanded_before { ran.sent_seconds } else { ran.ended_seconds };
            let (rate, beside) = (recipients as f64 / seconds, f64::midpoint(before.rate, after.rate));
            report.say(format_args!(
                "round {round}: bare {}/s, {} {}/s, bare {}/s: {:.2}{}",
                thousands(before.rate as u64),
                if expanded_before { "send" } else { "csv_to_finished" },
                thousands(rate as u64),
                thousands(after.rate as u64),
                rate / beside,
                if counts { "" } else { " (something else was at work: once more)" },
            ));
            if !counts {
                continue;
            }
            let cpu_us = ran.cpu_seconds * 1e6 / recipients as f64;
            let bare_us = f64::midpoint(before.cpu_us.0 + before.cpu_us.1, after.cpu_us.0 + after.cpu_us.1);
            let measured = if expanded_before { &mut send } else { &mut whole };
            measured.rates.push(rate);
            measured.beside.push(beside);
            measured.ratios.push(rate / beside);
            measured.cpu_us.push(cpu_us);
            measured.cpu_ratios.push(bare_us / (cpu_us + sink_us));
            measured.rss_mb.push(ran.peak_rss_mb);
        }
        if counts {
            round += 1;
        } else {
            again -= 1;
        }
    }
    let (aim_send, aim_whole) = if ground.is_cluster() { ("0.70", "") } else { ("0.80", "0.70") };
    report.row(row("send", aim_send, send, recipients));
    report.row(row("csv_to_finished", aim_whole, whole, recipients));
    Ok(())
}

impl Bench<'_> {
    async fn bare(&self) -> Outcome<Bare> {
        let (own, sink) = (cpu_seconds("self"), self.sink.cpu_seconds());
        let rate = bare::rate(&self.url, self.recipients, self.args.in_flight).await?;
        let per_call = |seconds: f64| seconds * 1e6 / self.recipients as f64;
        let cpu_us = (per_call(cpu_seconds("self") - own), per_call(self.sink.cpu_seconds() - sink));
        Ok(Bare { rate, cpu_us })
    }

    /// A campaign, and the sink's processor time for a call of it in µs.
    async fn pipeline(&self, expanded_before: bool) -> Outcome<(Ran, f64)> {
        let job = Job::Campaign {
            data_dir: self.scratch.data()?,
            audience: self.audience.clone(),
            recipients: self.recipients,
            url: self.url.clone(),
            in_flight: self.args.in_flight,
            expanded_before,
        };
        let place = self.ground.fresh().await?;
        let sink = self.sink.cpu_seconds();
        let ran: Ran = Process::worker(self.common, &place, &job)?.read().await?;
        let sink_us = (self.sink.cpu_seconds() - sink) * 1e6 / self.recipients as f64;
        self.ground.remove(place).await?;
        Ok((ran, sink_us))
    }
}

fn row(name: &'static str, aim: &'static str, measured: Measured, recipients: u64) -> Row {
    let details = json!({
        "recipients": recipients,
        "ratios": measured.ratios,
        "cpu_us_per_send": median(measured.cpu_us),
        "cpu_ratio": median(measured.cpu_ratios),
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
