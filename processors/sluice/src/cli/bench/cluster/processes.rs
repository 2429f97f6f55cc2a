//! One, two and three processes with all roles: how fast a campaign over many pages is, and what each of them takes.

use super::super::child::Process;
use super::super::ground::{Ground, Place};
use super::super::report::{Report, Row};
use super::super::scratch::Scratch;
use super::super::{BenchArgs, failed};
use super::service::Service;
use super::{launch_to, pages};
use crate::cli::Common;
use crate::error::Outcome;
use crate::node::{Engines, launching};
use crate::view::numbers::thousands;
use serde_json::{Map, json};
use sluice_core::{CampaignId, CampaignState};
use sluice_runtime::metrics::labels::GROUPS;
use sluice_runtime::ports::log::Partition;
use sluice_runtime::{Clock, SystemClock};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const RECIPIENTS: u64 = 400_000;
const PAGES: usize = 32;
const NAMES: [&str; 3] = ["processes_1", "processes_2", "processes_3"];
/// Groups have shared out their work after this.
const SETTLES: Duration = Duration::from_secs(8);
/// How often the lag is counted.
const LOOK: Duration = Duration::from_millis(500);

/// What one campaign took.
struct Ran {
    seconds: f64,
    /// Of each process: processor time in seconds, most memory in MB.
    usage: Vec<(f64, f64)>,
    /// The most records that waited, by group.
    lag_max: BTreeMap<&'static str, u64>,
}

pub(in crate::cli::bench) async fn measure(
    common: &Common,
    args: &BenchArgs,
    ground: &Ground,
    report: &mut Report,
) -> Outcome<()> {
    let recipients = args.recipients.unwrap_or(RECIPIENTS);
    let scratch = Scratch::new()?;
    let audience = scratch.audience(recipients).await?;
    let (_sink, url) = Process::sink().await?;
    // Together as many calls in flight as `send` has.
    for (name, count) in NAMES.into_iter().zip(1_usize..) {
        let in_flight = (args.in_flight as usize / PAGES).max(1);
        let variables = [
            ("SLUICE_HTTP_URL".to_owned(), url.clone()),
            ("SLUICE_SENDER_IN_FLIGHT_MAX".to_owned(), in_flight.to_string()),
        ];
        let place = ground.fresh().await?;
        let ran = run(common, &place, &scratch, &audience, &variables, count).await?;
        ground.remove(place).await?;
        let rate = recipients as f64 / ran.seconds;
        report.say(format_args!("{count} processes: {} sends/s", thousands(rate as u64)));
        report.row(row(name, rate, recipients, &ran));
    }
    Ok(())
}

async fn run(
    common: &Common,
    place: &Place,
    scratch: &Scratch,
    audience: &Path,
    variables: &[(String, String)],
    count: usize,
) -> Outcome<Ran> {
    let engines = Engines::open(&place.cluster(scratch.data()?)?).await?;
    let start = |number: usize| {
        let data_dir = scratch.path().join(format!("process-{number}"));
        Service::start(common, place, &data_dir, variables)
    };
    let mut services = (0..count).map(start).collect::<Outcome<Vec<_>>>()?;
    for service in &mut services {
        service.listens().await?;
    }
    tokio::time::sleep(SETTLES).await;
    let before: Vec<(f64, f64)> = services.iter().map(Service::usage).collect();
    let launch = launch_to(&pages(PAGES), audience)?.launch;
    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    let mut lag_max = BTreeMap::new();
    let began = SystemClock.monotonic();
    launching::launch(&engines, &launch).await?;
    let mut next_look = began;
    let row = loop {
        if let Some(row) = engines.store().campaign(id).await?.filter(|row| row.state.is_ended()) {
            break row;
        }
        if SystemClock.monotonic() >= next_look {
            count_lag(&engines, &mut lag_max).await?;
            next_look = SystemClock.monotonic() + LOOK;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let seconds = (SystemClock.monotonic() - began).as_secs_f64();
    if row.state != CampaignState::Completed {
        return Err(failed("the campaign did not complete", row.state.as_str()));
    }
    let after = services.iter().map(Service::usage);
    let usage = before.iter().zip(after).map(|((cpu, _), (now, rss))| (now - cpu, rss)).collect();
    Ok(Ran { seconds, usage, lag_max })
}

/// Records that nobody has committed yet.
async fn count_lag(engines: &Engines, lag_max: &mut BTreeMap<&'static str, u64>) -> Outcome<()> {
    let log = engines.log();
    for (group, topic) in GROUPS {
        let mut lag = 0;
        for number in 0..log.partitions(*topic) {
            let end = log.bounds(*topic, Partition(number)).await?.end.0;
            if end > 0 {
                let committed = log.committed(group, *topic, Partition(number)).await?.unwrap_or_default();
                lag += end.saturating_sub(committed.0);
            }
        }
        let most = lag_max.entry(*group).or_insert(0);
        *most = lag.max(*most);
    }
    Ok(())
}

fn row(name: &'static str, rate: f64, recipients: u64, ran: &Ran) -> Row {
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    let cpu_s: Vec<f64> = ran.usage.iter().map(|(cpu, _)| rounded(*cpu)).collect();
    let rss_mb: Vec<f64> = ran.usage.iter().map(|(_, rss)| rss.round()).collect();
    let mut details = Map::new();
    details.insert("recipients".to_owned(), json!(recipients));
    details.insert("pages".to_owned(), json!(PAGES));
    details.insert("seconds".to_owned(), json!(rounded(ran.seconds)));
    details.insert(
        "cpu_us_per_send".to_owned(),
        json!(rounded(cpu_s.iter().sum::<f64>() * 1e6 / recipients as f64)),
    );
    details.insert("cpu_s".to_owned(), json!(cpu_s));
    details.insert("peak_rss_mb".to_owned(), json!(rss_mb));
    for (group, lag) in &ran.lag_max {
        details.insert(format!("lag_max_{group}"), json!(lag));
    }
    Row { name, value: rate, unit: "sends/s", ratio: None, beside: None, aim: "", details }
}
