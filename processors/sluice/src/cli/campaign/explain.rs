//! `sluice explain`: what keeps a campaign waiting, until when, and everything that it could wait for.

use super::NameArgs;
use super::source::{Source, SourceArgs};
use crate::campaign::status::{CampaignStatus, PageLine};
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::numbers::{duration, thousands};
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Which campaign is explained.
#[derive(Debug, Args)]
#[command(after_help = "Example:  sluice explain spring-sale --data-dir ./mine")]
pub struct ExplainArgs {
    /// Which one.
    #[command(flatten)]
    name: NameArgs,
    /// Where to look.
    #[command(flatten)]
    source: SourceArgs,
}

/// Explains one campaign.
pub(in crate::cli) async fn run(common: Common, args: ExplainArgs) -> Outcome {
    let source = Source::open(&common, &args.source).await?;
    let status = source.one(&args.name).await?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let held = status.held(now_ms);
    if common.json {
        out::line(json!({"campaign": status.campaign, "held": held, "status": status}));
        return Ok(Exit::Done);
    }
    out::line(held.unwrap_or_else(|| status.sentence()));
    chain(&status).iter().for_each(out::line);
    if !status.state.is_ended() && !matches!(source, Source::Service(_)) {
        out::line("Nobody works on it: run `sluice send` with its launch again, or start `sluice run`.");
    }
    Ok(Exit::Done)
}

/// One line a rule, then the pages.
fn chain(status: &CampaignStatus) -> Vec<String> {
    let mut lines = Table::plain(2);
    for gate in &status.gates {
        let holds = match gate.holds {
            0 => String::new(),
            count => format!("  <- holds {}", thousands(count)),
        };
        lines.row([format!("  {}", gate.gate), format!("{}{holds}", gate.says)]);
    }
    for page in &status.pages {
        lines.row(["  page".to_owned(), page_line(page)]);
    }
    lines.lines()
}

fn page_line(page: &PageLine) -> String {
    let Some(waits) = &page.waits else {
        return format!("{}: {} calls in flight, {} granted", page.page, page.in_flight, page.granted);
    };
    let detail = page.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
    let again = page
        .for_ms
        .map_or_else(String::new, |ms| format!(", tried again in {}", duration(Duration::from_millis(ms))));
    format!("{} waits: {waits}{detail}{again}", page.page)
}
