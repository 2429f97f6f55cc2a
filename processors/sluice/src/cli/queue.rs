//! `sluice queue`: every unfinished campaign, what it waits for, and what waits in the log.

use super::Common;
use super::campaign::source::{SourceArgs, read};
use super::look::Look;
use crate::error::{Exit, Outcome};
use crate::page::queue::{Queue, queue};
use crate::view::numbers::thousands;
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;

/// Where to look.
#[derive(Debug, Args)]
#[command(after_help = "Example:  sluice queue --server http://127.0.0.1:7400")]
pub struct QueueArgs {
    /// Where to look.
    #[command(flatten)]
    source: SourceArgs,
}

pub(super) async fn run(common: Common, args: QueueArgs) -> Outcome {
    let found: Queue = match Look::open(&common, &args.source).await? {
        Look::Service(remote) => read(remote.get("/v1/queue").await?)?,
        Look::Engines(sight) => queue(&sight).await?,
    };
    if common.json {
        out::line(json!(found));
        return Ok(Exit::Done);
    }
    if found.campaigns.is_empty() {
        out::line("No campaign is unfinished.");
    } else {
        let mut table = Table::new(2, ["", "campaign", "done", "of"]);
        for queued in &found.campaigns {
            let name = match queued.tenant.as_str() {
                "default" => queued.campaign.clone(),
                tenant => format!("{tenant}/{}", queued.campaign),
            };
            let place = queued.place.as_str().to_owned();
            table.row([place, name, thousands(queued.done), thousands(queued.recipients)]);
        }
        table.lines().iter().for_each(out::line);
        out::line("");
        found.campaigns.iter().for_each(|queued| out::line(&queued.why));
    }
    let mut table = Table::new(2, ["topic", "read by", "records waiting"]);
    for lag in &found.lags {
        table.row([lag.topic.clone(), lag.group.clone(), thousands(lag.records)]);
    }
    out::line("");
    table.lines().iter().for_each(out::line);
    Ok(Exit::Done)
}
