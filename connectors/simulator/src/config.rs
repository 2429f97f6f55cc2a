//! How a simulator is set up at its start.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::channel::Channel;
use crate::faults::Faults;

/// The settings of one simulator. The default listens on a free local port, limits nothing and never fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatorConfig {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The NDJSON log of calls and webhooks, appended to. None: no log.
    pub log: Option<PathBuf>,
    /// What all chance derives from.
    pub seed: u64,
    /// Calls a page takes in any moving second.
    pub rate_limits: RateLimits,
    /// The one valid token. None: any non-empty token for Graph calls, none needed for generic HTTP.
    pub access_token: Option<String>,
    /// The key of the webhook signature (`X-Hub-Signature-256`).
    pub app_secret: String,
    /// What the receiver of webhooks must expect as `hub.verify_token`.
    pub verify_token: String,
    /// Base URL of webhooks, `http` only; `/webhooks/<channel>` is added. None: no webhooks.
    pub webhook_target: Option<String>,
    /// At most this many webhook calls at a time.
    pub webhook_concurrency: usize,
    /// At most this many events in one webhook call (Meta: up to 1,000); generic HTTP always sends one.
    pub webhook_batch_max: usize,
    /// Events of one page wait this many milliseconds for others to share a webhook call.
    pub webhook_linger_ms: u64,
    /// A webhook call that is not answered with 200 is sent this many times in all.
    pub webhook_tries: u32,
    /// Milliseconds before the second try; doubled for each later one.
    pub webhook_backoff_ms: u64,
    /// Page ids that begin with one of these are Instagram accounts (the call looks like Messenger's).
    pub instagram_page_prefixes: Vec<String>,
    /// The approved WhatsApp templates. Empty: every well-formed name and language is approved, any parameters.
    pub templates: Vec<TemplateShape>,
    /// What, besides channel, page and recipient, makes two accepted calls different messages.
    pub scope: ScopeBy,
    /// What goes wrong, and which receipts follow.
    pub faults: Faults,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            log: None,
            seed: 1,
            rate_limits: RateLimits::default(),
            access_token: None,
            app_secret: "simulator-app-secret".to_owned(),
            verify_token: "simulator-verify-token".to_owned(),
            webhook_target: None,
            webhook_concurrency: 16,
            webhook_batch_max: 50,
            webhook_linger_ms: 5,
            webhook_tries: 6,
            webhook_backoff_ms: 100,
            // Instagram's own account ids begin with 17841.
            instagram_page_prefixes: vec!["17841".to_owned(), "ig".to_owned()],
            templates: Vec::new(),
            scope: ScopeBy::Off,
            faults: Faults::default(),
        }
    }
}

/// Calls a second and page, counted over a moving second; None: no limit.
///
/// The documented figures are 80 for a WhatsApp number and 300 for a Messenger or Instagram page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Of one WhatsApp number.
    pub whatsapp: Option<u32>,
    /// Of one Facebook page.
    pub messenger: Option<u32>,
    /// Of one Instagram account.
    pub instagram: Option<u32>,
    /// Of one generic HTTP page.
    pub http: Option<u32>,
}

impl RateLimits {
    /// The limit of one page of `channel`.
    #[must_use]
    pub fn of(&self, channel: Channel) -> Option<u32> {
        match channel {
            Channel::WhatsApp => self.whatsapp,
            Channel::Messenger => self.messenger,
            Channel::Instagram => self.instagram,
            Channel::Http => self.http,
        }
    }
}

/// One approved WhatsApp template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateShape {
    /// Its name.
    pub name: String,
    /// Its language, matched exactly.
    pub language: String,
    /// How many positional parameters its body has; ignored if `named` is not empty.
    #[serde(default)]
    pub body_parameters: usize,
    /// The names of its body's parameters. Empty: they are positional.
    #[serde(default)]
    pub named: Vec<String>,
}

/// What separates one campaign's messages from another's in the count of doubles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeBy {
    /// Nothing: one message a (channel, page, recipient).
    #[default]
    Off,
    /// WhatsApp: the template's name; generic HTTP: the path; Messenger and Instagram: nothing.
    Message,
    /// The tag (`biz_opaque_callback_data` or `Idempotency-Key`) up to its first `:`.
    TagPrefix,
}
