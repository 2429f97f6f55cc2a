//! Templates that the provider does not take at present. Their campaigns wait on this page; the page and all other
//! campaigns go on (G6). When the wait is over, one call alone finds out whether the template is taken again.

use super::Page;
use crate::board::HeldTemplate;
use crate::campaigns::Campaign;
use sluice_core::CampaignId;
use sluice_core::throttle::{Hold, HoldReason, TemplateKey};
use sluice_schemas::Priority;
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::{info, warn};

/// The templates of a page that wait, or are being tried again.
pub(super) type Templates = BTreeMap<TemplateKey, Hold>;

impl Page {
    /// The provider does not take the template of a campaign.
    pub(super) fn hold_template(
        &mut self,
        id: CampaignId,
        reason: HoldReason,
        retry_after: Option<Duration>,
        now: Duration,
    ) {
        let Some(key) = self.lanes.get(&id).map(|state| state.template.clone()) else { return };
        if !self.templates.contains_key(&key) {
            warn!(page = %self.id, template = key.name(), campaign = %id, detail = reason.detail(), "template waits");
        }
        let hold = self.templates.entry(key).or_default();
        hold.refused(&self.context.options.hold, reason, retry_after, now);
    }

    /// The provider refused a message for what its campaign is. When it was so some times in a row, the campaign waits,
    /// whatever others of its template do.
    pub(super) fn campaign_refused(&mut self, id: CampaignId, said: String, now: Duration) {
        let refusals_max = self.context.options.hold.campaign_refusals;
        let Some(state) = self.lanes.get_mut(&id) else { return };
        state.refusals = state.refusals.saturating_add(1);
        let own = TemplateKey::Of(id);
        let is_tried_again = self.templates.contains_key(&own);
        if refusals_max == 0 || state.refusals < refusals_max && !is_tried_again {
            return;
        }
        state.template = own;
        self.hold_template(id, HoldReason::Template(said), None, now);
    }

    /// What holds a campaign that is opened: itself, where that is left of before.
    pub(super) fn template_of(&self, campaign: &Campaign, id: CampaignId) -> TemplateKey {
        let own = TemplateKey::Of(id);
        if self.templates.contains_key(&own) { own } else { TemplateKey::new(campaign.plan.template(), id) }
    }

    /// The provider took or judged a message of a campaign: its template is taken.
    pub(super) fn template_answered(&mut self, id: CampaignId, now: Duration) {
        if let Some(state) = self.lanes.get_mut(&id) {
            state.refusals = 0;
        }
        if self.templates.is_empty() {
            return;
        }
        let Some(key) = self.lanes.get(&id).map(|state| &state.template) else { return };
        if self.templates.get(key).is_some_and(|hold| hold.waits(now).is_none()) {
            info!(page = %self.id, template = key.name(), campaign = %id, "template is taken again");
            self.templates.remove(key);
        }
    }

    /// Whether the template of a campaign waits.
    pub(super) fn template_waits(&self, key: &TemplateKey, now: Duration) -> bool {
        self.templates.get(key).is_some_and(|hold| hold.waits(now).is_some())
    }

    /// Sends of each held template that may be granted: none while it waits, then one alone.
    pub(super) fn room_of_templates(&self, now: Duration) -> BTreeMap<TemplateKey, usize> {
        let room = |(key, hold): (&TemplateKey, &Hold)| {
            let is_tried = hold.waits(now).is_none() && self.outstanding(key) == 0;
            (key.clone(), usize::from(is_tried))
        };
        self.templates.iter().map(room).collect()
    }

    /// Divides the room of each held template among its campaigns, the first that could be granted something first.
    pub(super) fn keep_within_templates(
        &self,
        candidates: &mut [(CampaignId, Priority, usize)],
        mut room: BTreeMap<TemplateKey, usize>,
    ) {
        for (id, _, available) in candidates {
            let Some(state) = self.lanes.get(id) else { continue };
            let Some(left) = room.get_mut(&state.template) else { continue };
            *available = (*available).min(*left);
            *left -= *available;
        }
    }

    /// Granted and called, of one template.
    fn outstanding(&self, key: &TemplateKey) -> usize {
        let of_key = |id: CampaignId| self.lanes.get(&id).is_some_and(|state| state.template == *key);
        let granted = self.lanes.values().filter(|state| state.template == *key);
        let calling = self.calling.keys().filter(|(chunk, _)| of_key(chunk.campaign()));
        granted.map(|state| state.granted.len()).sum::<usize>() + calling.count()
    }

    /// What was granted before the template was refused is given back.
    pub(super) fn ungrant_held_templates(&mut self, now: Duration) {
        if self.templates.is_empty() {
            return;
        }
        let lanes = self.lanes.iter().filter(|(_, state)| !state.granted.is_empty());
        let held = lanes.filter(|(_, state)| self.template_waits(&state.template, now));
        let held: Vec<CampaignId> = held.map(|(id, _)| *id).collect();
        held.into_iter().for_each(|id| self.ungrant(id));
    }

    /// Holds of which no campaign is open any more are forgotten (G9).
    pub(super) fn forget_templates(&mut self) {
        let lanes = &self.lanes;
        self.templates.retain(|key, _| lanes.values().any(|state| state.template == *key));
    }

    /// For the board.
    pub(super) fn held_templates(&self, now: Duration) -> Vec<HeldTemplate> {
        let held = self.templates.iter().filter_map(|(key, hold)| {
            let (until, reason) = hold.waits(now)?;
            let campaigns = self.lanes.iter().filter(|(_, state)| state.template == *key);
            Some(HeldTemplate {
                template: key.name().map(str::to_owned),
                campaigns: campaigns.map(|(id, _)| *id).collect(),
                until,
                reason: reason.clone(),
            })
        });
        held.collect()
    }
}
