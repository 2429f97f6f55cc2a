//! What the gates let through: which classes are open, whose turn it is, how much of the day is left.

use super::{LaneState, Page, Ready};
use crate::board::PageDay;
use sluice_core::ledger::Scope;
use sluice_core::pairs::{self, Pairs};
use sluice_core::rate::PerDay;
use sluice_core::{CampaignId, CampaignRow, ChunkId, IndexSet, LedgerBody};
use sluice_schemas::{GateClass, Priority};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tracing::{info, warn};

impl LaneState {
    /// Classes that something waits in and that calls may start in now.
    fn open_classes(&mut self, now_ms: i64) -> Vec<Arc<GateClass>> {
        let waiting: Vec<Arc<GateClass>> = self.lane.classes().cloned().collect();
        waiting.into_iter().filter(|class| self.campaign.verdict(class, now_ms).is_ok()).collect()
    }

    /// The number of the work that is decoded next.
    pub(super) fn next_open(&mut self, now_ms: i64) -> Option<u64> {
        let open = self.open_classes(now_ms);
        let next = self.lane.next(now_ms, |class| open.iter().any(|open| **open == *class));
        next.map(|(number, _)| number)
    }

    /// The monotonic time at which no call of the class may start any more.
    pub(super) fn closes(&mut self, class: &Arc<GateClass>, now: Duration, now_ms: i64) -> Duration {
        match self.campaign.verdict(class, now_ms) {
            Ok(None) => Duration::MAX,
            Ok(Some(closes_ms)) => {
                now + Duration::from_millis(u64::try_from(closes_ms - now_ms).unwrap_or_default())
            }
            Err(_) => Duration::ZERO,
        }
    }

    /// Calls that the campaign's limit of the day leaves on this page; what is granted is booked already.
    fn free_of_day(&self, id: CampaignId, booked: &LedgerBody, booked_at: impl FnOnce() -> i64) -> u64 {
        let Some(cap) = self.campaign.gate.daily else { return u64::MAX };
        booked.free(Scope::Campaign(id), cap, booked_at())
    }

    /// Whether anything is left to be granted.
    pub(super) fn has_work(&self) -> bool {
        !self.lane.is_empty() || !self.window.is_empty() || !self.deferred.is_empty()
    }

    /// Whether somebody could be granted now.
    pub(super) fn has_next(&self, now: Duration) -> bool {
        !self.window.is_empty() || self.deferred.keys().next().is_some_and(|(from, ..)| *from <= now)
    }

    /// People who were called a moment ago make room for others; those whose time has come are next (hazard 31).
    fn defer_pairs(&mut self, pairs: &Pairs, now: Duration) {
        let later = self.deferred.split_off(&(now, ChunkId([u8::MAX; 16]), u16::MAX));
        // Whoever has to be looked at first would hold up those who were looked at, so they go behind them.
        for (_, ready) in std::mem::replace(&mut self.deferred, later) {
            match ready.is_fresh(now) {
                true => self.window.push_front(ready),
                false => self.window.push_back(ready),
            }
        }
        let Some(interval) = self.campaign.gate.rules.pair_rate.map(pairs::interval) else { return };
        for ready in std::mem::take(&mut self.window) {
            let free_at = pairs.free_at(&ready.to, interval);
            if free_at <= now {
                self.window.push_back(ready);
            } else {
                self.deferred.insert((free_at, ready.chunk, ready.index), ready);
            }
        }
    }

    /// What was decoded of classes that have closed waits in the lane again: it would take the place of others.
    fn put_closed_back(&mut self, now_ms: i64) {
        // Sends of one work share their class, and few works are decoded at once.
        let mut classes: Vec<Arc<GateClass>> = Vec::new();
        for ready in &self.window {
            if !classes.iter().any(|class| Arc::ptr_eq(class, &ready.class)) {
                classes.push(ready.class.clone());
            }
        }
        classes.retain(|class| self.campaign.verdict(class, now_ms).is_err());
        if classes.is_empty() {
            return;
        }
        let is_closed = |ready: &Ready| classes.iter().any(|class| Arc::ptr_eq(class, &ready.class));
        let (back, kept): (VecDeque<Ready>, VecDeque<Ready>) =
            std::mem::take(&mut self.window).into_iter().partition(is_closed);
        self.window = kept;
        let mut by_work: BTreeMap<_, IndexSet> = BTreeMap::new();
        for ready in back {
            by_work.entry((ready.chunk, ready.attempt)).or_default().insert(ready.index);
        }
        for ((chunk, attempt), indexes) in by_work {
            self.lane.put_back(chunk, attempt, &indexes);
        }
    }
}

impl Page {
    /// Takes sends from the windows that the gates let through, each campaign within its own limits, and divided
    /// by priority.
    pub(super) fn choose(&mut self, now: Duration, limit: usize) -> Vec<(CampaignId, Ready)> {
        let is_needed = self.lanes.values().any(|state| state.campaign.gate.rules.pair_rate.is_some());
        self.pairs.needed(is_needed, now);
        let room = self.room_of_templates(now);
        let Some(ownership) = &self.ownership else { return Vec::new() };
        let until = now + self.ahead();
        let booked_at = self.booked_at();
        let wall = self.context.ports.clock.wall_ms();
        let mut candidates: Vec<(CampaignId, Priority, usize)> = Vec::new();
        for (id, state) in &mut self.lanes {
            if state.window.is_empty() && state.deferred.is_empty() {
                continue;
            }
            state.defer_pairs(&self.pairs, now);
            state.put_closed_back(wall);
            let by_rate = match &state.campaign.gcra {
                Some(gcra) => (gcra.capacity(now, until) as usize).saturating_sub(state.granted.len()),
                None => usize::MAX,
            };
            let by_day = state.free_of_day(*id, &ownership.body, || booked_at);
            let by_template = room.get(&state.template).map_or(limit, |left| limit.min(*left));
            let most = by_template.min(by_rate).min(usize::try_from(by_day).unwrap_or(usize::MAX));
            let available = state.window.iter().take(most).take_while(|ready| ready.is_fresh(now)).count();
            candidates.push((*id, state.campaign.gate.rules.priority, available));
        }
        self.keep_within_quotas(&mut candidates, limit, now);
        // After them: a template's one call is for a campaign that can make it.
        self.keep_within_templates(&mut candidates, room);
        let mut batch = Vec::new();
        for (id, count) in self.shares.allot(&candidates, limit) {
            if let Some(state) = self.lanes.get_mut(&id) {
                batch.extend(state.window.drain(..count).map(|ready| (id, ready)));
            }
        }
        batch
    }

    /// When calls that are granted now start at the latest: they are booked as of then, so that none of them
    /// leaves the last 24 hours before it is really over (hazard 10).
    fn booked_at(&self) -> i64 {
        let life = i64::try_from(self.context.options.grant_life_ms).unwrap_or(i64::MAX);
        self.context.ports.clock.wall_ms().saturating_add(life)
    }

    /// Calls that the page's limit of the day leaves; what is granted is booked already.
    pub(super) fn free_of_day(&self) -> u64 {
        let Some((ownership, PerDay(cap))) =
            self.ownership.as_ref().and_then(|own| Some((own, own.limits.daily?)))
        else {
            return u64::MAX;
        };
        ownership.body.free(Scope::Page, cap.get(), self.booked_at())
    }

    /// Whether the limits of the day let a campaign call somebody more. Where they don't, nothing is prepared for it: the
    /// page wakes up often enough to see that a quarter of an hour has gone by.
    pub(super) fn has_day(&self, id: CampaignId, state: &LaneState) -> bool {
        let Some(ownership) = &self.ownership else { return false };
        self.free_of_day() > 0 && state.free_of_day(id, &ownership.body, || self.booked_at()) > 0
    }

    /// The page's limit of the day, for people.
    pub(super) fn day(&self) -> Option<PageDay> {
        let ownership = self.ownership.as_ref()?;
        let cap = ownership.limits.daily?;
        let now_ms = self.context.ports.clock.wall_ms();
        let used = ownership.body.used(Scope::Page);
        let is_full = self.free_of_day() == 0;
        Some(PageDay {
            cap,
            used: used.map_or(0, |used| used.used(now_ms)),
            frees_at_ms: used.filter(|_| is_full).and_then(|used| used.frees_at_ms(cap.0.get(), now_ms)),
        })
    }

    /// Books what is granted as use of the day, where there is a limit: of the page, and of campaigns.
    pub(super) fn book(&self, body: &mut LedgerBody, batch: &mut [(CampaignId, Ready)]) {
        let booked_at = self.booked_at();
        if self.ownership.as_ref().is_some_and(|ownership| ownership.limits.daily.is_some())
            && !batch.is_empty()
        {
            let bucket = body.book(Scope::Page, booked_at, u32::try_from(batch.len()).unwrap_or(u32::MAX));
            batch.iter_mut().for_each(|(_, ready)| ready.booked.page = Some(bucket));
        }
        for part in batch.chunk_by_mut(|(left, _), (right, _)| left == right) {
            let Some((id, _)) = part.first() else { continue };
            let is_limited = self.lanes.get(id).is_some_and(|state| state.campaign.gate.daily.is_some());
            let booked = is_limited.then(|| {
                body.book(Scope::Campaign(*id), booked_at, u32::try_from(part.len()).unwrap_or(u32::MAX))
            });
            part.iter_mut().for_each(|(_, ready)| ready.booked.campaign = booked);
        }
    }

    /// Rows that have changed are read again.
    pub(super) fn hear_of_commands(&mut self) {
        let mut open = self.lanes.values();
        self.look_at_campaigns |= open.any(|state| state.watched.moved_since(state.campaign.row.steps));
    }

    /// The campaign goes on as its row says now: under other limits, or paused.
    pub(super) fn renew(&mut self, id: CampaignId, row: Arc<CampaignRow>) {
        let now = self.now();
        let Some(state) = self.lanes.get_mut(&id) else { return };
        if row.steps == state.campaign.row.steps {
            return;
        }
        let name = row.launch.campaign.clone();
        info!(page = %self.id, campaign = %name, state = row.state.as_str(), terms = row.terms_version, "campaign changed");
        let runs = row.state.may_send();
        let former_pair = state.campaign.gate.rules.pair_rate;
        let is_resumed = runs && !state.campaign.row.state.may_send();
        let template = is_resumed.then(|| state.template.clone());
        if let Err(problem) = state.campaign.renew(row, &self.id, now) {
            warn!(page = %self.id, campaign = %name, %problem, "its terms can't be kept; the former ones hold");
        }
        if state.campaign.gate.rules.pair_rate != former_pair {
            // Who waits was put there under the former limit: everybody is looked at again under the new one.
            let deferred = std::mem::take(&mut state.deferred).into_iter();
            state.deferred =
                deferred.map(|((_, chunk, index), ready)| ((now, chunk, index), ready)).collect();
        }
        // One call finds out whether it is taken now.
        if let Some(hold) = template.and_then(|template| self.templates.get_mut(&template)) {
            hold.lift(now);
        }
        if !runs {
            self.ungrant(id);
        }
    }
}
