//! The channels that are simulated.

use serde::{Deserialize, Serialize};

/// A provider's channel, spelled in lowercase in the log and in statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// WhatsApp Cloud API, template sends.
    WhatsApp,
    /// Messenger Send API.
    Messenger,
    /// Instagram messaging, the same call as Messenger's on an Instagram page.
    Instagram,
    /// Any HTTP endpoint that takes one message a call.
    Http,
}

impl Channel {
    /// The name used in paths, the log and statistics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WhatsApp => "whatsapp",
            Self::Messenger => "messenger",
            Self::Instagram => "instagram",
            Self::Http => "http",
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
