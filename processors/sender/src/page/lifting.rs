//! A person says that what a page waits for is over: the account is paid for, the template is taken again.
//!
//! Whoever has the command may be another process than the page's owner. So it is a bump of `control` in the page's
//! ledger, like every command; an owner that waits for a person looks at it now and then. Any command to a campaign of
//! the page is such a word, too: it costs one call that may be refused.

use super::Page;
use crate::shard::SenderError;
use sluice_core::throttle::{Hold, HoldReason};
use sluice_runtime::ports::store::StoreError;
use std::time::Duration;
use tracing::info;

/// How often a page that waits for a person looks at its ledger.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a page knows of commands to lift its holds.
#[derive(Debug, Default)]
pub(super) struct Lifting {
    look_at: Duration,
    /// The `control` of the ledger that the present holds have heard of.
    pub(super) control: u64,
}

impl Page {
    /// Ends the waits that a person can end: one call alone, and one of each template, finds out what is so. A provider
    /// that asks for time gets it.
    pub(super) fn lift_holds(&mut self) {
        let (now, wall) = (self.now(), self.context.ports.clock.wall_ms());
        let page = self.ownership.as_mut().map(|ownership| {
            ownership.settled_ms = wall;
            &mut ownership.hold
        });
        let needs_a_person = |hold: &&mut Hold| hold.reason().is_some_and(HoldReason::needs_a_person);
        for hold in page.into_iter().chain(self.templates.values_mut()).filter(needs_a_person) {
            if let Some((_, reason)) = hold.waits(now) {
                info!(page = %self.id, reason = reason.as_str(), detail = reason.detail(), "hold lifted");
            }
            hold.lift(now);
        }
    }

    /// A grant was refused because of a command.
    pub(super) fn hear_of_command(&mut self, control: u64) {
        self.lifting.control = control;
        if self.waits_for_a_person(self.now()) {
            self.lift_holds();
        }
    }

    fn waits_for_a_person(&self, now: Duration) -> bool {
        let waits = |hold: &Hold| hold.waits(now).is_some_and(|(_, reason)| reason.needs_a_person());
        self.ownership.as_ref().is_some_and(|ownership| waits(&ownership.hold))
            || self.templates.values().any(waits)
    }

    /// Hears of commands while only a person can end what the page waits for.
    pub(super) async fn look_for_lift(&mut self) -> Result<(), SenderError> {
        let now = self.now();
        let Some(ownership) = &self.ownership else { return Ok(()) };
        if now < self.lifting.look_at || !self.waits_for_a_person(now) {
            return Ok(());
        }
        let fence = ownership.fence;
        self.lifting.look_at = now + LOOK_EVERY;
        let ledger = match self.context.ports.store.ledger(&self.id).await {
            Ok(Some(ledger)) => ledger,
            Ok(None) | Err(StoreError::Unavailable(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        // Under another owner it is that one's to hear.
        if ledger.fence.epoch == fence.epoch && ledger.fence.control > fence.control.max(self.lifting.control)
        {
            self.lifting.control = ledger.fence.control;
            self.lift_holds();
        }
        Ok(())
    }
}
