//! `sluice explain`: what keeps a campaign waiting, until when, and everything that it could wait for.

use super::NameArgs;
use super::source::{SourceArgs, read};
use crate::campaign;
use crate::campaign::explain::{Explained, explain};
use crate::cli::Common;
use crate::cli::look::{Look, Place};
use crate::cli::remote::escaped;
use crate::cli::watch::{self, View, WatchArgs};
use crate::error::Outcome;
use crate::page::facts::PageFacts;
use crate::page::lag;
use crate::view::moment::at;
use crate::view::numbers::{counted, thousands};
use crate::view::table::Table;
use clap::Args;
use serde_json::json;

/// Pages that are shown one by one.
const PAGES_SHOWN: usize = 5;

/// Which campaign is explained.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:  sluice explain spring-sale --data-dir ./mine\n          sluice explain spring-sale --watch 5"
)]
pub struct ExplainArgs {
    /// Which one.
    #[command(flatten)]
    name: NameArgs,
    /// Where to look.
    #[command(flatten)]
    source: SourceArgs,
    /// Whether to look again.
    #[command(flatten)]
    watch: WatchArgs,
}

/// Explains one campaign.
pub(in crate::cli) async fn run(common: Common, args: ExplainArgs) -> Outcome {
    let place = Place::of(&common, &args.source)?;
    let view = async |look: &Look| {
        let explained = explained(look, &args.name).await?;
        Ok(View { lines: lines(&explained), json: json!(explained) })
    };
    watch::show(&common, &args.watch, place, view).await
}

fn lines(explained: &Explained) -> Vec<String> {
    let status = &explained.status;
    let mut lines = vec![explained.sentence()];
    lines.extend(chain(explained));
    if let Some(finish) = &status.finish {
        let about = finish.sentence(status.coming.time_zone.as_deref());
        lines.push(format!("Expected end: {about}."));
    }
    if status.nobody_works {
        lines.push(
            "Nobody works on it: run `sluice send` with its launch again, or start `sluice run`.".to_owned(),
        );
    }
    lines
}

/// Asks the service, or looks.
pub(super) async fn explained(look: &Look, name: &NameArgs) -> Outcome<Explained> {
    match look {
        Look::Service(remote) => {
            let (campaign, tenant) = (escaped(&name.campaign), escaped(&name.tenant));
            let path = format!("/v1/campaigns/{campaign}/explain?tenant={tenant}");
            read(remote.get(&path).await?)
        }
        Look::Engines(_, sight) => {
            let row = campaign::find(sight.store.as_ref(), &name.tenant, &name.campaign).await?;
            explain(sight, &row).await
        }
    }
}

/// One line a rule, then the pages, then what is on its way.
fn chain(explained: &Explained) -> Vec<String> {
    let mut lines = Table::plain(2);
    let status = &explained.status;
    let zone = status.coming.time_zone.as_deref();
    for gate in &status.gates {
        let holds = match gate.holds {
            0 => String::new(),
            count => format!("  <- holds {}", thousands(count)),
        };
        lines.row([format!("  {}", gate.gate), format!("{}{holds}", gate.line())]);
    }
    if let Some(audience) = &status.audience {
        lines.row(["  audience".to_owned(), audience.says(zone)]);
    }
    for page in explained.pages.iter().take(PAGES_SHOWN) {
        page_lines(page).into_iter().for_each(|[name, says]| lines.row([format!("  {name}"), says]));
    }
    if explained.pages.len() > PAGES_SHOWN {
        let more = counted((explained.pages.len() - PAGES_SHOWN) as u64, "page", "pages");
        lines.row(["  page".to_owned(), format!("{more} more: sluice page PAGE")]);
    }
    if let Some(retries) = explained.retries.as_ref().and_then(|retries| retries.says(zone)) {
        lines.row(["  retries".to_owned(), retries]);
    }
    if let Some(stalled) = &status.stalled {
        let (since, found) = (at(stalled.since_ms, zone), at(stalled.found_ms, zone));
        let people = match stalled.reason.as_str() {
            "seal" => counted(stalled.recipients, "recipient differs", "recipients differ"),
            _ => counted(stalled.recipients, "recipient waits", "recipients wait"),
        };
        let again = if stalled.reason == "lost" { ", asked for again" } else { "" };
        let says = format!("{} since {since}, found {found}: {people}{again}", stalled.reason);
        lines.row(["  stalled".to_owned(), says]);
    }
    if let Some(processes) = &status.processes {
        lines.row(["  processes".to_owned(), processes.clone()]);
    }
    if !explained.lags.is_empty() {
        lines.row(["  lag".to_owned(), lag::says(&explained.lags)]);
    }
    lines.lines()
}

/// What there is to say about a page, by what it is about.
pub(in crate::cli) fn page_lines(facts: &PageFacts) -> Vec<[String; 2]> {
    let page = &facts.page;
    let mut lines = vec![["page".to_owned(), format!("{page}: {}", facts.limits())]];
    lines.extend(facts.quotas.iter().map(|quota| ["quota".to_owned(), quota.clone()]));
    if let Some(live) = &facts.live {
        lines.push(["calls".to_owned(), format!("{page}: {}", facts.calls(live))]);
    }
    if let Some(provider) = facts.provider() {
        lines.push(["provider".to_owned(), format!("{page}: {provider}")]);
    }
    lines.push(["owner".to_owned(), format!("{page}: {}", facts.owned())]);
    lines
}
