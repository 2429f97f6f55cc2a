//! `sluice campaign errors`: failures, unknown outcomes and skipped rows by reason, with samples and lines (A6, D4).

use super::NameArgs;
use super::source::{Listing, Source, SourceArgs};
use crate::campaign::failures::{FailureCount, Failures};
use crate::campaign::place::Place;
use crate::campaign::recipients::Wanted;
use crate::campaign::rejected::RejectedFile;
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::numbers::{counted, thousands};
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;
use sluice_core::facts::Status;
use std::path::{Path, PathBuf};

/// Which campaign.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign errors spring-sale --samples 5 --data-dir ./mine")]
pub struct ErrorsArgs {
    /// Which one.
    #[command(flatten)]
    pub name: NameArgs,
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Recipients that are named for each reason
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub samples: usize,
    /// Write all rows that were skipped here, with their lines and reasons
    #[arg(long, value_name = "FILE")]
    pub rejected: Option<PathBuf>,
}

pub(super) async fn run(common: &Common, args: &ErrorsArgs) -> Outcome {
    let source = Source::open(common, &args.source).await?;
    let listing = source.listing(&args.name).await?;
    let (mut failures, mut from) = (Failures::new(args.samples), None);
    loop {
        let part = listing.errors(args.samples, from).await?;
        part.errors.into_iter().for_each(|failure| failures.add(failure));
        from = part.next.as_deref().map(Place::parse).transpose()?;
        if from.is_none() {
            break;
        }
    }
    let failures = failures.by_frequency();
    if common.json {
        failures.iter().for_each(|failure| out::line(json!(failure)));
    } else {
        lines(&args.name.campaign, failures).iter().for_each(out::line);
    }
    if let Some(path) = &args.rejected {
        let rows = counted(rejected(&listing, path).await?, "skipped row", "skipped rows");
        out::note(format_args!("{rows}: {}", path.display()));
    }
    Ok(Exit::Done)
}

fn lines(campaign: &str, failures: Vec<FailureCount>) -> Vec<String> {
    let (skipped, called): (Vec<_>, Vec<_>) = failures.into_iter().partition(|failure| failure.skipped);
    let (unknown, failed): (Vec<_>, Vec<_>) = called.into_iter().partition(|failure| failure.unknown);
    let mut lines = match failed.is_empty() {
        true => vec![format!("Nothing failed in {campaign}.")],
        false => table("recipients", &failed),
    };
    if !unknown.is_empty() {
        lines.extend([
            String::new(),
            "Unknown: called, and nobody can tell whether they were reached:".to_owned(),
        ]);
        lines.extend(table("recipients", &unknown));
    }
    if !skipped.is_empty() {
        lines.extend([String::new(), "Skipped, so that nobody was called:".to_owned()]);
        lines.extend(table("rows", &skipped));
    }
    lines
}

fn table(what: &str, failures: &[FailureCount]) -> Vec<String> {
    let mut table = Table::new(5, [what, "reason", "message", "for example", "line"]);
    for failure in failures {
        let lines: Vec<String> = failure.lines.iter().map(u64::to_string).collect();
        let (count, message) = (thousands(failure.recipients), failure.message.clone().unwrap_or_default());
        table.row([count, failure.reason.clone(), message, failure.sample.join(", "), lines.join(", ")]);
    }
    table.lines()
}

/// Writes all rows that were skipped; how many.
async fn rejected(listing: &Listing<'_>, path: &Path) -> Outcome<u64> {
    let mut file = RejectedFile::create(path)?;
    let mut left = Some(Wanted { status: Some(Status::Skipped), after: None, limit: usize::MAX });
    while let Some(wanted) = left {
        let part = listing.recipients(&wanted).await?;
        left = wanted.rest(&part)?;
        file.add(part.recipients)?;
    }
    file.finish()
}
