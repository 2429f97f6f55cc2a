//! What the limits of campaigns leave them here, for people: as the same limits keep their next calls.

use super::Page;
use crate::board::CampaignUse;
use sluice_core::pairs;

impl Page {
    /// Of the campaigns that have such limits.
    pub(super) fn uses(&self) -> Vec<CampaignUse> {
        let limited = self.lanes.iter().filter(|(_, state)| {
            state.campaign.gcra.is_some() || state.campaign.gate.rules.pair_rate.is_some()
        });
        let now = self.now();
        let is_unknown = |rate| self.pairs.known_from(pairs::interval(rate)).is_some_and(|from| from > now);
        let of = limited.map(|(id, state)| CampaignUse {
            campaign: *id,
            next_call: state.campaign.gcra.map(|gcra| gcra.next()),
            people: state.deferred.len(),
            next_person: state.deferred.keys().next().map(|(from, ..)| *from),
            people_unknown: state.campaign.gate.rules.pair_rate.is_some_and(is_unknown),
        });
        of.collect()
    }
}
