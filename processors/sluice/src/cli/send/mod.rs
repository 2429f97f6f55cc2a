//! `sluice send`: one campaign from its launch to its end.

mod drive;
mod holds;
pub(super) mod result;

pub(super) use drive::{Drive, Ended};
pub(super) use holds::Holds;

use super::Common;
use super::signals::Signals;
use crate::config::Config;
use crate::config::pages::{SIMULATOR_TOKEN, unnamed};
use crate::error::{Exit, Failure, Outcome};
use crate::node::{Engines, Node, NodeOptions, launching};
use crate::view::out;
use crate::view::progress::Progress;
use clap::Args;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::{Channel, OnUnknown};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long a call without an answer is left open where no webhook can come.
const UNRESOLVED_ALONE_MS: u64 = 1_000;

/// Which campaign, and how.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  sluice send examples/http.json --data-dir ./mine --provider-url http://127.0.0.1:9000/messages
  sluice simulator --port 7401 &  sluice send examples/whatsapp.json --data-dir ./mine --provider-url http://127.0.0.1:7401
Ctrl-C is safe; the same command goes on. Exit codes: 0 ended, 2 the launch is wrong, 3 refused, 75 stopped before the end.")]
pub struct SendArgs {
    /// The launch (docs/launch.md)
    #[arg(value_name = "LAUNCH.json")]
    pub launch: PathBuf,
    /// Recipients from this file instead of the launch's
    #[arg(long, value_name = "FILE")]
    pub audience: Option<PathBuf>,
    /// Call this instead of the provider: the base URL for Meta's channels, the complete URL for channel http
    #[arg(long, value_name = "URL")]
    pub provider_url: Option<String>,
    /// Take webhooks here while it runs
    #[arg(long, value_name = "ADDR")]
    pub webhook_listen: Option<SocketAddr>,
    /// Stay so long after the end, for late webhooks
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub linger: u64,
}

pub(super) async fn run(common: Common, args: SendArgs) -> Outcome {
    let signals = Signals::new()?;
    let valid = launching::read_file(&args.launch, args.audience.as_deref())?;
    let launch = &valid.launch;
    let mut config = common.load(&launch.pages, "warn,sluice_sender=error")?.config;
    redirect(&common, &mut config, launch.channel, args.provider_url.as_deref())?;
    common.warn(&unnamed(&config, launch));

    if config.engines.is_cluster() {
        return Err(Failure::refused(
            "not_on_a_cluster",
            "`send` works on a data directory of its own, and the configuration names a cluster",
            "hand the launch to the service: sluice campaign launch LAUNCH.json --server URL",
        ));
    }
    if launch.rules.recurring.is_some() {
        let message = "`send` runs one campaign to its end, and one that comes back has none";
        let to_do = "hand the launch to the service: sluice campaign launch LAUNCH.json --server URL";
        return Err(Failure::refused("recurring", message, to_do));
    }
    let engines = Engines::open(&config).await?;
    let known = launching::existing(&engines, launch).await?;
    if let Some(row) = known.as_ref().filter(|row| row.state.is_ended()) {
        if !common.quiet {
            out::note(format_args!(
                "{} has ended before; this is its result, and nothing was sent now. To send again, give it another campaign name",
                launch.campaign
            ));
        }
        return finish(&common, &engines, row).await;
    }
    if known.is_none() {
        launching::checked_at(launch, &args.launch.display().to_string(), SystemClock.wall_ms())?;
    }
    // Before the campaign exists: what can't be sent is refused, and the same name is free to try again.
    launching::check_sendable(&valid, &config, engines.temporary(), known.as_ref()).await?;

    if args.webhook_listen.is_none() && launch.on_unknown == OnUnknown::Keep {
        // Nobody here could take the webhook that is waited for. One that another process takes later still
        // settles an `unknown`.
        config.sender.unresolved_after_ms = config.sender.unresolved_after_ms.min(UNRESOLVED_ALONE_MS);
    }

    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    say_others(&common, &engines, id).await?;
    let unresolved_after = Duration::from_millis(config.sender.unresolved_after_ms);
    let options = NodeOptions { listen: args.webhook_listen, only: vec![id], ..NodeOptions::new(config) };
    let node = Node::over(engines.clone(), options).await?;
    let row = node.launch(launch).await?;
    let drive = Drive {
        node,
        campaigns: vec![row],
        signals,
        progress: Progress::new(common.talk()),
        holds: Holds::new(unresolved_after),
    };
    match drive.run_to_the_end(late_after(args.linger)).await? {
        Ended::All(rows) => match rows.first() {
            Some(row) => finish(&common, &engines, row).await,
            None => Ok(Exit::Done),
        },
        Ended::Interrupted => Ok(Exit::TryAgain),
    }
}

/// Other campaigns of the directory wait for their own command: their provider may be another one.
async fn say_others(common: &Common, engines: &Engines, id: CampaignId) -> Outcome<()> {
    for row in engines.store().campaigns().await? {
        if row.id != id && !row.state.is_ended() && !common.quiet {
            out::note(format_args!(
                "{} in the same directory has not ended: it waits until its own launch is sent again",
                row.launch.campaign
            ));
        }
    }
    Ok(())
}

/// Late webhooks are waited for from the end on.
async fn late_after(seconds: u64) {
    if seconds > 0 {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// Sends a channel's calls elsewhere.
pub(super) fn redirect(
    common: &Common,
    config: &mut Config,
    channel: Channel,
    url: Option<&str>,
) -> Outcome<()> {
    let Some(url) = url else { return Ok(()) };
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let message = format!("--provider-url is `{url}`, it has to begin with http:// or https://");
        return Err(Failure::usage(
            "provider_url",
            message,
            "write for example --provider-url http://127.0.0.1:7401",
        ));
    }
    if config.redirect(channel, url) && !common.quiet {
        out::note(format_args!("no token is configured for {channel}: `{SIMULATOR_TOKEN}` is sent to {url}"));
    }
    Ok(())
}

/// The result of a campaign that has ended.
async fn finish(common: &Common, engines: &Engines, row: &CampaignRow) -> Outcome {
    let exit = result::show(common, engines, std::slice::from_ref(row)).await;
    engines.close().await;
    exit?;
    match row.state {
        CampaignState::Failed => Err(given_up(row)),
        // Nobody but a person, or an audience that changed meanwhile, cancels.
        CampaignState::Cancelled if row.reason.is_some() => Err(given_up(row)),
        _ => Ok(Exit::Done),
    }
}

/// A campaign that ended without having been sent to everybody, and why.
fn given_up(row: &CampaignRow) -> Failure {
    let reason = row.reason.as_deref().unwrap_or("no reason is known");
    let (what, more) = reason.split_once(": ").unwrap_or((reason, ""));
    let to_do = "repair what it names, then launch under another campaign name";
    let failure = Failure::refused("campaign_given_up", what, to_do);
    more.split("; ").filter(|line| !line.is_empty()).fold(failure, |failure, line| failure.with(line))
}
