//! `sluice page`: who has a page, what limits it, and what waits on it.

use super::Common;
use super::campaign::explain::page_lines;
use super::campaign::source::{SourceArgs, read};
use super::look::{Look, Place};
use super::page_lift::{self, LiftArgs};
use super::remote::escaped;
use super::watch::{self, View, WatchArgs};
use crate::error::Outcome;
use crate::page::report::{PageReport, report};
use crate::view::numbers::thousands;
use crate::view::table::Table;
use clap::{Args, Subcommand};
use serde_json::json;
use sluice_core::PageId;

/// Which page.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(
    after_help = "Example:  sluice page 106540352242922\n          sluice page 106540352242922 --watch 5\n          sluice page lift 106540352242922"
)]
pub struct PageArgs {
    /// What else to do with it.
    #[command(subcommand)]
    command: Option<PageCommand>,
    /// Its id
    #[arg(required = true)]
    page: Option<String>,
    /// Where to look.
    #[command(flatten)]
    source: SourceArgs,
    /// Whether to look again.
    #[command(flatten)]
    watch: WatchArgs,
}

/// What a person does to a page.
#[derive(Debug, Subcommand)]
enum PageCommand {
    /// Say that what it waits for is over, a refused account or a paused template: one call finds out
    Lift(LiftArgs),
}

pub(super) async fn run(common: Common, args: PageArgs) -> Outcome {
    match args.command {
        Some(PageCommand::Lift(lift)) => page_lift::run(&common, &lift).await,
        None => {
            let page = args.page.unwrap_or_default();
            let place = Place::of(&common, &args.source)?;
            watch::show(&common, &args.watch, place, async |look: &Look| view(look, &page).await).await
        }
    }
}

async fn view(look: &Look, page: &str) -> Outcome<View> {
    let report: PageReport = match look {
        Look::Service(remote) => read(remote.get(&format!("/v1/pages/{}", escaped(page))).await?)?,
        Look::Engines(_, sight) => report(sight, &PageId::from(page)).await?,
    };
    Ok(View { lines: lines(&report), json: json!(report) })
}

fn lines(report: &PageReport) -> Vec<String> {
    let mut facts = Table::plain(2);
    page_lines(&report.facts).into_iter().for_each(|line| facts.row(line));
    let mut lines = facts.lines();
    lines.push(String::new());
    if report.campaigns.is_empty() {
        lines.push("No unfinished campaign sends from it.".to_owned());
        return lines;
    }
    let mut table = Table::new(4, ["campaign", "state", "priority", "limits here", "waiting here"]);
    for on_page in &report.campaigns {
        let quotas = on_page.quotas.iter().map(|name| format!("quota {name}"));
        let own = [&on_page.rate, &on_page.daily].into_iter().flatten().cloned();
        let limits = own.chain(quotas).collect::<Vec<_>>();
        table.row([
            on_page.campaign.clone(),
            on_page.state.as_str().to_owned(),
            on_page.priority.as_str().to_owned(),
            limits.join("; "),
            thousands(on_page.waiting),
        ]);
    }
    lines.extend(table.lines());
    lines.push(String::new());
    lines.extend(report.order.clone());
    lines.extend(report.campaigns.iter().map(|on_page| on_page.why.clone()));
    lines
}
