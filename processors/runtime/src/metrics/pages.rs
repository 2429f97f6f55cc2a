//! Metrics of pages, as their owners see them.

use super::Metrics;
use super::definition::{Definition, Kind, Label, Labels, Stage};
use super::labels::{CHANNEL, channel_place};
use crate::metered::PageChannels;
use sluice_core::PageId;

/// Why pages wait, in the words of the CLI; the first three are those of
/// [`sluice_core::throttle::HoldReason`] that hold a page as a whole.
pub const WAIT_REASONS: &[&str] =
    &["provider_unreachable", "throttled", "account", "not_configured", "other"];

/// Pages with work.
pub const PAGES: Definition = Definition {
    name: "sluice_pages_active",
    kind: Kind::Gauge,
    unit: "pages",
    stage: Stage::Wait,
    labels: Labels::Each(&[CHANNEL]),
    help: "Pages with work that this process owns or is about to own.",
    look: "How work is spread over processes.",
};

/// Campaigns on them.
pub const LANES: Definition = Definition {
    name: "sluice_page_campaigns_open",
    kind: Kind::Gauge,
    unit: "campaigns",
    stage: Stage::Wait,
    labels: Labels::Each(&[CHANNEL]),
    help: "Open campaigns, counted once for each page that sends them.",
    look: "Campaigns that share a page share its rate.",
};

/// Pages that wait.
pub const WAITING: Definition = Definition {
    name: "sluice_pages_waiting",
    kind: Kind::Gauge,
    unit: "pages",
    stage: Stage::Wait,
    labels: Labels::Each(&[CHANNEL, Label { name: "reason", values: WAIT_REASONS }]),
    help: "Pages that wait because of what their provider answered, or because they are not configured.",
    look: "`throttled` and `provider_unreachable` pass by themselves. `account` and `not_configured` need a person: \
           `sluice campaign status` names the page and what to do.",
};

/// Sends granted.
pub const GRANTED: Definition = Definition {
    name: "sluice_sends_granted",
    kind: Kind::Gauge,
    unit: "sends",
    stage: Stage::Grant,
    labels: Labels::Each(&[CHANNEL]),
    help: "Sends that are granted and not handed to the client yet.",
    look: "What becomes `unknown` when the process dies now, together with the calls in flight.",
};

/// Claims held.
pub const CLAIMS: Definition = Definition {
    name: "sluice_claims_held",
    kind: Kind::Gauge,
    unit: "sends",
    stage: Stage::Grant,
    labels: Labels::Each(&[CHANNEL]),
    help: "Sends that are claimed in page ledgers and whose outcome no stored chunk state shows yet.",
    look: "It falls as receipts are merged. A level that stays: receipts are late, or calls of a former owner wait \
           for a webhook.",
};

/// The metrics of this component.
pub const DEFINITIONS: &[&Definition] = &[&PAGES, &LANES, &WAITING, &GRANTED, &CLAIMS];

/// A page as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageSample {
    /// Which; it is counted under its channel and never exported.
    pub page: PageId,
    /// Campaigns that are open on it.
    pub campaigns: usize,
    /// Sends granted and not called yet.
    pub granted: usize,
    /// Claims whose outcome no chunk state shows yet.
    pub claims: u32,
    /// Why it waits now: one of [`WAIT_REASONS`].
    pub waits: Option<&'static str>,
}

impl Metrics {
    /// Exports what `pages` tells at each scrape; it must not block.
    pub fn watch_pages(&self, channels: PageChannels, pages: impl Fn() -> Vec<PageSample> + Send + 'static) {
        let (active, lanes) = (PAGES.gauges(), LANES.gauges());
        let (waiting, granted, claims) = (WAITING.gauges(), GRANTED.gauges(), CLAIMS.gauges());
        for gauges in [&active, &lanes, &waiting, &granted, &claims] {
            self.register(gauges);
        }
        self.before_scrape(move || {
            let mut sums = [Sums::default(); CHANNEL.values.len()];
            for sample in pages() {
                sums[channel_place(channels.of(&sample.page))].add(&sample);
            }
            for (place, sums) in sums.iter().enumerate() {
                active.at([place]).set(sums.pages as f64);
                lanes.at([place]).set(sums.campaigns as f64);
                granted.at([place]).set(sums.granted as f64);
                claims.at([place]).set(sums.claims as f64);
                for (reason, pages) in sums.waiting.iter().enumerate() {
                    waiting.at([place, reason]).set(*pages as f64);
                }
            }
        });
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    pages: u64,
    campaigns: u64,
    granted: u64,
    claims: u64,
    waiting: [u64; WAIT_REASONS.len()],
}

impl Sums {
    fn add(&mut self, sample: &PageSample) {
        self.pages += 1;
        self.campaigns += sample.campaigns as u64;
        self.granted += sample.granted as u64;
        self.claims += u64::from(sample.claims);
        if let Some(reason) = sample.waits {
            let known = WAIT_REASONS.iter().position(|known| *known == reason);
            self.waiting[known.unwrap_or(WAIT_REASONS.len() - 1)] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::throttle::HoldReason;

    #[test]
    fn every_reason_to_wait_has_its_word() {
        let reasons = [HoldReason::Unreachable, HoldReason::Throttled, HoldReason::Account];
        let words: Vec<&str> = reasons.iter().map(|reason| reason(String::new()).as_str()).collect();
        assert_eq!(words, WAIT_REASONS[..3]);
    }
}
