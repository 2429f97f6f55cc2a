//! What a process starts, one after the other: ports first, then who reads, then who writes, at last who lets people in.

use super::control::NodeControl;
use super::live::LiveConfig;
use super::quota_sampler::QuotaSampler;
use super::reload::{self, Reloader};
use super::roles::{Role, Roles};
use super::telemetry::Telemetry;
use super::{Engines, Node, NodeOptions, Work, only, webhooks};
use crate::config::{Config, Loaded};
use crate::error::{Exit, Failure, Outcome};
use sluice_audience::FileAudiences;
use sluice_completion::{Completion, CompletionPorts, StalledCampaigns};
use sluice_expander::{Expander, ExpanderPorts};
use sluice_http::{ChannelKeys, Gateway, GatewayMetrics, GatewayOptions, Token};
use sluice_providers::{HttpCaller, HttpCallerOptions};
use sluice_receipts::{ReceiptPorts, ReceiptProcessor, WebhookPorts, WebhookProcessor};
use sluice_runtime::metered::{SAMPLE_EVERY, sample_every};
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::{Clock, SystemClock};
use sluice_sender::{Board, Sender, SenderPorts};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

impl Node {
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
