//! `sluice campaign list`.

use super::source::{Source, SourceArgs};
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::moment::at;
use crate::view::numbers::thousands;
use crate::view::out;
use crate::view::table::Table;
use serde_json::json;

pub(super) async fn run(common: &Common, args: &SourceArgs) -> Outcome {
    let campaigns = Source::open(common, args).await?.all().await?;
    if common.json {
        campaigns.iter().for_each(|campaign| out::line(json!(campaign)));
        return Ok(Exit::Done);
    }
    if campaigns.is_empty() {
        out::line("There is no campaign yet.");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(
        4,
        [
            "campaign",
            "channel",
            "state",
            "launched",
            "recipients",
            "sent",
            "delivered",
            "failed",
            "skipped",
            "cancelled",
            "unknown",
        ],
    );
    for campaign in campaigns {
        let counters = &campaign.counters;
        let name = match campaign.tenant.as_str() {
            "default" => campaign.campaign.clone(),
            tenant => format!("{tenant}/{}", campaign.campaign),
        };
        table.row([
            name,
            campaign.channel.to_string(),
            campaign.state.as_str().to_owned(),
            at(campaign.created_at_ms, campaign.coming.time_zone.as_deref()),
            thousands(campaign.recipients),
            thousands(counters.sent),
            thousands(counters.delivered),
            thousands(counters.failed + counters.opted_out),
            thousands(counters.skipped),
            thousands(counters.cancelled),
            thousands(counters.unknown),
        ]);
    }
    table.lines().iter().for_each(out::line);
    Ok(Exit::Done)
}
