//! One campaign over fresh engines.

use super::{cpu_seconds, peak_rss_mb, say, valid};
use crate::cli::bench::failed;
use crate::cli::bench::scratch::http_launch;
use crate::config::Config;
use crate::error::{Outcome, storage};
use crate::node::{Engines, Node, NodeOptions, launching};
use serde::{Deserialize, Serialize};
use sluice_audience::FileAudiences;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_expander::{Expander, ExpanderPorts};
use sluice_runtime::{Clock, SystemClock, shutdown};
use sluice_schemas::CampaignLaunch;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A cluster goes on writing for a while after an expansion: flushes, compactions. That is not the sending's.
const ENGINES_REST: Duration = Duration::from_secs(10);

/// What a campaign took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::cli::bench) struct Ran {
    /// From the launch, or with `expanded_before` from the sender's first call, until every recipient's state is
    /// durable.
    pub(in crate::cli::bench) sent_seconds: f64,
    /// From the same start until the campaign has ended.
    pub(in crate::cli::bench) ended_seconds: f64,
    pub(in crate::cli::bench) cpu_seconds: f64,
    pub(in crate::cli::bench) peak_rss_mb: f64,
}

pub(super) async fn run(
    config: Config,
    audience: &Path,
    recipients: u64,
    expanded_before: bool,
) -> Outcome<()> {
    let launch = valid(&http_launch("bench", audience))?.launch;
    let engines = Engines::open(&config).await?;
    if expanded_before {
        expand(&engines, &config, std::slice::from_ref(&launch)).await?;
        if config.engines.is_cluster() {
            tokio::time::sleep(ENGINES_REST).await;
        }
    }
    let cpu = cpu_seconds("self");
    let node = Node::over(engines, NodeOptions::new(config)).await?;
    let began;
    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    if expanded_before {
        while node.in_flight() == 0 && sent(&node, id).await? == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        began = node.monotonic();
    } else {
        began = node.monotonic();
        node.launch(&launch).await?;
    }
    all_sent(&node, id, recipients).await?;
    let sent = node.monotonic();
    let row = ended(&node, id).await?;
    let ended = node.monotonic();
    if row.state != CampaignState::Completed {
        return Err(failed("the campaign did not complete", row.state.as_str()));
    }
    say(&Ran {
        sent_seconds: (sent - began).as_secs_f64(),
        ended_seconds: (ended - began).as_secs_f64(),
        cpu_seconds: cpu_seconds("self") - cpu,
        peak_rss_mb: peak_rss_mb("self"),
    })
}

async fn sent(node: &Node, id: CampaignId) -> Outcome<u64> {
    Ok(node.store().counters(id).await?.iter().map(|(_, counters)| counters.sent).sum())
}

/// Waits until the stored states show everybody as sent; fails where somebody ends otherwise.
pub(super) async fn all_sent(node: &Node, id: CampaignId, recipients: u64) -> Outcome<()> {
    let began = node.monotonic();
    loop {
        let sent = sent(node, id).await?;
        if sent == recipients {
            return Ok(());
        }
        if let Some(row) = node.campaign(id).await?.filter(|row| row.state.is_ended()) {
            let what =
                format!("{sent} of {recipients} were sent when the campaign was {}", row.state.as_str());
            return Err(failed("not everybody was sent", what));
        }
        tokio::time::sleep(look_again(node.monotonic() - began, sent, recipients)).await;
    }
}

/// Each look reads a row a chunk, which is work for a database that is being measured: seldom at first, and more
/// often the nearer the end is.
fn look_again(since: Duration, sent: u64, recipients: u64) -> Duration {
    let (soonest, latest) = (Duration::from_millis(10), Duration::from_secs(5));
    if sent == 0 {
        return Duration::from_millis(100);
    }
    let left = since.mul_f64(recipients.saturating_sub(sent) as f64 / sent as f64);
    (left / 4).clamp(soonest, latest)
}

async fn ended(node: &Node, id: CampaignId) -> Outcome<CampaignRow> {
    loop {
        if let Some(row) = node.campaign(id).await?.filter(|row| row.state.is_ended()) {
            return Ok(row);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Runs only the expander, until one campaign after the other is sealed. Gives the time from the last launch on.
pub(super) async fn expand(
    engines: &Engines,
    config: &Config,
    launches: &[CampaignLaunch],
) -> Outcome<(Duration, CampaignRow)> {
    let audiences = Arc::new(FileAudiences::new("", engines.temporary()));
    let clock = Arc::new(SystemClock);
    let ports = ExpanderPorts { log: engines.log(), store: engines.store(), audiences, clock };
    let (trigger, stopping) = shutdown::channel();
    let expander = tokio::spawn(Expander::new(ports, config.expander.clone()).run(stopping));
    let mut sealed = None;
    for launch in launches {
        let began = SystemClock.monotonic();
        let id = launching::launch(engines, launch).await?.id;
        let row = loop {
            match engines.store().campaign(id).await? {
                Some(row) if row.seal.is_some() => break row,
                Some(row) if row.state.is_ended() => {
                    return Err(failed("the audience could not be expanded", row.reason.unwrap_or_default()));
                }
                _ if expander.is_finished() => break Err(storage("the expander ended"))?,
                // Each look reads the whole row, which is large where there are many pages.
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        sealed = Some((SystemClock.monotonic() - began, row));
    }
    trigger.stop();
    match expander.await {
        Ok(Ok(())) => sealed.ok_or_else(|| failed("nothing was expanded", "there is no launch")),
        Ok(Err(error)) => Err(storage(error)),
        Err(error) => Err(storage(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_the_end_is_the_sooner_it_is_looked_for() {
        let ms = |since_s: u64, sent: u64| look_again(Duration::from_secs(since_s), sent, 1_000).as_millis();
        assert_eq!(ms(0, 0), 100);
        assert_eq!(ms(10, 500), 2_500);
        assert_eq!(ms(60, 500), 5_000);
        // 1 % is left: it takes 0.1 s.
        assert_eq!(ms(10, 990), 25);
        assert_eq!(ms(10, 999), 10);
    }
}
