//! Taking a page, by a compare-and-set on its ledger, and losing it.

use super::Page;
use super::limits::PageLimits;
use crate::shard::SenderError;
use sluice_core::ledger::Held;
use sluice_core::pace::PageSlots;
use sluice_core::pairs::Pairs;
use sluice_core::partition::murmur2;
use sluice_core::throttle::Hold;
use sluice_core::{ChunkId, IndexSet, LedgerBody};
use sluice_runtime::ports::log::LogError;
use sluice_runtime::ports::store::{Fence, Predecessor, StoreError};
use std::time::Duration;
use tracing::{info, warn};

/// A page that is lost twice within this is wanted by two members.
const LOST_AGAIN: Duration = Duration::from_secs(60);

/// Then it is left to the other one for at least so long, in s: longer than a takeover's wait, so that it gets to call.
const LEAVE_S: u32 = 10;

/// And up to so much longer, in s, so that the two don't come back together.
const LEAVE_SPREAD_S: u32 = 20;

/// What an owner knows about its page.
pub(super) struct Ownership {
    pub(super) fence: Fence,
    /// The ledger as the next write will leave it, new claims aside. The stored one may hold more: claims that
    /// were settled or given back since the last write.
    pub(super) body: LedgerBody,
    /// `body.len()`, kept for the board.
    pub(super) claims: u32,
    /// The stored ledger says something else: claims were given back, a hold began or ended.
    pub(super) is_unwritten: bool,
    /// Monotonic: a former owner may still be calling before this time, buckets are empty then.
    pub(super) grants_from: Duration,
    /// The page's own limits.
    pub(super) limits: PageLimits,
    /// Its rate, and how fast its provider lets it go.
    pub(super) slots: PageSlots,
    pub(super) hold: Hold,
    /// When it was last known that the provider takes calls, or a person said so, or the page was taken, ms since 1970:
    /// refusals of before say nothing about now.
    pub(super) settled_ms: i64,
    /// The holds that `body` has, and when each ends.
    pub(super) kept_holds: Vec<(Held, Duration)>,
}

impl Page {
    /// Takes the page at its first work, or to settle what was claimed for a cancelled campaign, after a fresh
    /// synchronous commit: a former member is refused there and can't steal the page (hazard 6).
    pub(super) async fn own(&mut self) -> Result<(), SenderError> {
        let is_needed = self.has_work() || !self.closing.is_empty();
        if self.ownership.is_some() || !is_needed || self.now() < self.own_from {
            return Ok(());
        }
        match self.shard.commit().await {
            Ok(()) => {}
            Err(LogError::Fenced { .. }) => {
                self.stop_by(self.lost());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let taken = match self.context.ports.store.take(&self.id, &self.context.owner).await {
            Ok(taken) => taken,
            Err(StoreError::Unavailable(reason)) => {
                self.wait_for_store(reason).await;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let now = self.now();
        let options = &self.context.options;
        let wait = match taken.predecessor {
            Predecessor::HandedOver | Predecessor::Gone => Duration::ZERO,
            Predecessor::MayRun => self.ms(options.takeover_wait_ms),
        };
        let limits = self.configured();
        let rate = limits.rate;
        let never_used = taken.fence.epoch <= 1;
        let mut slots = match never_used {
            true => PageSlots::fresh(options.pace, rate),
            false => PageSlots::empty(options.pace, rate, now + wait),
        };
        if let Some(carried) = taken.body.pace() {
            slots.inherit(carried, now + wait, now, self.context.ports.clock.wall_ms());
        }
        info!(page = %self.id, epoch = taken.fence.epoch, claims = taken.body.len(), predecessor = ?taken.predecessor, "page taken");
        for state in self.lanes.values_mut() {
            if let Some(share) = &mut state.campaign.gcra
                && !never_used
            {
                share.reserve(now + wait);
            }
        }
        let inherited: Vec<(ChunkId, u8, IndexSet)> = taken
            .body
            .claims()
            .map(|(chunk, attempt, indexes)| {
                // Calls that this very process still has under way are not inherited.
                let mut others = indexes.clone();
                others.subtract(
                    &self
                        .calling
                        .range((chunk, 0)..=(chunk, u16::MAX))
                        .map(|((_, index), _)| *index)
                        .collect(),
                );
                (chunk, attempt, others)
            })
            .filter(|(.., indexes)| !indexes.is_empty())
            .collect();
        self.ownership = Some(Ownership {
            fence: taken.fence,
            claims: taken.body.len(),
            is_unwritten: false,
            body: taken.body,
            grants_from: now + wait,
            slots,
            limits,
            hold: Hold::default(),
            settled_ms: self.context.ports.clock.wall_ms(),
            kept_holds: Vec::new(),
        });
        self.inherit(inherited, now, taken.predecessor).await?;
        self.inherit_holds();
        // Whom the former owner called a moment ago is not known.
        self.pairs = Pairs::default();
        // The lanes were opened before `control` was read: a command in between would never be heard of (G7).
        self.look_at_campaigns = true;
        // Nothing is granted before the campaigns are read; what there is to be granted is read meanwhile.
        self.start_loads();
        self.look_at_campaigns().await
    }

    /// Who is refused takes the page again at once: the other one may be a former member (hazard 6). Two members that
    /// both have work for the page, as after the partitions were made more, would take it from each other for ever
    /// before one of them may call: who loses it twice in a minute leaves it to the other one for a while.
    pub(super) fn own_again_later(&mut self, epoch: u64) {
        let now = self.now();
        let before = self.lost_at.replace(now);
        if before.is_some_and(|before| now.saturating_sub(before) < LOST_AGAIN) {
            // By chance, and the same for the same run of the simulation.
            let spread = murmur2(format!("{}{epoch}", self.context.owner).as_bytes()) % LEAVE_SPREAD_S;
            self.own_from = now + Duration::from_secs(u64::from(LEAVE_S + spread));
            warn!(page = %self.id, "two members of the group have work for this page and take turns; have all partitions of chunks been added while campaigns were open?");
        }
    }

    /// Forgets all that was decided under this ownership; a later one looks at everything again.
    pub(super) fn disown(&mut self) {
        self.ownership = None;
        self.grant = None;
        self.tokens.forget_more();
        self.freshening = Default::default();
        for state in self.lanes.values_mut() {
            state.granted.clear();
            state.window.clear();
            state.deferred.clear();
            state.loading = None;
            state.lane.restart();
        }
    }
}
