//! `sluice config show`.

use super::Common;
use crate::config::show;
use crate::error::{Exit, Outcome};
use crate::view::out;
use clap::Subcommand;

/// Looks at the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every value that is in force and where it came from
    #[command(after_help = "Example:  SLUICE_HTTP_URL=http://localhost:9000 sluice config show")]
    Show,
}

pub(super) fn run(common: &Common, command: &ConfigCommand) -> Outcome {
    let ConfigCommand::Show = command;
    let loaded = common.loaded(&[])?;
    loaded.warnings.iter().for_each(out::note);
    if common.json {
        out::line(show::json(&loaded.layers));
    } else {
        show::lines(&loaded.layers).iter().for_each(out::line);
    }
    Ok(Exit::Done)
}
