//! `sluice campaign export`: all recipients as CSV, part by part.

use super::NameArgs;
use super::source::{Source, SourceArgs};
use crate::campaign::people::COLUMNS;
use crate::campaign::recipients::Wanted;
use crate::cli::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::view::csv;
use clap::Args;
use serde_json::json;
use std::io::{ErrorKind, Write};

/// Which campaign.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign export spring-sale --data-dir ./mine > spring-sale.csv
Cells that a spreadsheet would read as a formula begin with an apostrophe. With --json one object a line.")]
pub struct ExportArgs {
    /// Which one.
    #[command(flatten)]
    pub name: NameArgs,
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
}

pub(super) async fn run(common: &Common, args: &ExportArgs) -> Outcome {
    let source = Source::open(common, &args.source).await?;
    let listing = source.listing(&args.name).await?;
    let mut text = String::new();
    if !common.json {
        csv::line(&mut text, COLUMNS);
    }
    let mut left = Some(Wanted { status: None, after: None, limit: usize::MAX });
    while let Some(wanted) = left {
        let part = listing.recipients(&wanted).await?;
        left = wanted.rest(&part)?;
        for person in part.recipients {
            if common.json {
                text.push_str(&json!(person).to_string());
                text.push('\n');
            } else {
                csv::line(&mut text, person.cells().iter().map(String::as_str));
            }
        }
        if !write(&text)? {
            return Ok(Exit::Done);
        }
        text.clear();
    }
    Ok(Exit::Done)
}

/// False: the reader has what it wanted and is gone.
fn write(text: &str) -> Outcome<bool> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::refused("export", "the export can't be written", "free space there")
            .with(error.to_string())),
    }
}
