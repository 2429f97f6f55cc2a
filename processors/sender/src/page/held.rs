//! What waits or is slow because of the provider, kept in the page's ledger: whichever process is asked can tell it, and
//! the next owner goes on where this one stood (B6).

use super::Page;
use sluice_core::ledger::{Held, LedgerHold};
use sluice_core::throttle::{Hold, HoldReason, TemplateKey};
use std::time::Duration;

/// A shorter wait is over before anybody could ask for it, and is not worth a write.
const KEPT_FROM: Duration = Duration::from_secs(5);

/// A clock that is far off makes no page wait longer than this.
const INHERITED_MAX: Duration = Duration::from_secs(86_400);

impl Page {
    /// Brings the ledger's holds up to date, where they have changed; they are written with the next grant.
    pub(super) fn keep_holds(&mut self) {
        let (now, wall) = (self.now(), self.context.ports.clock.wall_ms());
        let Some(ownership) = &self.ownership else { return };
        let known = |what: &Held, until: Duration| ownership.kept_holds.contains(&(what.clone(), until));
        let page = [(Held::Page, &ownership.hold)];
        let templates = self.templates.iter().map(|(key, hold)| (Held::Template(key.clone()), hold));
        let lasting: Vec<(Held, Duration, &Hold)> = page
            .into_iter()
            .chain(templates)
            .filter_map(|(what, hold)| Some((what, hold.until()?, hold)))
            .filter(|(what, until, _)| *until >= now + KEPT_FROM || known(what, *until))
            .collect();
        let kept: Vec<(Held, Duration)> =
            lasting.iter().map(|(what, until, _)| (what.clone(), *until)).collect();
        if kept == ownership.kept_holds {
            return;
        }
        let control = ownership.fence.control.max(self.lifting.control);
        let held = lasting.into_iter().filter_map(|(what, until, hold)| {
            let left_ms = until.saturating_sub(now).as_millis() as i64;
            let (reason, in_a_row) = (hold.reason()?.clone(), hold.in_a_row());
            let (since_ms, until_ms) = (wall, wall + left_ms);
            Some(LedgerHold { what, reason, since_ms, until_ms, in_a_row, control })
        });
        let held = held.collect();
        if let Some(ownership) = &mut self.ownership {
            ownership.body.hold(held);
            ownership.kept_holds = kept;
            ownership.is_unwritten = true;
        }
    }

    /// Brings the ledger's pace up to date. It is written with the next grant; for its own sake only where the page got
    /// slower than whoever reads the ledger would think.
    pub(super) fn keep_pace(&mut self) {
        let (now, wall) = (self.now(), self.context.ports.clock.wall_ms());
        let Some(ownership) = &mut self.ownership else { return };
        let pace = ownership.slots.pace();
        ownership.is_unwritten |= pace.is_slower_than(ownership.body.pace(), now, wall);
        let carried = pace.carried(now, wall);
        ownership.body.go_at(carried);
    }

    /// Goes on waiting for what the former owner waited for, unless a command came since. A process that was started
    /// after an account was refused may have been given other credentials: one call alone finds out.
    pub(super) fn inherit_holds(&mut self) {
        let (now, wall) = (self.now(), self.context.ports.clock.wall_ms());
        let Some(ownership) = &mut self.ownership else { return };
        let control = ownership.fence.control;
        let waits = ownership.body.held().iter().filter(|held| held.waits(control, wall));
        for LedgerHold { what, reason, since_ms, until_ms, in_a_row, .. } in waits {
            let may_be_mended =
                matches!(reason, HoldReason::Account(_)) && *since_ms < self.context.started_ms;
            let left = Duration::from_millis(until_ms.saturating_sub(wall).unsigned_abs());
            let until = now + if may_be_mended { Duration::ZERO } else { left.min(INHERITED_MAX) };
            let hold = Hold::inherited(reason.clone(), until, *in_a_row);
            if left <= INHERITED_MAX {
                // It stands there already, and leaves the ledger when it is over.
                ownership.kept_holds.push((what.clone(), until));
            }
            match what {
                Held::Page => ownership.hold = hold,
                Held::Template(key) => {
                    // Campaigns may be open already.
                    if let TemplateKey::Of(id) = key
                        && let Some(state) = self.lanes.get_mut(id)
                    {
                        state.template = key.clone();
                    }
                    self.templates.entry(key.clone()).or_insert(hold);
                }
            }
        }
    }
}
