//! What a provider tells of the whole page by webhook: it takes the calls, and refuses the account later (B6).
//!
//! Whoever splits the webhooks puts it into the page's shard. It is a hint and no outcome: its recipients have theirs.
//! So one that is lost is replaced by the next failure, one that comes twice is older than what it led to, and whoever
//! does not have the page passes it over.

use super::Page;
use sluice_core::throttle::HoldReason;
use sluice_schemas::PageRefused;
use std::time::Duration;

/// How far the provider's clock may be behind, in ms; webhooks tell whole seconds.
const BEHIND_MS: i64 = 5_000;

impl Page {
    /// Holds the page as an answer to a call would, unless it is known since that the provider takes calls, or a person
    /// said so.
    pub(super) fn told(&mut self, refused: PageRefused) {
        let (now, wall) = (self.now(), self.context.ports.clock.wall_ms());
        let Some(ownership) = &mut self.ownership else { return };
        if refused.at_ms.saturating_add(BEHIND_MS) <= ownership.settled_ms {
            return;
        }
        let reason = match refused.reason.as_str() {
            "account" => HoldReason::Account(refused.detail),
            "throttled" => {
                let ago_ms = wall.saturating_sub(refused.at_ms);
                let ago = Duration::from_millis(u64::try_from(ago_ms).unwrap_or_default());
                ownership.slots.pace_mut().throttled(now.saturating_sub(ago), now);
                HoldReason::Throttled(refused.detail)
            }
            _ => return,
        };
        let wait_ms = refused.wait_ms.and_then(|ms| u64::try_from(ms).ok());
        let retry_after = wait_ms.map(Duration::from_millis);
        let is_news = ownership.hold.told(&self.context.options.hold, reason, retry_after, now);
        self.log_hold(is_news, now);
    }
}
