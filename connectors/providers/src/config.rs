//! What a page needs besides the launch: where to call, and with which credentials.

use crate::Secret;
use serde::{Deserialize, Serialize};
use sluice_core::rate::{PerDay, Rate};
use sluice_schemas::Channel;
use std::collections::BTreeMap;

/// Host of the Graph API.
pub const GRAPH_URL: &str = "https://graph.facebook.com";
/// Graph API version used unless configured; the newest in October 2026.
pub const GRAPH_VERSION: &str = "v26.0";

/// One sending identity. Its `Debug` and serialised forms show no secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageConfig {
    /// Base URL. WhatsApp, Messenger, Instagram: the Graph host, by default [`GRAPH_URL`]; the path is added.
    /// Generic HTTP: the whole URL that is called; there is no default.
    pub url: Option<String>,
    /// Graph API version, a segment of the path. Default [`GRAPH_VERSION`].
    pub version: String,
    /// Sent as `Authorization: Bearer`. Required by the Graph channels.
    pub token: Secret,
    /// Further headers with credentials; they win over those of a launch.
    pub headers: BTreeMap<String, Secret>,
    /// Deadline of a call in ms, from the first byte written to the last byte read. Default 10,000.
    pub timeout_ms: u64,
    /// The page's own limit, whatever its campaigns ask for: `80/s`, `10/min`. Default: none.
    pub rate: Option<Rate>,
    /// Calls of the page in any 24 hours, whatever its campaigns ask for: `1000/day`. Default: none.
    pub daily: Option<PerDay>,
}

impl Default for PageConfig {
    fn default() -> Self {
        Self {
            url: None,
            version: GRAPH_VERSION.to_owned(),
            token: Secret::default(),
            headers: BTreeMap::new(),
            timeout_ms: 10_000,
            rate: None,
            daily: None,
        }
    }
}

/// The pages of all channels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PagesConfig {
    /// By channel, then by page. The page `*` stands for all that are not named.
    pub channels: BTreeMap<Channel, BTreeMap<String, PageConfig>>,
}

impl PagesConfig {
    /// The configuration of a page: its own, otherwise that of `*`.
    pub fn page(&self, channel: Channel, page: &str) -> Option<&PageConfig> {
        let pages = self.channels.get(&channel)?;
        pages.get(page).or_else(|| pages.get("*"))
    }

    /// Adds or replaces a page; `*` stands for all that are not named.
    pub fn insert(&mut self, channel: Channel, page: &str, config: PageConfig) {
        self.channels.entry(channel).or_default().insert(page.to_owned(), config);
    }
}
