//! What the page tells people.

use super::Page;
use crate::board::PageStatus;

impl Page {
    /// The speed that the provider leaves, if it is not all of it; at least 1.
    fn speed_percent(&self) -> Option<u32> {
        let pace = self.ownership.as_ref()?.slots.pace();
        let factor = pace.factor(self.now());
        (factor < 1.0).then(|| ((factor * 100.0) as u32).max(1))
    }

    pub(super) fn show(&self) {
        if self.has_left() {
            return;
        }
        let hold = self.ownership.as_ref().and_then(|ownership| {
            ownership.hold.waits(self.now()).map(|(until, reason)| (until, reason.clone()))
        });
        self.context.board.set(
            &self.id,
            PageStatus {
                in_flight: self.calling.len(),
                granted: self.granted_sends(),
                campaigns: self.lanes.len(),
                claims: self.ownership.as_ref().map_or(0, |ownership| ownership.claims),
                in_doubt: self.ownership.as_ref().map_or(0, |ownership| ownership.body.in_doubt()),
                hold,
                templates: self.held_templates(self.now()),
                calls: self.meter,
                next_call: self.ownership.as_ref().map(|ownership| ownership.slots.next(self.now())),
                speed_percent: self.speed_percent(),
                day: self.day(),
                uses: self.uses(),
                problems: self.problems.clone(),
                waits_for: self
                    .away
                    .as_ref()
                    .or(self.load_away.as_ref())
                    .map(|reason| format!("waiting for the store: {reason}"))
                    .or_else(|| self.tokens.trouble()),
            },
            &self.lifted,
        );
    }
}
