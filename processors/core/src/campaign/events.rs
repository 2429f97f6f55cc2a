//! What downstream systems are told of a campaign.

use super::{CampaignRow, CampaignState};
use crate::counters::Counters;
use sluice_schemas::{CampaignEvent, CampaignEventKind};
use std::collections::BTreeMap;

impl CampaignRow {
    /// What downstream systems are told of the present state.
    pub fn event(&self) -> Option<CampaignEventKind> {
        match (self.state, self.entered.map(|entered| entered.from)) {
            (CampaignState::Running, Some(CampaignState::Paused)) => Some(CampaignEventKind::Resumed),
            // A later run is no other start.
            (CampaignState::Running, _) => (self.run <= 1).then_some(CampaignEventKind::Started),
            (CampaignState::Paused, _) => Some(CampaignEventKind::Paused),
            (CampaignState::Scheduled | CampaignState::Cancelling, _) => None,
            (CampaignState::Completed, _) => Some(CampaignEventKind::Completed),
            (CampaignState::Cancelled, _) => Some(CampaignEventKind::Cancelled),
            (CampaignState::Failed, _) => Some(CampaignEventKind::Failed),
        }
    }

    /// The deterministic id of that event: the same transition, the same id. A campaign is paused and resumed more
    /// than once in a run, so that these name their step.
    pub fn event_id(&self) -> String {
        let step = self.entered.map_or(0, |entered| entered.step);
        match self.event() {
            Some(CampaignEventKind::Paused) => format!("{}-{}-paused-{step}", self.id, self.run),
            Some(CampaignEventKind::Resumed) => format!("{}-{}-resumed-{step}", self.id, self.run),
            _ => format!("{}-{}-{}", self.id, self.run, self.state.as_str()),
        }
    }

    /// The id of the event of its start.
    pub fn start_event_id(&self) -> String {
        format!("{}-1-{}", self.id, CampaignState::Running.as_str())
    }

    /// The event of the present state; `None` where nobody is told of it. `counters`: as they are then; of a campaign
    /// that nobody was counted of yet there are none.
    pub fn to_tell(&self, counters: Option<&Counters>) -> Option<CampaignEvent> {
        let at_ms = self.entered.map_or(self.created_at_ms, |entered| entered.at_ms);
        let count = |(name, count): (&str, u64)| (name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX));
        let counters = counters.into_iter().flat_map(|counters| counters.named()).map(count);
        let told = self.bare_event(self.event_id(), self.event()?, at_ms);
        Some(CampaignEvent { counters: counters.collect(), reason: self.reason.clone(), ..told })
    }

    /// The event of its start, for whoever has to tell of it later.
    pub fn start_to_tell(&self) -> CampaignEvent {
        let at_ms = self.starts_at_ms.max(self.created_at_ms);
        let told = self.bare_event(self.start_event_id(), CampaignEventKind::Started, at_ms);
        CampaignEvent { run: 1, ..told }
    }

    fn bare_event(&self, id: String, kind: CampaignEventKind, at_ms: i64) -> CampaignEvent {
        CampaignEvent {
            id,
            campaign: self.launch.campaign.clone(),
            tenant: self.launch.tenant.clone(),
            kind,
            run: i32::try_from(self.run).unwrap_or(i32::MAX),
            at_ms,
            counters: BTreeMap::new(),
            reason: None,
        }
    }
}
