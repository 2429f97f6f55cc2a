//! The commands, one file each. `docs/cli.md` describes them and their exit codes.

pub mod bench;
mod campaign;
mod common;
mod config_show;
mod dead_letters;
mod demo;
mod health;
mod look;
mod page;
mod page_lift;
mod queue;
mod remote;
mod run;
mod send;
mod signals;
mod simulator;
mod store;
mod suppress;
mod tips;
mod topics;
mod tracing_setup;
mod verify;
mod watch;

pub use common::Common;

use crate::error::{Exit, Failure, Outcome};
use clap::{CommandFactory, Parser, Subcommand};

/// Sends messaging campaigns: each person at most once, at the pace each page is allowed, and counts exactly
/// what happened.
#[derive(Debug, Parser)]
#[command(
    name = "sluice",
    version,
    max_term_width = 110,
    after_help = "Try it:  sluice demo\nExit codes: 0 done, 1 found wrong, 2 usage, 3 refused with a reason, 75 try again later. docs/cli.md has all."
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send two sample campaigns to the built-in provider simulator and compare every count
    Demo(demo::DemoArgs),
    /// Run one campaign to its end; run again, it goes on where it stopped
    Send(send::SendArgs),
    /// Run the service: webhook gateway, API, all campaigns
    Run(run::RunArgs),
    /// Check an audience, launch, look at campaigns and their recipients
    #[command(subcommand)]
    Campaign(campaign::CampaignCommand),
    /// Say what keeps a campaign waiting, and until when
    Explain(campaign::explain::ExplainArgs),
    /// Say who has a page, what limits it, and what waits on it
    Page(page::PageArgs),
    /// Show what waits, what is active, what is deferred, and why
    Queue(queue::QueueArgs),
    /// Recount a campaign from its recipients and compare with its counters
    Verify(verify::VerifyArgs),
    /// Keep people who want no messages out of all later campaigns
    #[command(subcommand)]
    Suppress(suppress::SuppressCommand),
    /// Look at records that no step could use, and replay them
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Make and check the topics of a cluster
    #[command(subcommand)]
    Topics(topics::TopicsCommand),
    /// Make and check the tables of a cluster
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Ask the process on this machine whether it works
    Health(health::HealthArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config_show::ConfigCommand),
    /// Behave like WhatsApp, Messenger, Instagram or any HTTP endpoint, with faults on request
    Simulator(Box<simulator::SimulatorArgs>),
    /// Measure this machine
    Bench(bench::BenchArgs),
}

/// Reads the command line; `Err` is the code to exit with (help and version are no errors).
pub fn parse() -> Result<Cli, Exit> {
    Cli::try_parse().map_err(|error| {
        let words: Vec<String> =
            std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let error = tips::with_tip(error, &Cli::command(), &words);
        // Nobody to tell where the terminal is gone.
        drop(error.print());
        if error.use_stderr() { Exit::Usage } else { Exit::Done }
    })
}

/// Does what the command line asks for.
pub fn run(cli: Cli) -> Outcome {
    let Cli { common, command } = cli;
    match command {
        Command::Demo(args) => on_runtime(demo::run(common, args)),
        Command::Send(args) => on_runtime(send::run(common, args)),
        Command::Run(args) => on_runtime(run::run(common, args)),
        Command::Campaign(command) => on_runtime(campaign::run(common, command)),
        Command::Explain(args) => on_runtime(campaign::explain::run(common, args)),
        Command::Page(args) => on_runtime(page::run(common, args)),
        Command::Queue(args) => on_runtime(queue::run(common, args)),
        Command::Verify(args) => on_runtime(verify::run(common, args)),
        Command::Suppress(command) => on_runtime(suppress::run(common, command)),
        Command::DeadLetters(command) => on_runtime(dead_letters::run(common, command)),
        Command::Health(args) => on_runtime(health::run(common, args)),
        Command::Topics(command) => on_runtime(topics::run(common, command)),
        Command::Store(command) => on_runtime(store::run(common, command)),
        Command::Config(command) => config_show::run(&common, &command),
        Command::Simulator(args) => on_runtime(simulator::run(common, *args)),
        Command::Bench(args) => bench::run(&common, args),
    }
}

/// Two workers: the processors wait most of the time; provider calls have threads of their own.
fn on_runtime(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(Exit::TryAgain, "runtime", "cannot start threads", "free resources of this machine")
                .with(error.to_string())
        })?;
    let ended = runtime.block_on(work);
    // What still runs is durable up to its last acknowledgement.
    runtime.shutdown_background();
    ended
}
