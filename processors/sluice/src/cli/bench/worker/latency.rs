//! Small campaigns against a running node: from the launch to the first call, by one clock in one process.

use super::answers::{self, Reply};
use super::{measured, say, valid};
use crate::cli::bench::failed;
use crate::cli::bench::scratch::inline_launch;
use crate::config::Config;
use crate::error::Outcome;
use crate::node::{Engines, Node, NodeOptions};
use serde::{Deserialize, Serialize};
use sluice_runtime::{Clock, SystemClock};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Recipients of each campaign.
const RECIPIENTS: u64 = 10;
/// A first call that does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Milliseconds from each launch to its first call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::cli::bench) struct Latencies {
    pub(in crate::cli::bench) ms: Vec<f64>,
}

pub(super) async fn run(config: Config, data_dir: PathBuf, launches: u32) -> Outcome<()> {
    let (listener, address) = answers::bind().await?;
    let (sender, mut calls) = mpsc::unbounded_channel();
    let hears = Arc::new(move |_: &[u8], body: &[u8]| {
        // Nobody hears the calls after the last first one.
        drop(sender.send((SystemClock.monotonic(), String::from_utf8_lossy(body).into_owned())));
        Reply::Accept
    });
    tokio::spawn(answers::serve(listener, hears));
    let in_flight = config.sender.in_flight_max as u32;
    let config = measured(config, data_dir, &format!("http://{address}/messages"), in_flight);
    let engines = Engines::open(&config).await?;
    let node = Node::over(engines, NodeOptions::new(config)).await?;
    let mut ms = Vec::with_capacity(launches as usize);
    for number in 0..launches {
        // Its name is in its messages.
        let name = format!("launch-{number:06}");
        let launch = valid(&inline_launch(&name, RECIPIENTS))?.launch;
        let began = node.monotonic();
        node.launch(&launch).await?;
        let first = async {
            loop {
                match calls.recv().await {
                    Some((at, body)) if body.contains(&name) => return Some(at),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        let first = tokio::time::timeout(PATIENCE, first).await.ok().flatten();
        let first = first.ok_or_else(|| failed("no call came", format!("of the campaign {name}")))?;
        ms.push(first.saturating_sub(began).as_secs_f64() * 1e3);
        // Not in step with anything that is done every so many ms.
        tokio::time::sleep(Duration::from_millis(60 + u64::from(number) * 7 % 53)).await;
    }
    say(&Latencies { ms })
}
