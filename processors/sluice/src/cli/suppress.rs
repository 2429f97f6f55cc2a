//! `sluice suppress`: people who want no messages.

use super::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::node::Engines;
use crate::view::numbers::counted;
use crate::view::out;
use clap::{Args, Subcommand};
use serde_json::json;
use sluice_core::address::normalise;
use sluice_schemas::Channel;
use std::path::PathBuf;

/// Keeps people out of later campaigns.
#[derive(Debug, Subcommand)]
pub enum SuppressCommand {
    /// Add addresses: every later campaign of the tenant skips them
    #[command(after_help = "Example:  sluice suppress add --channel whatsapp +5511987654321")]
    Add(AddArgs),
    /// Say which of these addresses are suppressed
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

pub(super) async fn run(common: Common, command: SuppressCommand) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    let (list, reason) = match command {
        SuppressCommand::Add(add) => (add.list, Some(add.reason)),
        SuppressCommand::Check(list) => (list, None),
    };
    let addresses = addresses_of(&list)?;
    let engines = Engines::open(&config).await?;
    let store = engines.store();
    if let Some(reason) = reason {
        let count = addresses.len() as u64;
        let rows = addresses.into_iter().map(|address| (address, reason.clone())).collect();
        store.suppress(&list.tenant, list.channel, rows).await?;
        if common.json {
            out::line(json!({ "suppressed": count }));
        } else {
            out::line(format_args!(
                "{} of {} suppressed",
                counted(count, "address", "addresses"),
                list.channel
            ));
        }
    } else {
        let asked: Vec<&str> = addresses.iter().map(String::as_str).collect();
        let suppressed = store.suppressed(&list.tenant, list.channel, &asked).await?;
        for (address, suppressed) in addresses.iter().zip(suppressed) {
            match common.json {
                true => out::line(json!({ "address": address, "suppressed": suppressed })),
                false => out::line(format_args!(
                    "{address}  {}",
                    if suppressed { "suppressed" } else { "not suppressed" }
                )),
            }
        }
    }
    engines.close().await;
    Ok(Exit::Done)
}

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
    let mut wrong = Failure::usage(
        "invalid_address",
        "some of these are no addresses",
        "correct them; nothing was changed",
    );
    let mut addresses = Vec::with_capacity(given.len());
    for raw in &given {
        match normalise(list.channel, raw) {
            Ok(address) => addresses.push(address.into_owned()),
            Err(error) => wrong = wrong.with(format!("{raw}: {}", error.detail())),
        }
    }
    if wrong.details.is_empty() { Ok(addresses) } else { Err(wrong) }
}
