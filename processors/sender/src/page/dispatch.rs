//! From granted sends to calls at their time.

use super::quotas::TOKENS_AHEAD;
use super::{Calling, GrantedSend, Page, Ready};
use crate::quotas::CallTokens;
use sluice_core::CampaignId;
use sluice_core::gcra::Gcra;
use sluice_core::pairs;
use sluice_runtime::ports::caller::{Begun, Call, Outcomes};
use std::time::Duration;

/// How long outcomes may gather, in ms.
const REST_MS: u64 = 1;

/// How fast a page's calls end, as an average over about a second.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    since: Option<Duration>,
    ended: u64,
    per_ms: f64,
}

impl Throughput {
    /// Calls ended.
    pub(super) fn add(&mut self, now: Duration, count: usize) {
        let since = *self.since.get_or_insert(now);
        self.ended += count as u64;
        let passed = now.saturating_sub(since).as_secs_f64() * 1_000.0;
        if passed >= 20.0 {
            // The weight of this measurement grows with its length.
            let weight = (passed / 200.0).min(1.0);
            self.per_ms += (self.ended as f64 / passed - self.per_ms) * weight;
            self.since = Some(now);
            self.ended = 0;
        }
    }

    /// Calls expected to end in the next `ms`; nothing after a second of silence.
    pub(super) fn in_ms(&self, now: Duration, ms: u64) -> f64 {
        let silent = self.since.is_none_or(|since| now.saturating_sub(since) > Duration::from_secs(1));
        if silent { 0.0 } else { self.per_ms * ms as f64 }
    }
}

impl Page {
    /// One call alone after a refusal: it finds out whether the provider takes calls again.
    pub(super) fn in_flight_max(&self) -> usize {
        match self.ownership.as_ref().and_then(|ownership| ownership.hold.reason()) {
            Some(_) => 1,
            None => self.context.options.in_flight_max,
        }
    }

    /// Hands calls out, each with the slot at which it may start.
    pub(super) fn dispatch(&mut self) {
        let (now, wall) = (self.now(), self.context.ports.clock.wall_ms());
        let Some(ownership) = &self.ownership else { return };
        if ownership.hold.waits(now).is_some() {
            return self.ungrant_all();
        }
        self.ungrant_held_templates(now);
        let horizon = now + self.ms(self.context.options.ahead_ms);
        let mut free = self.in_flight_max().saturating_sub(self.calling.len());
        let ids: Vec<CampaignId> =
            self.lanes.iter().filter(|(_, state)| !state.granted.is_empty()).map(|(id, _)| *id).collect();
        let calls_max = free.min(self.granted_sends());
        let mut begun = Begun::batch(calls_max);
        let mut calls = Vec::with_capacity(calls_max);
        let mut expired: Vec<(CampaignId, Ready)> = Vec::new();
        let mut some = true;
        while some && free > 0 {
            some = false;
            for id in &ids {
                let (Some(state), Some(ownership)) = (self.lanes.get_mut(id), &mut self.ownership) else {
                    continue;
                };
                if free == 0 {
                    break;
                }
                let Some(granted) = state.granted.front() else { continue };
                let (class, not_after) = (granted.ready.class.clone(), granted.not_after);
                // Another campaign's call to the same person may have taken its slot since the grant.
                let pair = state.campaign.gate.rules.pair_rate.map(pairs::interval);
                let pair_free = pair.map_or(now, |interval| self.pairs.free_at(&granted.ready.to, interval));
                let not_after = not_after.min(state.closes(&class, now, wall));
                let slots = &mut ownership.slots;
                let by_campaign = state.campaign.gcra.map_or(now, |gcra| gcra.next());
                let start = slots.next(now).max(by_campaign).max(now);
                let too_late = start >= not_after || pair_free > start;
                if !too_late && start > horizon {
                    continue;
                }
                // Without tokens the campaign waits; others go on (G6).
                let tokens =
                    if too_late { Some(CallTokens::new()) } else { self.tokens.take(&state.quotas, start) };
                let Some(tokens) = tokens else { continue };
                let Some(GrantedSend { ready, .. }) = state.granted.pop_front() else { continue };
                some = true;
                if too_late {
                    expired.push((*id, ready));
                    continue;
                }
                let until = tokens.iter().map(|(_, token)| token.until).min();
                let mut start_by = until.map_or(not_after, |until| until.min(not_after));
                if pair.is_some() {
                    start_by = start_by.min(start + pairs::LATE_MAX);
                }
                let told = self.pairs.called(&ready.to, start);
                slots.reserve(start);
                self.meter.add(start);
                let mut late = slots.tolerance(now).into_iter().chain(self.tokens.late(&state.quotas)).min();
                if let Some(gcra) = &mut state.campaign.gcra {
                    gcra.reserve(start);
                    late = late.into_iter().chain([gcra.tolerance()]).min();
                }
                start_by = late.map_or(start_by, |late| start_by.min(start + late));
                free -= 1;
                let begun = begun.next().unwrap_or_default();
                let outcomes = Outcomes::new(self.outcomes.0.clone(), begun.clone());
                calls.push(Call {
                    send: sluice_core::SendId { chunk: ready.chunk, index: ready.index },
                    attempt: ready.attempt,
                    request: ready.request.clone(),
                    not_before: start,
                    start_by,
                    not_after,
                    outcomes,
                });
                let key = (ready.chunk, ready.index);
                let calling = Calling { slot: start, start_by, not_after, begun, ready, told, tokens };
                self.calling.insert(key, calling);
            }
        }
        for (id, ready) in expired.into_iter().rev() {
            self.not_called(id, ready);
        }
        if !calls.is_empty() {
            self.context.ports.caller.call(calls);
            self.rest(now);
        }
    }

    /// Waking up for every few outcomes took a twentieth of a send's processor time. While at least half of the
    /// calls under way will still be under way a moment later, outcomes may gather: the provider and the slots
    /// have enough to do meanwhile.
    fn rest(&mut self, now: Duration) {
        let end_meanwhile = self.throughput.in_ms(now, REST_MS) as usize;
        if end_meanwhile > 0 && end_meanwhile * 2 <= self.calling.len() {
            self.rest_until = now + self.ms(REST_MS);
        }
    }

    /// When a limit lets the next grant or call through, if that is what is waited for.
    pub(super) fn next_grant_or_call(&self) -> Option<Duration> {
        let ownership = self.ownership.as_ref()?;
        let now = self.now();
        let ahead = self.ms(self.context.options.ahead_ms);
        if now < ownership.grants_from {
            return Some(ownership.grants_from);
        }
        if let Some((until, _)) = ownership.hold.waits(now) {
            return Some(until);
        }
        if self.calling.len() >= self.in_flight_max() {
            return None;
        }
        let (page, far) = (ownership.slots.next(now), self.ahead());
        let after = |next: Duration, granted: usize, per_second: Option<f64>| {
            let apart = per_second.map_or(0.0, |per_second| granted as f64 / per_second.max(1e-3));
            next + Duration::from_secs_f64(apart)
        };
        // What is granted has slots already.
        let grant_from = after(page, self.granted_sends(), ownership.slots.per_second(now));
        let turns = self.lanes.iter().flat_map(|(id, state)| {
            let gcra = state.campaign.gcra;
            let next = gcra.map_or(page, |gcra| gcra.next().max(page));
            let is_granted = !state.granted.is_empty();
            let is_next = state.has_next(now)
                && self.grant.is_none()
                && !self.is_looked_at(*id)
                && self.has_day(*id, state);
            let own = |gcra: Gcra| after(gcra.next(), state.granted.len(), Some(gcra.per_second()));
            let granted = gcra.map_or(grant_from, |gcra| own(gcra).max(grant_from));
            let turns = [is_granted.then_some((next, ahead)), is_next.then_some((granted, far))];
            let turns = turns.into_iter().flatten().filter(|_| !self.template_waits(&state.template, now));
            turns.filter(move |_| next > now).filter_map(move |(slot, ahead)| {
                let has_tokens = self.tokens.has_each(&state.quotas, next);
                let ahead = if has_tokens { ahead } else { ahead + TOKENS_AHEAD };
                match slot.saturating_sub(ahead) {
                    from if from > now => Some(from),
                    // It hears when tokens come.
                    _ if !has_tokens => None,
                    _ => Some(now + Duration::from_millis(1)),
                }
            })
        });
        turns.min()
    }
}
