//! Every setting with its default. `docs/configuration.md` describes them for people.

use crate::view::numbers::thousands;
use serde::{Deserialize, Serialize};
use sluice_audience::{AudienceError, AudienceOptions};
use sluice_completion::CompletionOptions;
use sluice_core::quota::Quota;
use sluice_core::rate::{PerDay, Rate};
use sluice_expander::ExpanderOptions;
use sluice_log::KafkaOptions;
use sluice_providers::Secret;
use sluice_receipts::{ReceiptOptions, WebhookOptions};
use sluice_registry::RegistryOptions;
use sluice_schemas::Channel;
use sluice_sender::SenderOptions;
use sluice_store::CqlOptions;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `sluice.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where everything is kept; on a cluster only files that are of no use after the process. Default `sluice-data` in the present directory.
    pub data_dir: PathBuf,
    /// What the program says while it works.
    pub log: LogConfig,
    /// Which log and which store.
    pub engines: EnginesConfig,
    /// The log of a cluster.
    pub kafka: KafkaOptions,
    /// The store of a cluster.
    pub cql: CqlOptions,
    /// Schemas of the records, where upstream and downstream systems share them.
    pub registry: RegistryOptions,
    /// The embedded log's topics.
    pub topics: TopicsConfig,
    /// The HTTP port of the service.
    pub gateway: GatewayConfig,
    /// The port of those who watch.
    pub metrics: MetricsConfig,
    /// What all pages of a channel share.
    pub channels: ChannelsConfig,
    /// Single pages, by their id; what is left out comes from the channel.
    pub pages: BTreeMap<String, PageSettings>,
    /// Limits that several pages share, by names of one's own choice.
    pub quotas: BTreeMap<String, Quota>,
    /// The client that calls providers.
    pub calls: CallsConfig,
    /// Where audiences may come from, and how they are read.
    pub audience: AudienceOptions,
    /// Audiences → chunks.
    pub expander: ExpanderOptions,
    /// Chunks → calls.
    pub sender: SenderOptions,
    /// Receipts → states and counters.
    pub receipts: ReceiptOptions,
    /// Webhooks → receipts.
    pub webhooks: WebhookOptions,
    /// States → the end of a campaign.
    pub completion: CompletionOptions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("sluice-data"),
            log: LogConfig::default(),
            engines: EnginesConfig::default(),
            kafka: KafkaOptions::default(),
            cql: CqlOptions::default(),
            registry: RegistryOptions::default(),
            topics: TopicsConfig::default(),
            gateway: GatewayConfig::default(),
            metrics: MetricsConfig::default(),
            channels: ChannelsConfig::default(),
            pages: BTreeMap::new(),
            quotas: BTreeMap::new(),
            calls: CallsConfig::default(),
            audience: AudienceOptions::default(),
            expander: ExpanderOptions::default(),
            sender: SenderOptions::default(),
            receipts: ReceiptOptions::default(),
            webhooks: WebhookOptions::default(),
            completion: CompletionOptions::default(),
        }
    }
}

/// What the program says while it works, on stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or a filter such as `info,sluice_sender=debug`. Default: `info` for
    /// `run`, `warn` for everything else.
    pub level: Option<String>,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Which log and which store. Both are embedded, or both are shared with other processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnginesConfig {
    /// `embedded` or `kafka`. Default `embedded`.
    pub log: LogEngine,
    /// `embedded` or `cql`. Default `embedded`.
    pub store: StoreEngine,
}

impl EnginesConfig {
    /// Whether they are shared with other processes.
    pub fn is_cluster(self) -> bool {
        self.log == LogEngine::Kafka
    }
}

/// Where records are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEngine {
    /// In the data directory.
    #[default]
    Embedded,
    /// On the brokers of `[kafka]`.
    Kafka,
}

/// Where rows are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreEngine {
    /// In the data directory.
    #[default]
    Embedded,
    /// In the database of `[cql]`: ScyllaDB or Cassandra.
    Cql,
}

/// The embedded log's topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// Partitions of `sends`, `chunks`, `receipts` and `webhooks.raw`. May grow, never shrink. Default 4.
    pub partitions: u32,
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self { partitions: 4 }
    }
}

/// The HTTP port: webhooks and the API that the commands use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where `sluice run` listens. Default `127.0.0.1:7400`.
    pub listen: SocketAddr,
    /// Asked of the commands that use the API; empty asks for nothing.
    pub control_token: Secret,
    /// Takes webhooks of channels that have no `app_secret`. For demos and private networks only.
    pub allow_unsigned: bool,
    /// Bytes of a webhook at most. Default 3 MiB.
    pub webhook_bytes_max: usize,
    /// Bytes of webhooks that wait to be stored, at most; further ones come again. Default 64 MiB.
    pub webhooks_unstored_bytes_max: usize,
    /// Bytes of a launch at most. Default 16 MiB.
    pub launch_bytes_max: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let defaults = sluice_http::GatewayOptions::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            control_token: Secret::default(),
            allow_unsigned: defaults.allow_unsigned,
            webhook_bytes_max: defaults.webhook_bytes_max,
            webhooks_unstored_bytes_max: defaults.webhooks_unstored_bytes_max,
            launch_bytes_max: defaults.launch_bytes_max,
        }
    }
}

/// The port of those who watch: Prometheus and health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Whether `sluice run` opens it. Default true.
    pub enabled: bool,
    /// Where. It tells nothing of campaigns or people, and asks for no token. Default `127.0.0.1:7402`.
    pub listen: SocketAddr,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, listen: SocketAddr::from(([127, 0, 0, 1], 7402)) }
    }
}

/// What all pages of a channel share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub struct ChannelsConfig {
    pub whatsapp: ChannelConfig,
    pub messenger: ChannelConfig,
    pub instagram: ChannelConfig,
    pub http: ChannelConfig,
}

impl Default for ChannelsConfig {
    fn default() -> Self {
        let limited = |text: &str| ChannelConfig { rate: text.parse().ok(), ..ChannelConfig::default() };
        Self {
            // What a WhatsApp number may do, and an eighth of what Meta allows a page (300/s): the page's other
            // users need room, too. None has a limit of the day: WhatsApp's counts people and belongs to the whole
            // portfolio, Messenger's grows with the people of the page, and both change by themselves.
            whatsapp: limited("80/s"),
            messenger: limited("40/s"),
            instagram: limited("40/s"),
            http: ChannelConfig::default(),
        }
    }
}

impl ChannelsConfig {
    /// The settings of a channel that has a provider.
    pub fn of(&self, channel: Channel) -> Option<&ChannelConfig> {
        match channel {
            Channel::Whatsapp => Some(&self.whatsapp),
            Channel::Messenger => Some(&self.messenger),
            Channel::Instagram => Some(&self.instagram),
            Channel::Http => Some(&self.http),
            Channel::Sms => None,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(&mut self, channel: Channel) -> Option<&mut ChannelConfig> {
        match channel {
            Channel::Whatsapp => Some(&mut self.whatsapp),
            Channel::Messenger => Some(&mut self.messenger),
            Channel::Instagram => Some(&mut self.instagram),
            Channel::Http => Some(&mut self.http),
            Channel::Sms => None,
        }
    }
}

/// The channels that have a provider.
pub const CHANNELS: [Channel; 4] = [Channel::Whatsapp, Channel::Messenger, Channel::Instagram, Channel::Http];

/// Settings of a channel. What is `None` has the provider's default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelConfig {
    /// Meta's channels: the host. `http`: the complete URL to call.
    pub url: Option<String>,
    /// Version of the Graph API.
    pub version: Option<String>,
    /// The access token, sent as `Authorization: Bearer`.
    pub token: Secret,
    /// Key of webhook signatures.
    pub app_secret: Secret,
    /// What the provider has to show when it registers the webhook.
    pub verify_token: Secret,
    /// What each page of the channel may do at most.
    pub rate: Option<Rate>,
    /// What each page of the channel may do in any 24 hours at most.
    pub daily: Option<PerDay>,
    /// Deadline of a call. Default 10,000, at most 30,000: see `Config::check_timeout`.
    pub timeout_ms: Option<u64>,
    /// Further headers with credentials.
    pub headers: BTreeMap<String, Secret>,
}

/// Settings of one page. What is left out comes from its channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageSettings {
    /// Which channel it is on; left out, it counts for whatever channel asks for it.
    pub channel: Option<Channel>,
    /// See [`ChannelConfig::url`].
    pub url: Option<String>,
    /// See [`ChannelConfig::version`].
    pub version: Option<String>,
    /// See [`ChannelConfig::token`].
    pub token: Secret,
    /// See [`ChannelConfig::rate`].
    pub rate: Option<Rate>,
    /// See [`ChannelConfig::daily`].
    pub daily: Option<PerDay>,
    /// See [`ChannelConfig::timeout_ms`].
    pub timeout_ms: Option<u64>,
    /// See [`ChannelConfig::headers`].
    pub headers: BTreeMap<String, Secret>,
}

/// The client that calls providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallsConfig {
    /// Threads, each with connections of its own. Default 2.
    pub threads: usize,
    /// Connections to one provider at most, per thread. Default 256.
    pub connections_max: usize,
    /// An unused connection is closed after this. Default 4,000.
    pub idle_ms: u64,
    /// A connection may take this long to be made. Default 5,000.
    pub connect_ms_max: u64,
}

impl Default for CallsConfig {
    fn default() -> Self {
        let defaults = sluice_providers::HttpCallerOptions::default();
        Self {
            threads: defaults.threads,
            connections_max: defaults.connections_max,
            idle_ms: defaults.idle_ms,
            connect_ms_max: defaults.connect_ms_max,
        }
    }
}

impl Config {
    /// Checks what types can't say. The message begins with the key.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn validate(&self) -> Result<(), String> {
        if self.data_dir.as_os_str().is_empty() {
            return Err("data_dir is empty".to_owned());
        }
        if self.engines.is_cluster() != (self.engines.store == StoreEngine::Cql) {
            return Err("engines.log and engines.store must be both embedded, or kafka and cql".to_owned());
        }
        if self.engines.is_cluster() {
            self.kafka.validate().map_err(|problem| format!("kafka.{problem}"))?;
            self.cql.validate().map_err(|problem| format!("cql.{problem}"))?;
            self.registry.validate().map_err(|problem| format!("registry.{problem}"))?;
        }
        if self.gateway.webhooks_unstored_bytes_max < self.gateway.webhook_bytes_max.saturating_mul(2) {
            return Err(
                "gateway.webhooks_unstored_bytes_max must be at least twice gateway.webhook_bytes_max"
                    .to_owned(),
            );
        }
        if !(1..=1_024).contains(&self.topics.partitions) {
            return Err(format!("topics.partitions is {}, possible is 1 to 1,024", self.topics.partitions));
        }
        if self.calls.threads == 0 || self.calls.connections_max == 0 {
            return Err("calls.threads and calls.connections_max must be at least 1".to_owned());
        }
        for channel in CHANNELS {
            let Some(settings) = self.channels.of(channel) else { continue };
            check_url(&format!("channels.{channel}.url"), settings.url.as_deref())?;
            self.check_timeout(&format!("channels.{channel}.timeout_ms"), settings.timeout_ms)?;
        }
        for (id, page) in &self.pages {
            check_url(&format!("pages.{id}.url"), page.url.as_deref())?;
            self.check_timeout(&format!("pages.{id}.timeout_ms"), page.timeout_ms)?;
            if page.channel == Some(Channel::Sms) {
                return Err(format!("pages.{id}.channel is sms, which has no provider yet"));
            }
        }
        for (name, quota) in &self.quotas {
            quota.validate().map_err(|problem| format!("quotas.{name}.{problem}"))?;
            self.sender.check_quota(quota).map_err(|problem| format!("{problem} with quotas.{name}"))?;
        }
        self.audience.validate().map_err(|error| match error {
            AudienceError::Option { option, problem } => format!("audience.{option}: {problem}"),
            other => other.to_string(),
        })?;
        self.expander.validate().map_err(|error| match error {
            sluice_expander::ExpanderError::Option { option, problem } => {
                format!("expander.{option}: {problem}")
            }
            other => other.to_string(),
        })?;
        self.sender.validate()?;
        self.receipts.validate()?;
        self.webhooks.validate()?;
        self.completion.validate()
    }

    /// A call has to be over before its recipient can be called again, and while it lasts it holds one of the page's
    /// places and, at a hand-over, its new owner.
    fn check_timeout(&self, key: &str, timeout_ms: Option<u64>) -> Result<(), String> {
        let wait_ms = self.receipts.resend_wait_ms.max(ReceiptOptions::default().resend_wait_ms);
        let max_ms = wait_ms - BESIDE_TIMEOUT_MS;
        match timeout_ms {
            Some(0) => Err(format!("{key} must be at least 1")),
            Some(timeout_ms) if timeout_ms > max_ms => Err(format!(
                "{key} is {}, at most {}: {} ms after a call without an answer its recipient may be called again, and \
                 the call has to be over by then. A slower provider needs receipts.resend_wait_ms raised to {}",
                thousands(timeout_ms),
                thousands(max_ms),
                thousands(wait_ms),
                thousands(timeout_ms.saturating_add(BESIDE_TIMEOUT_MS)),
            )),
            _ => Ok(()),
        }
    }
}

/// What of `receipts.resend_wait_ms` is no call's: a grant's life and a second, and what a network may hold.
const BESIDE_TIMEOUT_MS: u64 = 33_000;

fn check_url(key: &str, url: Option<&str>) -> Result<(), String> {
    match url {
        Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
            Err(format!("{key} is `{url}`, it has to begin with http:// or https://"))
        }
        _ => Ok(()),
    }
}
