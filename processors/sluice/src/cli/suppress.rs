//! `sluice suppress`: people who want no messages.

use super::Common;
use super::campaign::source::{SourceArgs, instead, named, read};
use super::remote::Remote;
use crate::config::Config;
use crate::error::{Exit, Failure, Outcome};
use crate::node::Engines;
use crate::suppressions::{self, Asked, Checked, CheckedAddress, Suppressed};
use crate::view::numbers::counted;
use crate::view::out;
use clap::{Args, Subcommand};
use serde_json::json;
use sluice_schemas::Channel;
use std::path::PathBuf;

/// Addresses of one question.
const PART: usize = 1_000;

/// Keeps people out of campaigns.
#[derive(Debug, Subcommand)]
pub enum SuppressCommand {
    /// Add addresses: from now on no campaign of the tenant calls them
    #[command(after_help = "Example:  sluice suppress add --channel whatsapp +5511987654321")]
    Add(AddArgs),
    /// Say which of these addresses are suppressed
    #[command(after_help = "Example:  sluice suppress check --channel whatsapp +5511987654321")]
    Check(ListArgs),
}

/// Whose addresses, and on which channel.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// whatsapp, messenger, instagram or http
    #[arg(long, value_parser = channel)]
    pub channel: Channel,
    /// Whose list
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// A file with one address a line
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// As in an audience: they are normalised
    pub addresses: Vec<String>,
    /// Where the list is.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// What to add.
#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Where.
    #[command(flatten)]
    pub list: ListArgs,
    /// Why, for people
    #[arg(long, default_value = "by hand")]
    pub reason: String,
}

/// A channel as it stands in launches.
fn channel(text: &str) -> Result<Channel, String> {
    serde_json::from_value(json!(text)).map_err(|_| "use whatsapp, messenger, instagram or http".to_owned())
}

/// Where the list is.
enum List {
    Service(Remote),
    Engines(Engines),
}

impl List {
    async fn open(config: &Config, args: &SourceArgs) -> Outcome<Self> {
        if let Some(server) = &args.server {
            return Ok(Self::Service(named(config, server)));
        }
        match Engines::open(config).await {
            Ok(engines) => Ok(Self::Engines(engines)),
            Err(failure) => Ok(Self::Service(instead(config, failure).await?)),
        }
    }

    async fn add(&self, asked: &Asked) -> Outcome<Suppressed> {
        match self {
            Self::Service(remote) => read(remote.post("/v1/suppressions", body(asked)).await?),
            Self::Engines(engines) => suppressions::add(engines.store().as_ref(), asked).await,
        }
    }

    async fn check(&self, asked: &Asked) -> Outcome<Checked> {
        match self {
            Self::Service(remote) => read(remote.post("/v1/suppressions/check", body(asked)).await?),
            Self::Engines(engines) => suppressions::check(engines.store().as_ref(), asked).await,
        }
    }
}

fn body(asked: &Asked) -> Vec<u8> {
    json!(asked).to_string().into_bytes()
}

pub(super) async fn run(common: Common, command: SuppressCommand) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let (args, reason) = match command {
        SuppressCommand::Add(add) => (add.list, Some(add.reason)),
        SuppressCommand::Check(list) => (list, None),
    };
    let addresses = addresses_of(&args)?;
    let list = List::open(&config, &args.source).await?;
    let done = parts(&common, &list, &args, reason.as_deref(), &addresses).await;
    if let List::Engines(engines) = list {
        engines.close().await;
    }
    done
}

/// In parts, so that no question is too long for a service.
async fn parts(
    common: &Common,
    list: &List,
    args: &ListArgs,
    reason: Option<&str>,
    addresses: &[String],
) -> Outcome {
    let mut count = 0;
    for part in addresses.chunks(PART) {
        let asked = Asked {
            tenant: args.tenant.clone(),
            channel: args.channel,
            addresses: part.to_vec(),
            reason: reason.unwrap_or_default().to_owned(),
        };
        match reason {
            Some(_) => count += list.add(&asked).await?.suppressed,
            None => list.check(&asked).await?.addresses.iter().for_each(|address| show(common, address)),
        }
    }
    if reason.is_some() {
        match common.json {
            true => out::line(json!({ "suppressed": count })),
            false => {
                let addresses = counted(count, "address", "addresses");
                out::line(format_args!("{addresses} of {} suppressed", args.channel));
            }
        }
    }
    Ok(Exit::Done)
}

fn show(common: &Common, checked: &CheckedAddress) {
    let word = if checked.suppressed { "suppressed" } else { "not suppressed" };
    match common.json {
        true => out::line(json!(checked)),
        false => out::line(format_args!("{}  {word}", checked.address)),
    }
}

/// All that are named; that each is an address is seen before the first is put on the list.
fn addresses_of(list: &ListArgs) -> Outcome<Vec<String>> {
    let mut given = list.addresses.clone();
    if let Some(file) = &list.file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(
                "file_unreadable",
                format!("cannot read {}", file.display()),
                "name a readable text file",
            )
            .with(error.to_string())
        })?;
        given.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
    }
    if given.is_empty() {
        return Err(Failure::usage(
            "no_address",
            "there is no address",
            "name addresses, or a file with --file",
        ));
    }
    suppressions::normalised(list.channel, &given)
}
