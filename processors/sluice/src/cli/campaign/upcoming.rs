//! `sluice campaign upcoming`: what starts when (B5).

use super::source::{Source, SourceArgs};
use crate::campaign::coming::Coming;
use crate::campaign::status::CampaignStatus;
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::moment::at;
use crate::view::numbers::duration;
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;
use sluice_core::CampaignState;
use sluice_core::recurrence::Recurrence;
use sluice_runtime::{Clock, SystemClock};
use std::time::Duration;

/// How far to look.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign upcoming --occurrences 5")]
pub struct UpcomingArgs {
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Occurrences of each campaign that comes back
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub occurrences: usize,
}

pub(super) async fn run(common: &Common, args: &UpcomingArgs) -> Outcome {
    let all = Source::open(common, &args.source).await?.unfinished().await?;
    let mut starts: Vec<(i64, &CampaignStatus)> = all
        .iter()
        .filter(|campaign| campaign.state == CampaignState::Scheduled)
        .flat_map(|campaign| {
            starts(campaign, args.occurrences).into_iter().map(move |at_ms| (at_ms, campaign))
        })
        .collect();
    starts.sort_by_key(|(at_ms, campaign)| (*at_ms, campaign.campaign.clone()));
    // Scheduled until their end, and nothing of them starts any more.
    let is_over = |campaign: &&CampaignStatus| {
        campaign.coming.starts_at_ms.is_some_and(|at_ms| !campaign.coming.comes_at(at_ms))
    };
    let over = all.iter().filter(|campaign| campaign.state == CampaignState::Scheduled).filter(is_over);
    if common.json {
        for (at_ms, CampaignStatus { campaign, tenant, coming, .. }) in starts {
            let recurring = &coming.recurring;
            let start = json!({"campaign": campaign, "tenant": tenant, "starts_at_ms": at_ms, "recurring": recurring});
            out::line(start);
        }
        for CampaignStatus { campaign, tenant, coming, .. } in over {
            let Coming { recurring, ends_at_ms, .. } = coming;
            out::line(
                json!({"campaign": campaign, "tenant": tenant, "starts_at_ms": null, "recurring": recurring,
                            "ends_at_ms": ends_at_ms}),
            );
        }
        return Ok(Exit::Done);
    }
    over.for_each(|campaign| out::line(campaign.sentence()));
    if starts.is_empty() {
        out::line("Nothing is scheduled.");
        return Ok(Exit::Done);
    }
    let mut table = Table::new(4, ["starts", "in", "campaign", "comes back"]);
    let now_ms = SystemClock.wall_ms();
    for (at_ms, campaign) in starts {
        let left = Duration::from_millis(u64::try_from(at_ms - now_ms).unwrap_or(0));
        let name = match campaign.tenant.as_str() {
            "default" => campaign.campaign.clone(),
            tenant => format!("{tenant}/{}", campaign.campaign),
        };
        let recurs = campaign.coming.recurring.clone().unwrap_or_default();
        table.row([at(at_ms, campaign.coming.time_zone.as_deref()), duration(left), name, recurs]);
    }
    table.lines().iter().for_each(out::line);
    Ok(Exit::Done)
}

/// The next starts of a campaign: one, or some where it comes back. ms since 1970.
fn starts(campaign: &CampaignStatus, occurrences: usize) -> Vec<i64> {
    let Some(first_ms) = campaign.coming.starts_at_ms else { return Vec::new() };
    let zone = sluice_core::row::time_zone(campaign.coming.time_zone.as_deref().unwrap_or("UTC"));
    let recurrence = campaign.coming.recurring.as_deref().zip(zone);
    let Some(Ok(recurrence)) = recurrence.map(|(cron, zone)| Recurrence::check(cron, zone)) else {
        return vec![first_ms];
    };
    let coming = &campaign.coming;
    std::iter::successors(Some(first_ms), |at_ms| recurrence.next_after(*at_ms))
        .take(occurrences.max(1))
        .take_while(|at_ms| coming.comes_at(*at_ms))
        .collect()
}
