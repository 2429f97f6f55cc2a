//! `sluice demo`: two campaigns against the built-in simulator, everything in one process, every count compared.

mod audience;
mod judge;
mod setup;

use super::Common;
use super::send::{Drive, Ended, Holds, result};
use super::signals::Signals;
use super::simulator::start_failure;
use crate::error::{Exit, Outcome};
use crate::node::{Engines, Node, NodeOptions};
use crate::view::numbers::thousands;
use crate::view::out;
use crate::view::progress::Progress;
use clap::Args;
use serde_json::json;
use setup::Demo;
use std::time::Duration;

/// How large.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:  sluice demo --recipients 50000
Needs no account and no network: calls go to a simulator in the same process. Exit codes: 0 every count agrees, 1 one does not.")]
pub struct DemoArgs {
    /// Recipients of the WhatsApp campaign
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub recipients: u32,
    /// The simulator's port; another one is taken where it is in use
    #[arg(long, value_name = "P", default_value_t = 7401)]
    pub port: u16,
}

/// Webhooks that are on their way at the end are waited for so long at most.
const WEBHOOKS_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn run(common: Common, args: DemoArgs) -> Outcome {
    let signals = Signals::new()?;
    let loaded = common.load(&[], "warn,sluice_sender=error")?;
    let demo = Demo::prepare(loaded.config, args.recipients, args.port).await?;
    let Demo { config, simulator, gateway, launches, log } = demo;
    if !common.quiet && !common.json {
        out::line(format_args!(
            "Sluice demo: embedded log and store in {}, provider simulator on {}",
            config.data_dir.display(),
            simulator.address()
        ));
        launches.iter().for_each(|launch| out::line(format_args!("  {}", launch.shown)));
        out::line("");
    }
    let engines = Engines::open(&config).await?;
    let options = NodeOptions { listen: Some(gateway), ..NodeOptions::new(config) };
    let node = Node::over(engines.clone(), options).await?;
    let mut campaigns = Vec::new();
    for launch in &launches {
        campaigns.push(node.launch(&launch.valid.launch).await?);
    }
    let drive =
        Drive { node, campaigns, signals, progress: Progress::new(common.talk()), holds: Holds::default() };
    let late = async {
        // What is not settled by then shows in the comparison.
        simulator.webhooks_settled(WEBHOOKS_WITHIN).await;
    };
    let Ended::All(rows) = drive.run_to_the_end(late).await? else { return Ok(Exit::TryAgain) };

    let stats = simulator.stats();
    simulator.flush_log().await;
    simulator.shutdown().await.map_err(|error| start_failure(&error))?;
    let mut results = Vec::with_capacity(rows.len());
    for row in &rows {
        results.push(result::of(&engines, row).await?);
    }
    let differences = judge::compare(&engines, &rows, &stats, &log).await?;
    if common.json {
        results.iter().for_each(|result| out::line(result::as_json(result)));
        out::line(
            json!({ "accepted": stats.accepted, "accepted_twice": stats.accepted_twice, "differences": differences }),
        );
    } else {
        out::line("");
        result::lines(&results).iter().for_each(out::line);
        let twice = match stats.accepted_twice {
            0 => "none twice".to_owned(),
            people => format!("{} people twice", thousands(people)),
        };
        let counted = format!("The simulator counted {} accepted calls, {twice}.", thousands(stats.accepted));
        if differences.is_empty() {
            out::line(format_args!("{counted} Counters, recount and simulator agree."));
            out::line(
                "Next: sluice simulator --port 7401 & sluice send examples/whatsapp.json --data-dir ./mine --provider-url http://127.0.0.1:7401   ·   docs/launch.md",
            );
        } else {
            out::line(format_args!("{counted} These do not agree:"));
            differences.iter().for_each(|difference| out::line(format_args!("  {difference}")));
        }
    }
    engines.close().await;
    Ok(if differences.is_empty() { Exit::Done } else { Exit::FoundWrong })
}
