//! When a page goes on by itself.

use super::Page;
use std::time::Duration;

impl Page {
    /// The earliest time at which something has to be done without an event.
    pub(super) fn next_wake(&self) -> Duration {
        let now = self.now();
        let mut wake = now + Duration::from_secs(1);
        let mut at_least = |time: Duration| wake = wake.min(time.max(now));
        self.report_at.into_iter().for_each(&mut at_least);
        Some(self.rest_until).filter(|until| *until > now).into_iter().for_each(&mut at_least);
        // Who has left settles nothing any more: the next owner does.
        self.settling.next_due().filter(|_| !self.has_left()).into_iter().for_each(&mut at_least);
        self.ends_by().into_iter().for_each(&mut at_least);
        self.next_look_at_calls(now).into_iter().for_each(&mut at_least);
        if self.stop.is_none() {
            self.waiting.iter().for_each(|(due, ..)| at_least(*due));
            self.next_grant_or_call().into_iter().for_each(&mut at_least);
            self.next_load().into_iter().for_each(&mut at_least);
            self.next_fresh_look(now).into_iter().for_each(&mut at_least);
            let deferred = self.lanes.values().filter_map(|state| state.deferred.keys().next());
            // One whose time has come goes with the next grant, which is waited for above.
            deferred.filter(|(from, ..)| *from > now).for_each(|(from, ..)| at_least(*from));
            if self.ownership.is_none() && self.own_from > now {
                at_least(self.own_from);
            }
            let wall = self.context.ports.clock.wall_ms();
            let retries = self.lanes.values().filter_map(|state| state.lane.next_retry_ms());
            let turns = self.lanes.values().filter_map(|state| state.campaign.next_turn_ms(wall));
            let later = retries.chain(turns).filter(|at_ms| *at_ms > wall);
            later.for_each(|at_ms| at_least(now + Duration::from_millis(at_ms.abs_diff(wall))));
        }
        wake
    }
}
