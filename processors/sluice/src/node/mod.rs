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
mod telemetry;
pub mod webhooks;

pub use assignment::{Assignment, Work};
pub use engines::{Directory, Engines};

use crate::config::{Config, Loaded};
use crate::error::{Exit, Failure, Outcome};
use control::NodeControl;
use live::LiveConfig;
use quota_sampler::QuotaSampler;
use reload::Reloader;
use roles::{Role, Roles, Stopped};
use sluice_audience::FileAudiences;
use sluice_completion::{Completion, CompletionPorts, StalledCampaigns};
use sluice_core::{CampaignId, CampaignRow};
use sluice_expander::{Expander, ExpanderPorts};
use sluice_http::{ChannelKeys, Gateway, GatewayMetrics, GatewayOptions, Token};
use sluice_providers::{HttpCaller, HttpCallerOptions};
use sluice_receipts::{
    ReceiptPorts, ReceiptProcessor, ReceiptStats, WebhookPorts, WebhookProcessor, WebhookStats,
};
use sluice_runtime::metered::{SAMPLE_EVERY, sample_every};
use sluice_runtime::ports::log::{Log, Topic};
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown, SystemClock};
use sluice_schemas::CampaignLaunch;
use sluice_sender::{Board, Sender, SenderLimits, SenderPorts};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Telemetry;
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

    /// Starts the processors over engines that are open.
    pub async fn over(engines: Engines, options: NodeOptions) -> Outcome<Self> {
        // Before anything is started: a port in use is no reason to begin and stop again.
        let listener = match options.listen.filter(|_| options.work.has(Work::Gateway)) {
            Some(address) => Some(bind(address, GATEWAY_PORT).await?),
            None => None,
        };
        let watched = match options.metrics {
            Some(address) => Some(bind(address, METRICS_PORT).await?),
            None => None,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let telemetry = Telemetry::new(&options.config, clock.clone());
        let mut node = Self {
            log: telemetry.log(&engines),
            store: telemetry.store(&engines),
            telemetry,
            engines,
            clock,
            config: LiveConfig::new(options.config.clone()),
            limits: None,
            roles: Roles::new(),
            caller: None,
            board: Board::default(),
            stalled: StalledCampaigns::default(),
            address: listener.as_ref().and_then(|listener| listener.local_addr().ok()),
            receipt_stats: Arc::default(),
            webhook_stats: Arc::default(),
        };
        if options.work.has(Work::Completion) {
            node.start_completion(&options.config);
        }
        if options.work.has(Work::Receipts) {
            node.start_receipts(&options.config);
        }
        if options.work.has(Work::Sender) {
            node.start_sender(&options)?;
        }
        if options.work.has(Work::Expander) {
            node.start_expander(&options);
        }
        if let Some(listener) = listener {
            node.start_gateway(listener, &options);
        }
        if let Some(listener) = watched {
            // Lag is asked of the engine itself: looking is not counted as work.
            node.telemetry.serve(&mut node.roles, node.engines.log(), listener);
            node.start_quota_sampler();
        }
        if let Some(loaded) = options.reload {
            node.start_reloader(loaded);
        }
        Ok(node)
    }

    fn start_reloader(&mut self, loaded: Loaded) {
        if !reload::can_be_watched(loaded.sources.path()) {
            tracing::info!(
                "the configuration is no file that can be read again: its limits stay as they are"
            );
            return;
        }
        let (config, limits) = (self.config.clone(), self.limits.clone());
        let reloader = Reloader::new(loaded, config, limits, &self.telemetry.metrics);
        self.roles.start(Role::Configuration, |shutdown| async move {
            reloader.run(shutdown).await;
            Ok::<(), Infallible>(())
        });
    }

    fn start_quota_sampler(&mut self) {
        let (config, metrics) = (self.config.clone(), &self.telemetry.metrics);
        let sampler = QuotaSampler::new(self.engines.store(), config, metrics, self.clock());
        self.roles.start(Role::Quotas, |shutdown| async move {
            sample_every(SAMPLE_EVERY, sampler, shutdown).await;
            Ok::<(), Infallible>(())
        });
    }

    fn start_completion(&mut self, config: &Config) {
        let ports = CompletionPorts { log: self.log(), store: self.store(), clock: self.clock() };
        let completion = Completion::new(ports, config.completion.clone());
        self.stalled = completion.stalled();
        completion.stats().register(&self.telemetry.metrics);
        self.roles.start(Role::Completion, |shutdown| completion.run(shutdown));
    }

    fn start_receipts(&mut self, config: &Config) {
        let ports = ReceiptPorts { log: self.log(), store: self.store(), clock: self.clock() };
        let receipts = ReceiptProcessor::new(ports, config.receipts.clone());
        self.receipt_stats = receipts.stats();
        self.receipt_stats.register(&self.telemetry.metrics);
        self.roles.start(Role::Receipts, |shutdown| receipts.run(shutdown));

        let parse = Arc::new(webhooks::ProviderWebhooks);
        let ports = WebhookPorts { log: self.log(), store: self.store(), clock: self.clock(), parse };
        let webhooks = WebhookProcessor::new(ports, config.webhooks.clone());
        self.webhook_stats = webhooks.stats();
        self.webhook_stats.register(&self.telemetry.metrics);
        self.roles.start(Role::Webhooks, |shutdown| webhooks.run(shutdown));
    }

    fn start_sender(&mut self, options: &NodeOptions) -> Outcome<()> {
        let caller = Arc::new(start_caller(&options.config, self.clock())?);
        let messages: Arc<dyn Messages> = Arc::new(self.config.messages());
        let messages = match options.only.is_empty() {
            true => messages,
            false => Arc::new(only::Only::new(messages, options.only.clone())),
        };
        let ports = SenderPorts {
            log: self.log(),
            store: self.store(),
            caller: self.telemetry.caller(caller.clone()),
            messages: self.telemetry.messages(messages),
            clock: self.clock(),
        };
        let sender = Sender::new(ports, options.config.sender.clone(), owner(self.wall_ms()))
            .with_quotas(&options.config.quotas);
        sender.quota_stats().register(&self.telemetry.metrics);
        self.board = sender.board();
        self.limits = Some(sender.limits());
        self.telemetry.watch(&self.board);
        self.caller = Some(caller);
        self.roles.start(Role::Sender, |shutdown| sender.run(shutdown));
        Ok(())
    }

    fn start_expander(&mut self, options: &NodeOptions) {
        let audiences = FileAudiences::new(options.audience_base.clone(), self.engines.temporary())
            .with_options(options.config.audience.clone());
        let ports = ExpanderPorts {
            log: self.log(),
            store: self.store(),
            audiences: Arc::new(audiences),
            clock: self.clock(),
        };
        let expander = Expander::new(ports, options.config.expander.clone());
        self.roles.start(Role::Expander, |shutdown| expander.run(shutdown));
    }

    fn start_gateway(&mut self, listener: TcpListener, options: &NodeOptions) {
        let (board, stalled) = (self.board.clone(), self.stalled.clone());
        let (engines, config) = (self.engines.clone(), self.config.clone());
        let control = NodeControl::new(engines, options.clone(), config, board, stalled, self.clock());
        let gateway = Gateway {
            options: Arc::new(gateway_options(&options.config)),
            log: self.log(),
            clock: self.clock(),
            control: Some(Arc::new(control)),
        };
        let metrics = GatewayMetrics::new(&self.telemetry.metrics, self.clock());
        self.roles.start(Role::Gateway, |shutdown| {
            sluice_http::serve_measured(listener, gateway, metrics, shutdown)
        });
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
        for role in [Role::Webhooks, Role::Receipts, Role::Completion, Role::Lag, Role::Metrics] {
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

/// Names this process in ledgers. Two machines may have the same process id at the same millisecond, so the
/// machine's name is part of it.
fn owner(wall_ms: i64) -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("sluice-{}-{}-{wall_ms}", host.trim(), std::process::id())
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

/// What helps where the port of the API is in use.
const GATEWAY_PORT: &str = "choose another port: gateway.listen in sluice.toml, SLUICE_GATEWAY_LISTEN, `run --listen` or `send --webhook-listen`";

/// The same for the port of metrics.
const METRICS_PORT: &str = "choose another port: metrics.listen in sluice.toml, SLUICE_METRICS_LISTEN or `run --metrics-listen`; metrics.enabled = false opens none";

async fn bind(address: SocketAddr, to_do: &'static str) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::refused("port_in_use", format!("cannot listen on {address}"), to_do).with(error.to_string())
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
        webhooks_unstored_bytes_max: gateway.webhooks_unstored_bytes_max,
        launch_bytes_max: gateway.launch_bytes_max,
        allow_unsigned: gateway.allow_unsigned,
        channels: keys.collect(),
        control_token: Token::new(gateway.control_token.expose()),
    }
}
