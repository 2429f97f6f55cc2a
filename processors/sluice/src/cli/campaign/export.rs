//! `sluice campaign export`: all recipients as CSV, chunk by chunk.

use super::NameArgs;
use super::source::rows;
use crate::campaign::people::{COLUMNS, of_chunk};
use crate::campaign::{self};
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
}

pub(super) async fn run(common: &Common, args: &ExportArgs) -> Outcome {
    let stored = rows(common).await?;
    let store = stored.store();
    let row = campaign::find(store.as_ref(), &args.name.tenant, &args.name.campaign).await?;
    let mut text = String::new();
    if !common.json {
        csv::line(&mut text, COLUMNS);
    }
    for chunk in store.chunks(row.id).await? {
        for person in of_chunk(store.as_ref(), &chunk, |_, _| true).await? {
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
    write(&text)?;
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
