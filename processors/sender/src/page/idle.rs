//! Campaigns that a page has nothing to do for any more are forgotten, so that memory and the time of a round do
//! not grow with the campaigns that a page has ever sent (G9). Another descriptor opens the campaign again.

use super::Page;
use std::time::Duration;

/// How often lanes without work are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Page {
    /// Forgets lanes without work, as far as their limits forget nothing: a campaign that is opened again may call
    /// at once, so the interval since its last call has to be over (G4).
    pub(super) fn forget_idle_lanes(&mut self) {
        let now = self.now();
        // A grant on its way brings its sends back to their lanes.
        if now < self.idle_look_at || self.grant.is_some() {
            return;
        }
        self.idle_look_at = now + LOOK_EVERY;
        self.forget_templates();
        let calling = &self.calling;
        self.lanes.retain(|id, state| {
            let has_work = state.has_work() || !state.granted.is_empty();
            let waits = state.campaign.gcra.is_some_and(|gcra| gcra.next() > now);
            has_work || waits || calling.keys().any(|(chunk, _)| chunk.campaign() == *id)
        });
    }
}
