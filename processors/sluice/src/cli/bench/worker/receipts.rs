//! A campaign over WhatsApp, and then its webhooks, which come from the process that started this one.

use super::campaign::all_sent;
use super::{peak_rss_mb, say, valid};
use crate::cli::bench::failed;
use crate::cli::bench::scratch::whatsapp_launch;
use crate::config::Config;
use crate::error::Outcome;
use crate::node::{Engines, Node, NodeOptions};
use serde::{Deserialize, Serialize};
use sluice_core::CampaignId;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// Everybody was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::cli::bench) struct Sent {
    /// From the launch until every recipient's state was durable.
    pub(in crate::cli::bench) seconds: f64,
    /// Where webhooks come in.
    pub(in crate::cli::bench) gateway: SocketAddr,
    /// Id and size of each chunk.
    pub(in crate::cli::bench) chunks: Vec<(String, u32)>,
}

/// Everybody's webhook is in the chunk states.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::cli::bench) struct Merged {
    /// On the clock that all processes share.
    pub(in crate::cli::bench) at: Duration,
    pub(in crate::cli::bench) peak_rss_mb: f64,
}

pub(super) async fn run(config: Config, audience: &Path, recipients: u64) -> Outcome<()> {
    let launch = valid(&whatsapp_launch("bench", audience))?.launch;
    let id = CampaignId::of(&launch.tenant, &launch.campaign);
    let engines = Engines::open(&config).await?;
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let options = NodeOptions { listen: Some(listen), ..NodeOptions::new(config) };
    let node = Node::over(engines, options).await?;
    let gateway = node.address().ok_or_else(|| failed("no gateway was started", "it has no address"))?;
    let began = node.monotonic();
    node.launch(&launch).await?;
    all_sent(&node, id, recipients).await?;
    let seconds = (node.monotonic() - began).as_secs_f64();
    let chunks = node.store().chunks(id).await?;
    let chunks = chunks.iter().map(|chunk| (chunk.id.to_string(), chunk.size)).collect();
    say(&Sent { seconds, gateway, chunks })?;
    loop {
        let counters = node.store().counters(id).await?;
        if counters.iter().map(|(_, counters)| counters.delivered).sum::<u64>() == recipients {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    say(&Merged { at: node.monotonic(), peak_rss_mb: peak_rss_mb("self") })
}
