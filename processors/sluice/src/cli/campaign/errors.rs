//! `sluice campaign errors`: failures by reason, with samples (D4).

use super::NameArgs;
use super::source::rows;
use crate::campaign::{self, failures};
use crate::cli::Common;
use crate::error::{Exit, Outcome};
use crate::view::numbers::thousands;
use crate::view::out;
use crate::view::table::Table;
use clap::Args;
use serde_json::json;

/// Which campaign.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice campaign errors spring-sale --samples 5 --data-dir ./mine")]
pub struct ErrorsArgs {
    /// Which one.
    #[command(flatten)]
    pub name: NameArgs,
    /// Recipients that are named for each reason
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub samples: usize,
}

pub(super) async fn run(common: &Common, args: &ErrorsArgs) -> Outcome {
    let stored = rows(common).await?;
    let store = stored.store();
    let row = campaign::find(store.as_ref(), &args.name.tenant, &args.name.campaign).await?;
    let failures = failures::by_reason(store.as_ref(), row.id, args.samples).await?;
    if common.json {
        failures.iter().for_each(|failure| out::line(json!(failure)));
        return Ok(Exit::Done);
    }
    if failures.is_empty() {
        out::line(format_args!("Nothing failed in {}.", args.name.campaign));
        return Ok(Exit::Done);
    }
    let mut table = Table::new(4, ["recipients", "reason", "message", "for example"]);
    for failure in failures {
        let message = failure.message.unwrap_or_default();
        table.row([thousands(failure.recipients), failure.reason, message, failure.sample.join(", ")]);
    }
    table.lines().iter().for_each(out::line);
    Ok(Exit::Done)
}
