//! `sluice queue`: every unfinished campaign, what it waits for, and what waits in the log.

use super::Common;
use super::campaign::source::{SourceArgs, read};
use super::look::{Look, Place};
use super::watch::{self, View, WatchArgs};
use crate::error::Outcome;
use crate::page::queue::{Ended, Queue, Queued, queue};
use crate::view::numbers::thousands;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;

/// Where to look.
#[derive(Debug, Args)]
#[command(after_help = "Example:  sluice queue --server http://127.0.0.1:7400 --watch")]
pub struct QueueArgs {
    /// Where to look.
    #[command(flatten)]
    source: SourceArgs,
    /// Whether to look again.
    #[command(flatten)]
    watch: WatchArgs,
}

pub(super) async fn run(common: Common, args: QueueArgs) -> Outcome {
    watch::show(&common, &args.watch, Place::of(&common, &args.source)?, view).await
}

async fn view(look: &Look) -> Outcome<View> {
    let found: Queue = match look {
        Look::Service(remote) => read(remote.get("/v1/queue").await?)?,
        Look::Engines(_, sight) => queue(sight).await?,
    };
    Ok(View { lines: lines(&found), json: json!(found) })
}

fn table(campaigns: &[Queued]) -> Vec<String> {
    let mut table = Table::new(2, ["", "campaign", "done", "of"]);
    for queued in campaigns {
        let name = match queued.tenant.as_str() {
            "default" => queued.campaign.clone(),
            tenant => format!("{tenant}/{}", queued.campaign),
        };
        let place = queued.place.as_str().to_owned();
        table.row([place, name, thousands(queued.done), thousands(queued.recipients)]);
    }
    table.lines()
}

fn lines(found: &Queue) -> Vec<String> {
    let mut lines = Vec::new();
    if found.campaigns.is_empty() {
        lines.push("No campaign is unfinished.".to_owned());
    } else {
        lines.extend(table(&found.campaigns));
        lines.push(String::new());
        lines.extend(found.campaigns.iter().map(|queued| queued.why.clone()));
    }
    let Ended { completed, cancelled, failed } = found.ended;
    if !found.last_ended.is_empty() {
        let (completed, cancelled, failed) = (thousands(completed), thousands(cancelled), thousands(failed));
        lines.push(String::new());
        lines.push(format!(
            "Ended: {completed} completed, {cancelled} cancelled, {failed} failed; the last of them:"
        ));
        lines.extend(table(&found.last_ended));
    }
    let mut table = Table::new(2, ["topic", "read by", "lag"]);
    for lag in &found.lags {
        table.row([lag.topic.clone(), lag.group.clone(), thousands(lag.records)]);
    }
    lines.push(String::new());
    lines.extend(table.lines());
    lines
}
