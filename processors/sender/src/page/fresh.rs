//! What is granted was looked at a moment ago. A slow page or a long hold keeps decoded sends for minutes; people who
//! opted out and recipients who were settled meanwhile must not be called (A4, G7).
//!
//! The looks go on beside the page, at whoever is next for some time together: calls wait for no answer of the store, and
//! a page under a rate looks about once a second instead of once a call.

use super::loading::{self, skipped};
use super::{LaneState, Page, ReadySend, SharedContext};
use crate::shard::SenderError;
use futures_util::{StreamExt, TryStreamExt, stream};
use sluice_core::{CampaignId, ChunkId, ChunkState, IndexSet};
use sluice_runtime::ports::store::StoreError;
use sluice_schemas::Channel;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::task::JoinSet;

/// How old a look may be when its send is granted. The call follows within the life of the grant.
const FRESH: Duration = Duration::from_secs(2);

/// Whoever may be granted within this is looked at in time: a store that takes as long is not waited for.
const SOON: Duration = Duration::from_millis(500);

/// Then everybody is looked at who may be granted within this, and is fresh as long.
const TOGETHER: Duration = Duration::from_millis(1_500);

/// Whoever is not the very next is asked about no more often: a page at full speed decides a thousand times a second, and
/// its window is long.
const ASKED_EVERY: Duration = Duration::from_millis(50);

/// Looks of one page under way at once: a page of many campaigns does not crowd out the others.
const LOOKS_MAX: usize = 4;

/// Chunk states of one look that are read at once.
const READS_MAX: usize = 8;

impl ReadySend {
    /// Whether it may be granted without another look.
    pub(super) fn is_fresh(&self, now: Duration) -> bool {
        now.saturating_sub(self.looked_at) <= FRESH
    }
}

/// The looks of a page under way.
#[derive(Debug, Default)]
pub(super) struct Freshening {
    pub(super) looks: JoinSet<Result<Look, SenderError>>,
    /// Whose they are.
    campaigns: BTreeSet<CampaignId>,
    /// Whose turn it was last: after it the others come first.
    last: Option<CampaignId>,
    /// None is begun before: the store gave no answer.
    from: Duration,
    /// Whole windows are not gone through before.
    asked_from: Duration,
}

/// A look that has ended.
#[derive(Debug)]
pub(super) struct Look {
    campaign: CampaignId,
    began: Duration,
    /// `Err`: the store gave no answer.
    found: Result<Found, String>,
}

/// What a look found.
#[derive(Debug)]
struct Found {
    /// Whom it was at, and whether they want no messages.
    people: BTreeMap<(ChunkId, u16), bool>,
    /// As they were when it began or later.
    states: BTreeMap<ChunkId, ChunkState>,
}

/// Whom a look is at.
struct Asked {
    campaign: CampaignId,
    tenant: String,
    channel: Channel,
    people: Vec<((ChunkId, u16), String)>,
}

impl Asked {
    async fn look(self, context: SharedContext) -> Result<Look, SenderError> {
        let (campaign, began) = (self.campaign, context.ports.clock.monotonic());
        let found = match self.find(&context).await {
            Ok(found) => Ok(found),
            Err(StoreError::Unavailable(reason)) => Err(reason),
            Err(error) => return Err(error.into()),
        };
        Ok(Look { campaign, began, found })
    }

    async fn find(self, context: &SharedContext) -> Result<Found, StoreError> {
        let store = &context.ports.store;
        let addresses: Vec<&str> = self.people.iter().map(|(_, address)| address.as_str()).collect();
        let chunks: BTreeSet<ChunkId> = self.people.iter().map(|((chunk, _), _)| *chunk).collect();
        let load =
            async |chunk: ChunkId| Ok::<_, StoreError>((chunk, loading::stored(&**store, chunk).await?));
        let states = stream::iter(chunks).map(load).buffer_unordered(READS_MAX).try_collect();
        let suppressed = store.suppressed(&self.tenant, self.channel, &addresses);
        let (suppressed, states) = tokio::try_join!(suppressed, states)?;
        let people = self.people.into_iter().map(|(send, _)| send).zip(suppressed);
        Ok(Found { people: people.collect(), states })
    }
}

impl Page {
    /// Begins to look at those who would be granted soon, where the last look would be too long ago then.
    pub(super) fn start_fresh_looks(&mut self) {
        let now = self.now();
        if now < self.freshening.from {
            return;
        }
        let ahead = self.ahead();
        let soon = self.grantable_until(now, now + ahead + SOON);
        if soon == 0 {
            return;
        }
        let asks_all = now >= self.freshening.asked_from;
        if asks_all {
            self.freshening.asked_from = now + ASKED_EVERY;
        }
        let until = now + ahead + TOGETHER;
        let (before, after): (Vec<CampaignId>, Vec<CampaignId>) =
            self.lanes.keys().partition(|id| self.freshening.last.is_some_and(|last| **id <= last));
        for id in after.into_iter().chain(before) {
            if self.freshening.looks.len() >= LOOKS_MAX {
                return;
            }
            let Some(state) = self.lanes.get(&id) else { continue };
            let asked = if asks_all { soon } else { 1 };
            if !self.wants_look(id, state, asked, now) {
                continue;
            }
            let own = state.campaign.gcra.map_or(u64::MAX, |gcra| gcra.capacity(now, until));
            let own = usize::try_from(own).unwrap_or(usize::MAX);
            let together = self.grantable_until(now, until).min(own);
            if together == 0 {
                continue;
            }
            let next = state.window.iter().take(together);
            let stale = next.filter(|ready| !ready.is_fresh(now + TOGETHER));
            let launch = &state.campaign.row.launch;
            let asked = Asked {
                campaign: id,
                tenant: launch.tenant.clone(),
                channel: launch.channel,
                people: stale.map(|ready| ((ready.chunk, ready.index), ready.to.clone())).collect(),
            };
            self.freshening.campaigns.insert(id);
            self.freshening.last = Some(id);
            self.freshening.looks.spawn(asked.look(self.context.clone()));
        }
    }

    /// Who was found to want no messages, or to be settled, waits no longer; the others may be granted.
    pub(super) fn freshened(&mut self, look: Result<Look, SenderError>) -> Result<(), SenderError> {
        let Look { campaign, began, found } = look?;
        let now = self.now();
        self.freshening.campaigns.remove(&campaign);
        let found = match found {
            Ok(found) => found,
            Err(reason) => {
                self.freshening.from = now + self.ms(self.context.options.again_ms);
                self.load_away = Some(reason);
                return Ok(());
            }
        };
        self.load_away = None;
        let settle = self.ms(self.context.options.settle_ms);
        let Some(state) = self.lanes.get_mut(&campaign) else { return Ok(()) };
        let mut reports = Vec::new();
        // A replica may show the state from before the failure that another attempt follows. Whether that is to be made is
        // asked again when it is decoded again.
        let mut again: BTreeMap<(ChunkId, u8), IndexSet> = BTreeMap::new();
        let settling = &mut self.settling;
        state.window.retain_mut(|ready| {
            let Some(is_suppressed) = found.people.get(&(ready.chunk, ready.index)) else { return true };
            if *is_suppressed {
                reports.push((ready.chunk, ready.index));
                return false;
            }
            let known = found.states.get(&ready.chunk);
            if known.is_some_and(|known| !known.recipient(ready.index).may_attempt(ready.attempt)) {
                settling.look(ready.chunk, now, settle);
                if ready.attempt > 1 {
                    again.entry((ready.chunk, ready.attempt)).or_default().insert(ready.index);
                }
                return false;
            }
            ready.looked_at = ready.looked_at.max(began);
            true
        });
        for ((chunk, attempt), indexes) in again {
            state.lane.put_back(chunk, attempt, &indexes);
        }
        let now_ms = self.context.ports.clock.wall_ms();
        for (chunk, index) in reports {
            self.report(chunk, skipped(index, now_ms));
        }
        Ok(())
    }

    /// Whether those of a campaign who are next are being looked at.
    pub(super) fn is_looked_at(&self, campaign: CampaignId) -> bool {
        self.freshening.campaigns.contains(&campaign)
    }

    /// Whether one of the next `count` of a campaign would not be fresh soon, and nobody looks yet.
    fn wants_look(&self, id: CampaignId, state: &LaneState, count: usize, now: Duration) -> bool {
        !self.is_looked_at(id)
            && !self.template_waits(&state.template, now)
            && self.has_day(id, state)
            && state.window.iter().take(count).any(|ready| !ready.is_fresh(now + SOON))
    }

    /// When somebody has to be looked at again: a moment from now where somebody came back to the window.
    pub(super) fn next_fresh_look(&self, now: Duration) -> Option<Duration> {
        let slot = self.ownership.as_ref()?.slots.next(now);
        if !self.lanes.values().any(|state| !state.window.is_empty()) {
            return None;
        }
        let next = slot.saturating_sub(self.ahead() + SOON).max(self.freshening.from);
        if next > now {
            return Some(next);
        }
        let is_due = |id: &CampaignId, state: &LaneState| {
            let has_slot = || state.campaign.gcra.is_none_or(|gcra| gcra.capacity(now, now + SOON) > 0);
            self.wants_look(*id, state, 1, now) && has_slot()
        };
        let begins = self.freshening.looks.len() < LOOKS_MAX
            && self.lanes.iter().any(|(id, state)| is_due(id, state))
            && self.grantable_until(now, now + self.ahead() + SOON) > 0;
        begins.then_some(now + Duration::from_millis(1))
    }

    /// The store gave no answer: says so, and waits a moment.
    pub(super) async fn wait_for_store(&mut self, reason: String) {
        self.away = Some(reason);
        self.show();
        tokio::time::sleep(self.ms(self.context.options.again_ms)).await;
    }
}
