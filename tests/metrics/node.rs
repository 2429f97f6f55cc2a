//! A whole Sluice in this process on the embedded engines, every port with a meter around it.

use sluice_audience::FileAudiences;
use sluice_completion::{Completion, CompletionPorts};
use sluice_core::PageId;
use sluice_engine::{Engine, EngineOptions};
use sluice_expander::{Expander, ExpanderPorts};
use sluice_http::{ChannelKeys, Gateway, GatewayMetrics, GatewayOptions};
use sluice_log::{EmbeddedLog, EmbeddedLogOptions};
use sluice_providers::webhook::{Target, parse};
use sluice_providers::{HttpCaller, HttpCallerOptions, PageConfig, PagesConfig, ProviderMessages};
use sluice_receipts::{
    ParseWebhook, ParsedWebhook, ReceiptPorts, ReceiptProcessor, WebhookFact, WebhookPorts, WebhookProcessor,
    WebhookTarget,
};
use sluice_runtime::metered::{
    LagSampler, MeteredCaller, MeteredLog, MeteredMessages, MeteredStore, PageChannels,
};
use sluice_runtime::metrics::pages::PageSample;
use sluice_runtime::metrics::{Build, Metrics};
use sluice_runtime::ports::log::Log;
use sluice_runtime::ports::store::Store;
use sluice_runtime::shutdown::{self, ShutdownTrigger};
use sluice_runtime::{Clock, Secret, SystemClock};
use sluice_schemas::{Channel, WebhookReceived};
use sluice_sender::{Board, PageStatus, Sender, SenderPorts};
use sluice_store::EmbeddedStore;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

const BUILD: Build = Build { version: "0.0.0-test", log: "embedded", store: "embedded" };

/// What the simulator is asked for.
#[derive(Debug)]
pub(crate) struct Provider {
    /// Its base URL.
    pub(crate) url: String,
    /// What it signs webhooks with.
    pub(crate) app_secret: String,
}

/// A running Sluice.
pub(crate) struct Node {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) metrics_address: SocketAddr,
    _stop: ShutdownTrigger,
    _directory: tempfile::TempDir,
}

impl Node {
    /// Starts everything; webhooks come in through `webhooks`.
    pub(crate) async fn start(webhooks: TcpListener, provider: &Provider) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (stop, stopping) = shutdown::channel();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = Metrics::new(&BUILD, clock.clone());

        let engine = Arc::new(Engine::open(directory.path(), EngineOptions::default()).unwrap());
        let plain_log = Arc::new(EmbeddedLog::open(engine.clone(), EmbeddedLogOptions::default()).unwrap());
        let log: Arc<dyn Log> = Arc::new(MeteredLog::new(plain_log.clone(), &metrics, clock.clone()));
        let store = Arc::new(EmbeddedStore::open(engine).unwrap());
        let store: Arc<dyn Store> = Arc::new(MeteredStore::new(store, &metrics, clock.clone()));
        let lag = LagSampler::new(plain_log, &metrics, clock.clone(), Duration::from_millis(200));

        let ports = CompletionPorts { log: log.clone(), store: store.clone(), clock: clock.clone() };
        let completion = Completion::new(ports, Default::default());
        let ports = ReceiptPorts { log: log.clone(), store: store.clone(), clock: clock.clone() };
        let receipts = ReceiptProcessor::new(ports, Default::default());
        receipts.stats().register(&metrics);
        let ports = WebhookPorts {
            log: log.clone(),
            store: store.clone(),
            clock: clock.clone(),
            parse: Arc::new(Parser),
        };
        let splitter = WebhookProcessor::new(ports, Default::default());
        splitter.stats().register(&metrics);

        let channels = PageChannels::default();
        let messages = Arc::new(ProviderMessages::new(pages(provider)));
        let messages = Arc::new(MeteredMessages::new(messages, channels.clone(), &metrics));
        let caller = Arc::new(HttpCaller::start(HttpCallerOptions::default(), clock.clone()).unwrap());
        let caller = Arc::new(MeteredCaller::new(caller, channels.clone(), &metrics, clock.clone()));
        let ports =
            SenderPorts { log: log.clone(), store: store.clone(), caller, messages, clock: clock.clone() };
        let sender = Sender::new(ports, Default::default(), "metrics-test".to_owned());
        watch(&metrics, channels, sender.board());

        let audiences = Arc::new(FileAudiences::new(directory.path(), directory.path().join("tmp")));
        std::fs::create_dir_all(directory.path().join("tmp")).unwrap();
        let ports = ExpanderPorts { log: log.clone(), store: store.clone(), audiences, clock: clock.clone() };
        let expander = Expander::new(ports, Default::default());

        let keys = ChannelKeys::new(&provider.app_secret, "");
        let options =
            GatewayOptions { channels: BTreeMap::from([(Channel::Whatsapp, keys)]), ..Default::default() };
        let gateway =
            Gateway { options: Arc::new(options), log: log.clone(), clock: clock.clone(), control: None };
        let measured = GatewayMetrics::new(&metrics, clock);

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let metrics_address = listener.local_addr().unwrap();
        let again = || stopping.clone();
        spawn("completion", completion.run(again()));
        spawn("receipts", receipts.run(again()));
        spawn("webhooks", splitter.run(again()));
        spawn("sender", sender.run(again()));
        spawn("expander", expander.run(again()));
        spawn("gateway", sluice_http::serve_measured(webhooks, gateway, measured, again()));
        spawn("metrics", sluice_http::serve_metrics(listener, metrics, again()));
        tokio::spawn(lag.run(stopping));
        Self { log, metrics_address, _stop: stop, _directory: directory }
    }
}

fn spawn<E: std::fmt::Display + Send + 'static>(
    role: &'static str,
    run: impl Future<Output = Result<(), E>> + Send + 'static,
) {
    tokio::spawn(async move {
        if let Err(error) = run.await {
            panic!("{role} ended: {error}");
        }
    });
}

fn watch(metrics: &Metrics, channels: PageChannels, board: Board) {
    let sample = |(page, status): (PageId, PageStatus)| PageSample {
        page,
        campaigns: status.campaigns,
        granted: status.granted,
        claims: status.claims,
        waits: match (&status.hold, &status.problem) {
            (Some((_, reason)), _) => Some(reason.as_str()),
            (None, Some(_)) => Some("configuration"),
            (None, None) => None,
        },
    };
    metrics.watch_pages(channels, move || board.pages().into_iter().map(sample).collect());
}

/// One page a channel, all at the simulator.
fn pages(provider: &Provider) -> PagesConfig {
    let page = |url: String| PageConfig {
        url: Some(url),
        token: Secret::from("a-token"),
        timeout_ms: 500,
        ..PageConfig::default()
    };
    let mut pages = PagesConfig::default();
    pages.insert(Channel::Whatsapp, "*", page(provider.url.clone()));
    pages.insert(Channel::Http, "*", page(format!("{}/http/shop", provider.url)));
    pages
}

struct Parser;

impl ParseWebhook for Parser {
    fn parse(&self, received: &WebhookReceived) -> Result<ParsedWebhook, String> {
        let parsed = parse(received).map_err(|error| error.to_string())?;
        let facts = parsed.facts.into_iter().map(|fact| WebhookFact {
            target: match fact.target {
                Target::Tag(tag) => WebhookTarget::Tag(tag),
                Target::Message(channel, id) => WebhookTarget::Message(channel, id),
                Target::Person { page, address } => WebhookTarget::Person { page, address },
            },
            fact: fact.fact,
            at_ms: fact.at_ms,
            reason: fact.reason,
            message: fact.message,
            provider_id: fact.provider_id,
        });
        Ok(ParsedWebhook { facts: facts.collect(), suppressions: Vec::new() })
    }
}
