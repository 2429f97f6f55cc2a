//! Meta's Graph API: which call it is, and whether Meta would take its body.

mod errors;
mod messenger;
mod template;
mod whatsapp;

pub(crate) use errors::{envelope, for_fault, missing_token, throttled, wrong_token};

use crate::call::Call;
use crate::channel::Channel;
use crate::config::SimulatorConfig;

/// Takes `/{version}/{page}/messages` (or `/marketing_messages`) apart; None: not such a path.
pub(crate) fn page_of(path: &str) -> Option<&str> {
    let mut segments = path.strip_prefix('/')?.split('/');
    let (version, page, edge) = (segments.next()?, segments.next()?, segments.next()?);
    let versioned = version.strip_prefix('v').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    let known_edge = matches!(edge, "messages" | "marketing_messages");
    (versioned && known_edge && !page.is_empty() && segments.next().is_none()).then_some(page)
}

/// Reads and validates a body. WhatsApp is told apart by `messaging_product`, Instagram by the page's id.
pub(crate) fn read(config: &SimulatorConfig, page: &str, body: &[u8]) -> Call {
    let instagram = config.instagram_page_prefixes.iter().any(|p| !p.is_empty() && page.starts_with(p));
    let channel = match contains(body, b"\"messaging_product\"") {
        true => Channel::WhatsApp,
        false if instagram => Channel::Instagram,
        false => Channel::Messenger,
    };
    // Serde would take an array for the members in order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Call::unreadable(channel, page, errors::invalid("the body is not a JSON object"));
    }
    match channel {
        Channel::WhatsApp => whatsapp::read(config, page, body),
        _ => messenger::read(channel, page, body),
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
