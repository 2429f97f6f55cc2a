//! The most memory of a large campaign, expanded and sent at the same time.

use super::BenchArgs;
use super::child::Process;
use super::ground::Ground;
use super::report::{Report, Row};
use super::scratch::Scratch;
use super::worker::{Job, Ran};
use crate::cli::Common;
use crate::error::Outcome;
use crate::view::numbers::thousands;
use serde_json::json;

const RECIPIENTS: u64 = 10_000_000;

pub(super) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let recipients = args.recipients.unwrap_or(RECIPIENTS);
    let scratch = Scratch::new()?;
    report.say(format_args!("sending to {} recipients takes some minutes", thousands(recipients)));
    let audience = scratch.audience(recipients).await?;
    let (_sink, url) = Process::sink().await?;
    let job = Job::Campaign {
        data_dir: scratch.data()?,
        audience,
        recipients,
        url,
        in_flight: args.in_flight,
        expanded_before: false,
    };
    let place = ground.fresh().await?;
    let ran: Ran = Process::worker(common, &place, &job)?.read().await?;
    ground.remove(place).await?;
    let details = json!({
        "recipients": recipients,
        "seconds": ran.ended_seconds,
        "sends_per_s": (recipients as f64 / ran.ended_seconds).round(),
        "cpu_us_per_send": ran.cpu_seconds * 1e6 / recipients as f64,
    });
    report.row(Row {
        name: "memory",
        value: ran.peak_rss_mb,
        unit: "MB peak",
        ratio: None,
        beside: None,
        aim: "250 MB",
        details: details.as_object().cloned().unwrap_or_default(),
    });
    Ok(())
}
