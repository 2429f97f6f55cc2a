//! One process: its engines, and the processors that run on them.
//!
//! ```text
//!  start:  directory → completion, receipts, webhooks → sender → expander → gateway
//!  stop:   gateway → expander → sender (ends calls in flight) → webhooks → receipts → completion
//! ```
//!
//! - [`engines`]: the log and the store: a data directory of its own, or a cluster.
//! - [`assignment`]: which processors this process runs.
//! - [`launching`]: from a file to a campaign.
//! - [`only`]: some campaigns of a directory, and no others.
//! - [`starting`]: what is started, and what each part stands on.
//! - [`roles`]: tasks that are stopped one after the other.
//! - [`webhooks`]: the providers' parsers as the receipt processors want them.
//! - [`live`]: the configuration, whose limits may change; [`reload`]: when its file does.
//! - [`control`]: the campaigns behind the HTTP API.
//! - [`commands`]: what a person does to a campaign.

pub mod assignment;
pub mod commands;
pub mod control;
pub mod engines;
pub mod launching;
pub mod live;
pub mod only;
mod quota_sampler;
mod reload;
pub mod roles;
pub mod service_file;
mod starting;
mod telemetry;
pub mod webhooks;

pub use assignment::{Assignment, Work};
pub use engines::{Directory, Engines};

use crate::config::{Config, Loaded};
use crate::error::{Failure, Outcome};
use live::LiveConfig;
use roles::{Role, Roles, Stopped};
use sluice_completion::StalledCampaigns;
use sluice_core::{CampaignId, CampaignRow};
use sluice_providers::HttpCaller;
use sluice_receipts::{ReceiptStats, WebhookStats};
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::CampaignLaunch;
use sluice_sender::{Board, SenderLimits};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Telemetry;

/// How a node is started.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// In force.
    pub config: Config,
    /// Relative audiences of launches count from here.
    pub audience_base: PathBuf,
    /// Where webhooks and the API come in; `None`: no port is opened.
    pub listen: Option<SocketAddr>,
    /// The campaigns that are sent; empty: all.
    pub only: Vec<CampaignId>,
    /// Where metrics are shown; `None`: no port is opened.
    pub metrics: Option<SocketAddr>,
    /// What this process does.
    pub work: Assignment,
    /// Where the configuration came from, to take changed limits over; `None`: they stay.
    pub reload: Option<Loaded>,
}

impl NodeOptions {
    /// Without a port, for all campaigns, all work.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            audience_base: PathBuf::new(),
            listen: None,
            only: Vec::new(),
            metrics: None,
            work: Assignment::all(),
            reload: None,
        }
    }
}

/// A running node. Dropping it without [`Node::stop`] is a crash, and as safe.
pub struct Node {
    engines: Engines,
    log: Arc<dyn Log>,
    store: Arc<dyn Store>,
    telemetry: Telemetry,
    clock: Arc<dyn Clock>,
    config: LiveConfig,
    limits: Option<SenderLimits>,
    roles: Roles,
    caller: Option<Arc<HttpCaller>>,
    board: Board,
    stalled: StalledCampaigns,
    address: Option<SocketAddr>,
    receipt_stats: Arc<ReceiptStats>,
    webhook_stats: Arc<WebhookStats>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("engines", &self.engines).finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the configured engines and starts the processors.
    pub async fn start(options: NodeOptions) -> Outcome<Self> {
        let engines = Engines::open(&options.config).await?;
        Self::over(engines, options).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        self.log.clone()
    }

    /// What each page is doing.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Where the port is; `None` without one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// What the receipt processor did so far.
    pub fn receipt_stats(&self) -> &ReceiptStats {
        &self.receipt_stats
    }

    /// What the webhook processor did so far.
    pub fn webhook_stats(&self) -> &WebhookStats {
        &self.webhook_stats
    }

    /// Time since an arbitrary start.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// ms since 1970.
    pub fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    /// Creates a campaign, or finds the one that is there. Resolves when its row is durable.
    pub async fn launch(&self, launch: &CampaignLaunch) -> Outcome<CampaignRow> {
        launching::launch(&self.engines, launch).await
    }

    /// One campaign.
    pub async fn campaign(&self, id: CampaignId) -> Outcome<Option<CampaignRow>> {
        Ok(self.engines.store().campaign(id).await?)
    }

    /// Resolves when a processor ended by itself: nothing is lost, and nothing goes on either.
    pub async fn failed(&mut self) -> Failure {
        let (role, reason) = self.roles.ended().await;
        let failure = crate::error::storage(reason);
        failure.with(format!("the {} stopped", role.name()))
    }

    /// Whether every receipt that was durable when this was called is merged and stored.
    pub async fn merged(&self, limit: Duration) -> bool {
        let deadline = self.clock.monotonic() + limit;
        loop {
            match self.lag().await {
                Ok(0) => return true,
                Ok(_) if self.clock.monotonic() < deadline => {
                    tokio::time::sleep(Duration::from_millis(10)).await
                }
                _ => return false,
            }
        }
    }

    /// Records of `webhooks.raw` and `receipts` that are not merged yet.
    async fn lag(&self) -> Outcome<u64> {
        let log = self.engines.log();
        let mut lag = 0;
        for (group, topic) in [("webhooks", Topic::WebhooksRaw), ("receipts", Topic::Receipts)] {
            for number in 0..log.partitions(topic) {
                let partition = sluice_runtime::ports::log::Partition(number);
                let end = log.bounds(topic, partition).await?.end.0;
                let committed =
                    log.committed(group, topic, partition).await?.map_or(0, |position| position.0);
                lag += end.saturating_sub(committed);
            }
        }
        Ok(lag)
    }

    /// Calls under way now.
    pub fn in_flight(&self) -> usize {
        self.board.pages().values().map(|page| page.in_flight).sum()
    }

    /// Stops everything in order; `hurry` cuts what the sender still waits for. Gives the calls that were cut.
    pub async fn stop(mut self, hurry: Shutdown) -> Stopped {
        self.roles.stop(Role::Configuration, hurry.clone()).await;
        self.roles.stop(Role::Gateway, hurry.clone()).await;
        self.roles.stop(Role::Expander, hurry.clone()).await;
        let sender = self.roles.stop(Role::Sender, hurry.clone()).await;
        // What was granted and not called is claimed as well: nobody can tell the two apart after a cut.
        let claimed = || self.board.pages().values().map(|page| page.in_flight + page.granted).sum();
        let cut_calls = if sender.cut { claimed() } else { 0 };
        // On a cluster others go on, and their receipts are never all merged.
        if !sender.cut && matches!(self.engines, Engines::Embedded(_)) {
            // So that counts shown after this are exact.
            self.merged(Duration::from_secs(5)).await;
        }
        let mut stopped = Stopped { cut_calls, failure: sender.failure };
        let last = [Role::Webhooks, Role::Receipts, Role::Completion, Role::Lag, Role::Quotas, Role::Metrics];
        for role in last {
            let ended = self.roles.stop(role, hurry.clone()).await;
            stopped.failure = stopped.failure.or(ended.failure);
        }
        if let Some(caller) = self.caller.filter(|_| stopped.cut_calls == 0) {
            // Nothing is under way: this only ends the threads.
            drop(tokio::time::timeout(Duration::from_secs(2), caller.shutdown()).await);
        }
        self.engines.close().await;
        stopped
    }

    /// The log and the store, for reading after or while the node runs.
    pub fn engines(&self) -> &Engines {
        &self.engines
    }
}
