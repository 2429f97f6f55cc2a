//! A backlog that nobody sends yet, and the service that sends it while somebody watches from outside.

use super::campaign::expand;
use super::{say, valid};
use crate::cli::bench::failed;
use crate::config::{Config, PageSettings};
use crate::error::Outcome;
use crate::node::commands::{Given, ReasonDetails};
use crate::node::{Engines, Node, NodeOptions};
use serde_json::{Value, json};
use sluice_completion::CompletionPorts;
use sluice_core::rate::Rate;
use sluice_providers::Secret;
use sluice_runtime::SystemClock;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// The rate of all pages and those of single ones.
pub(super) fn limited(
    mut config: Config,
    rate: Option<&str>,
    rates: &BTreeMap<String, String>,
) -> Outcome<Config> {
    let parsed = |text: &str| text.parse::<Rate>().map_err(|error| failed("a rate can't be read", error));
    config.channels.http.rate = rate.map(parsed).transpose()?;
    for (page, rate) in rates {
        let settings = PageSettings { rate: Some(parsed(rate)?), ..PageSettings::default() };
        config.pages.insert(page.clone(), settings);
    }
    Ok(config)
}

/// Expands every launch of the file, then pauses some. Says how many chunks there are.
pub(super) async fn backlog(config: Config, launches: &Path, paused: &[String]) -> Outcome<()> {
    let unreadable = |error: &dyn std::fmt::Display| failed("the launches can't be read", error);
    let text = std::fs::read(launches).map_err(|error| unreadable(&error))?;
    let launches: Vec<Value> = serde_json::from_slice(&text).map_err(|error| unreadable(&error))?;
    let launches = launches.iter().map(|launch| Ok(valid(launch)?.launch)).collect::<Outcome<Vec<_>>>()?;
    let engines = Engines::open(&config).await?;
    expand(&engines, &config, &launches).await?;
    let ports = CompletionPorts { log: engines.log(), store: engines.store(), clock: Arc::new(SystemClock) };
    for launch in launches.iter().filter(|launch| paused.contains(&launch.campaign)) {
        Given::Pause(ReasonDetails::default()).carry_out(&ports, &launch.tenant, &launch.campaign).await?;
    }
    engines.close().await;
    say(&json!({ "expanded": launches.len() }))
}

/// Says where its API is, and goes on until the process is killed.
pub(super) async fn serve(mut config: Config) -> Outcome<()> {
    config.gateway.control_token = Secret::default();
    let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut node = Node::start(NodeOptions { listen, ..NodeOptions::new(config) }).await?;
    let address = node.address().ok_or_else(|| failed("the service does not listen", "no port"))?;
    say(&json!({ "listening": format!("http://{address}") }))?;
    Err(node.failed().await)
}
