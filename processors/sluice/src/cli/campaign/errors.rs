//! `sluice campaign errors`: failures by reason, with samples (D4).

use super::NameArgs;
use super::source::{Source, SourceArgs};
use crate::campaign::failures::Failures;
use crate::campaign::place::Place;
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
    /// Where to look.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Recipients that are named for each reason
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub samples: usize,
}

pub(super) async fn run(common: &Common, args: &ErrorsArgs) -> Outcome {
    let source = Source::open(common, &args.source).await?;
    let (mut failures, mut from) = (Failures::new(args.samples), None);
    loop {
        let part = source.errors(&args.name, args.samples, from).await?;
        part.errors.into_iter().for_each(|failure| failures.add(failure));
        from = part.next.as_deref().map(Place::parse).transpose()?;
        if from.is_none() {
            break;
        }
    }
    let failures = failures.by_frequency();
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
