//! One process: a data directory, the ports over it, and the processors that run on them.
//!
//! ```text
//!  start:  directory → completion, receipts, webhooks → sender → expander → gateway
//!  stop:   gateway → expander → sender (ends calls in flight) → webhooks → receipts → completion
//! ```
//!
//! - [`directory`]: the data directory, opened once.
//! - [`launching`]: from a file to a campaign.
//! - [`only`]: some campaigns of a directory, and no others.
//! - [`roles`]: tasks that are stopped one after the other.
//! - [`webhooks`]: the providers' parsers as the receipt processors want them.
//! - [`control`]: the campaigns behind the HTTP API.

pub mod control;
pub mod directory;
pub mod launching;
pub mod only;
pub mod roles;
pub mod webhooks;

pub use directory::Directory;

use crate::config::Config;
use crate::error::{Exit, Failure, Outcome};
use control::NodeControl;
use roles::{Role, Roles, Stopped};
use sluice_audience::FileAudiences;
use sluice_completion::{Completion, CompletionPorts};
use sluice_core::{CampaignId, CampaignRow};
use sluice_expander::{Expander, ExpanderPorts};
use sluice_http::{ChannelKeys, Gateway, GatewayOptions, Token};
use sluice_providers::{HttpCaller, HttpCallerOptions, ProviderMessages};
use sluice_receipts::{
    ReceiptPorts, ReceiptProcessor, ReceiptStats, WebhookPorts, WebhookProcessor, WebhookStats,
};
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown, SystemClock};
use sluice_schemas::CampaignLaunch;
use sluice_sender::{Board, Sender, SenderPorts};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

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
}

impl NodeOptions {
    /// Without a port, for all campaigns.
    pub fn new(config: Config) -> Self {
        Self { config, audience_base: PathBuf::new(), listen: None, only: Vec::new() }
    }
}

/// A running node. Dropping it without [`Node::stop`] is a crash, and as safe.
#[derive(Debug)]
pub struct Node {
    directory: Directory,
    clock: Arc<dyn ClockDebug>,
    roles: Roles,
    caller: Arc<HttpCaller>,
    board: Board,
    address: Option<SocketAddr>,
    receipt_stats: Arc<ReceiptStats>,
    webhook_stats: Arc<WebhookStats>,
}

/// A clock that can stand in a struct with `Debug`.
trait ClockDebug: Clock + std::fmt::Debug {}
impl ClockDebug for SystemClock {}

impl Node {
    /// Opens the data directory and starts every processor.
    pub async fn start(options: NodeOptions) -> Outcome<Self> {
        let directory = Directory::open(&options.config.data_dir, options.config.topics.partitions).await?;
        Self::over(directory, options).await
    }

    /// Starts every processor over a directory that is open.
    pub async fn over(directory: Directory, options: NodeOptions) -> Outcome<Self> {
        let NodeOptions { config, audience_base, listen, only } = options;
        let clock = Arc::new(SystemClock);
        let (log, store) = (directory.log(), directory.store());
        let caller = Arc::new(start_caller(&config, clock.clone())?);
        let messages: Arc<dyn Messages> = Arc::new(ProviderMessages::new(config.provider_pages()));
        let messages = if only.is_empty() { messages } else { Arc::new(only::Only::new(messages, only)) };
        // Before anything is started: a port in use is no reason to begin and stop again.
        let listener = match listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let mut roles = Roles::new();

        let ports = CompletionPorts { log: log.clone(), store: store.clone(), clock: clock.clone() };
        let completion = Completion::new(ports, config.completion.clone());
        roles.start(Role::Completion, |shutdown| completion.run(shutdown));

        let ports = ReceiptPorts { log: log.clone(), store: store.clone(), clock: clock.clone() };
        let receipts = ReceiptProcessor::new(ports, config.receipts.clone());
        let receipt_stats = receipts.stats();
        roles.start(Role::Receipts, |shutdown| receipts.run(shutdown));

        let parse = Arc::new(webhooks::ProviderWebhooks);
        let ports = WebhookPorts { log: log.clone(), store: store.clone(), clock: clock.clone(), parse };
        let webhooks = WebhookProcessor::new(ports, config.webhooks.clone());
        let webhook_stats = webhooks.stats();
        roles.start(Role::Webhooks, |shutdown| webhooks.run(shutdown));

        let ports = SenderPorts {
            log: log.clone(),
            store: store.clone(),
            caller: caller.clone(),
            messages,
            clock: clock.clone(),
        };
        let owner = format!("sluice-{}-{}", std::process::id(), clock.wall_ms());
        let sender = Sender::new(ports, config.sender.clone(), owner);
        let board = sender.board();
        roles.start(Role::Sender, |shutdown| sender.run(shutdown));

        let audiences = Arc::new(FileAudiences::new(audience_base, directory.temporary()));
        let ports = ExpanderPorts { log: log.clone(), store: store.clone(), audiences, clock: clock.clone() };
        let expander = Expander::new(ports, config.expander.clone());
        roles.start(Role::Expander, |shutdown| expander.run(shutdown));

        if let Some(listener) = listener {
            let control = NodeControl::new(directory.clone(), config.clone(), board.clone(), clock.clone());
            let gateway = Gateway {
                options: Arc::new(gateway_options(&config)),
                log,
                clock: clock.clone(),
                control: Some(Arc::new(control)),
            };
            roles.start(Role::Gateway, |shutdown| sluice_http::serve(listener, gateway, shutdown));
        }
        Ok(Self { directory, clock, roles, caller, board, address, receipt_stats, webhook_stats })
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        self.directory.store()
    }

    /// The log.
    pub fn log(&self) -> Arc<dyn Log> {
        self.directory.log()
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
        launching::launch(&self.directory, launch).await
    }

    /// One campaign.
    pub async fn campaign(&self, id: CampaignId) -> Outcome<Option<CampaignRow>> {
        Ok(self.directory.store().campaign(id).await?)
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
        let log = self.directory.log();
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
        self.roles.stop(Role::Gateway, hurry.clone()).await;
        self.roles.stop(Role::Expander, hurry.clone()).await;
        let sender = self.roles.stop(Role::Sender, hurry.clone()).await;
        // What was granted and not called is claimed as well: nobody can tell the two apart after a cut.
        let claimed = || self.board.pages().values().map(|page| page.in_flight + page.granted).sum();
        let cut_calls = if sender.cut { claimed() } else { 0 };
        if !sender.cut {
            // So that counts shown after this are exact.
            self.merged(Duration::from_secs(5)).await;
        }
        let mut stopped = Stopped { cut_calls, failure: sender.failure };
        for role in [Role::Webhooks, Role::Receipts, Role::Completion] {
            let ended = self.roles.stop(role, hurry.clone()).await;
            stopped.failure = stopped.failure.or(ended.failure);
        }
        if stopped.cut_calls == 0 {
            // Nothing is under way: this only ends the threads.
            drop(tokio::time::timeout(Duration::from_secs(2), self.caller.shutdown()).await);
        }
        self.directory.close().await;
        stopped
    }

    /// The directory, for reading after or while the node runs.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }
}

fn start_caller(config: &Config, clock: Arc<dyn Clock>) -> Outcome<HttpCaller> {
    let options = HttpCallerOptions {
        threads: config.calls.threads,
        connections_max: config.calls.connections_max,
        idle_ms: config.calls.idle_ms,
        connect_ms_max: config.calls.connect_ms_max,
        ..HttpCallerOptions::default()
    };
    HttpCaller::start(options, clock).map_err(|error| {
        let to_do = "free resources of this machine and run the same command again";
        Failure::new(Exit::TryAgain, "client", error.to_string(), to_do)
    })
}

async fn bind(address: SocketAddr) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::refused(
            "port_in_use",
            format!("cannot listen on {address}"),
            "choose another port: gateway.listen in sluice.toml, SLUICE_GATEWAY_LISTEN, `run --listen` or `send --webhook-listen`",
        )
        .with(error.to_string())
    })
}

fn gateway_options(config: &Config) -> GatewayOptions {
    let gateway = &config.gateway;
    let keys = crate::config::model::CHANNELS.into_iter().filter_map(|channel| {
        let settings = config.channels.of(channel)?;
        let keys = ChannelKeys::new(settings.app_secret.expose(), settings.verify_token.expose());
        Some((channel, keys))
    });
    GatewayOptions {
        webhook_bytes_max: gateway.webhook_bytes_max,
        launch_bytes_max: gateway.launch_bytes_max,
        allow_unsigned: gateway.allow_unsigned,
        channels: keys.collect(),
        control_token: Token::new(gateway.control_token.expose()),
    }
}
