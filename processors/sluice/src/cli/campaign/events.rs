//! `sluice campaign events`: what downstream systems are told.

use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::node::Engines;
use crate::view::numbers::{thousands, time};
use crate::view::out;
use clap::Args;
use serde_json::json;
use sluice_runtime::ports::log::{Log, LogError, Partition, Position, ReadLimit, Topic};
use sluice_schemas::{CampaignEvent, decode};
use std::time::Duration;

/// What one read may bring.
const STEP: ReadLimit = ReadLimit { records_max: 1_000, bytes_max: 4 << 20 };

/// How often it is looked for new ones.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Which events.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign events --follow --json
An event that was told twice after a crash has the same id: downstream systems count ids.")]
pub struct EventsArgs {
    /// Only those of this campaign
    #[arg(long, value_name = "NAME")]
    pub campaign: Option<String>,
    /// Wait for more, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
}

pub(super) async fn run(common: &Common, args: &EventsArgs) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let engines = Engines::open(&config).await?;
    let listed = list(common, args, engines.log().as_ref()).await;
    engines.close().await;
    listed
}

async fn list(common: &Common, args: &EventsArgs, log: &dyn Log) -> Outcome {
    let mut positions: Vec<Position> = Vec::new();
    for number in 0..log.partitions(Topic::Events) {
        positions.push(log.bounds(Topic::Events, Partition(number)).await?.start);
    }
    loop {
        let mut new = false;
        for (number, from) in (0..).zip(&mut positions) {
            let records = match log.read(Topic::Events, Partition(number), *from, STEP).await {
                // Retention goes on while it is read.
                Err(LogError::BelowStart { start, .. }) => {
                    *from = start;
                    new = true;
                    continue;
                }
                records => records?,
            };
            for record in records {
                *from = record.offset.next();
                new = true;
                match decode::<CampaignEvent>(&record.value) {
                    Ok(event) if args.campaign.as_ref().is_none_or(|name| *name == event.campaign) => {
                        show(common, &event);
                    }
                    Ok(_) => {}
                    Err(error) => out::note(format_args!("{number}/{}: {error}", record.offset.0)),
                }
            }
        }
        match (new, args.follow) {
            (true, _) => {}
            (false, true) => tokio::time::sleep(LOOK_EVERY).await,
            (false, false) => return Ok(Exit::Done),
        }
    }
}

fn show(common: &Common, event: &CampaignEvent) {
    if common.json {
        return out::line(json!(event));
    }
    let counts: Vec<String> = event
        .counters
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name} {}", thousands(u64::try_from(*count).unwrap_or(0))))
        .collect();
    let kind = json!(event.kind);
    let kind = kind.as_str().unwrap_or_default().to_owned();
    out::line(format_args!("{}  {}  {kind}  {}", time(event.at_ms), event.campaign, counts.join(", ")));
}
