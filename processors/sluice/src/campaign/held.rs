//! What holds a campaign, in one sentence. Pure.

use super::gates::GateLine;
use super::status::{CampaignStatus, PageLine};
use crate::view::moment::when;
use crate::view::numbers::{counted, duration, thousands};
use sluice_core::CampaignState;
use std::time::Duration;

impl CampaignStatus {
    /// What holds the campaign and until when, in one sentence with how far it is; `None`: nothing holds all of it.
    pub fn held(&self, now_ms: i64) -> Option<String> {
        let name = &self.campaign;
        let far = format!("{} of {} done", thousands(self.done()), thousands(self.recipients));
        if let Some(trouble) = &self.trouble {
            return Some(format!("{name} waits: {trouble}; it goes on by itself. {far}."));
        }
        let waits = self.counters.pending;
        let holds_all = |line: &&GateLine| line.holds > 0 && line.holds >= waits;
        // A window or a limit holds nobody who was called already.
        let unanswered = self.gates.iter().filter(|line| line.is_unanswered()).find(holds_all);
        if let Some(line) = unanswered.filter(|_| self.state != CampaignState::Paused) {
            let is_cancelled = self.state == CampaignState::Cancelling;
            let also = if is_cancelled { "is being cancelled and " } else { "" };
            return Some(format!("{name} {also}{}. {far}.", line.waits_for_answers(now_ms)));
        }
        let holding = self.gates.iter().find(holds_all);
        if let Some(line) = holding {
            let until = line.until_ms.map(|until| when(until, line.zone.as_deref(), now_ms));
            return Some(match (line.gate.as_str(), until) {
                ("run state", _) if self.state == CampaignState::Paused => {
                    format!("{name} is paused; to go on: sluice campaign resume {name}. {far}.")
                }
                ("run state", _) => format!("{name} is {}. {far}.", self.state.as_str()),
                ("window", Some(until)) => format!("{name} waits for its window: opens {until}. {far}."),
                (gate, Some(until)) => {
                    let more = line.frees.map_or_else(String::new, |count| {
                        format!(" with {} more", thousands(count.min(waits)))
                    });
                    format!("{name} waits for its {gate} ({}), goes on {until}{more}. {far}.", line.says)
                }
                (gate, None) => format!("{name} waits for its {gate}: {}. {far}.", line.says),
            });
        }
        if let Some(stalled) = &self.stalled {
            let lost = counted(stalled.recipients, "recipient", "recipients");
            return Some(format!("{name} stood still without a reason: {lost} are asked for again. {far}."));
        }
        let pages = self.pages.iter().filter(|page| page.waits.is_some());
        let page = pages.clone().next().filter(|_| pages.count() == self.page_count)?;
        Some(format!("{name} waits for page {}: {}. {far}.", page.page, page.why()?))
    }
}

impl PageLine {
    /// `throttled (429), tried again in 12.0 s`, while it waits.
    pub fn why(&self) -> Option<String> {
        let waits = self.waits.as_ref()?;
        let detail = self.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        let again = self.for_ms.map_or_else(String::new, |ms| {
            format!(", tried again in {}", duration(Duration::from_millis(ms)))
        });
        Some(format!("{waits}{detail}{again}"))
    }

    /// `shop: 3 calls in flight, 40 granted; waits: throttled (429), tried again in 12.0 s`.
    pub fn says(&self) -> String {
        let why = self.why().map_or_else(String::new, |why| format!("; waits: {why}"));
        let calls = counted(self.in_flight as u64, "call", "calls");
        format!("{}: {calls} in flight, {} granted{why}", self.page, self.granted)
    }
}
