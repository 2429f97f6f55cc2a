//! From granted sends to calls at their time, and from outcomes to receipts.

use super::quotas::TOKENS_AHEAD;
use super::{Calling, GrantedSend, Page, Ready};
use crate::quotas::CallTokens;
use sluice_core::chunk_state::entry;
use sluice_core::gcra::Gcra;
use sluice_core::pairs;
use sluice_core::throttle::HoldReason;
use sluice_core::{ATTEMPTS_MAX, CampaignId, ChunkId};
use sluice_runtime::ports::caller::{Begun, Call, CallOutcome, CallResult, Failure, Outcomes};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Fact, ReceiptEntry, encode};
use std::time::Duration;
use tracing::{info, warn};

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
    fn add(&mut self, now: Duration, count: usize) {
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

    pub(super) fn take_outcomes(&mut self, outcomes: &mut Vec<CallOutcome>) {
        let now = self.now();
        self.throughput.add(now, outcomes.len());
        for outcome in outcomes.drain(..) {
            let Some(calling) = self.calling.remove(&(outcome.send.chunk, outcome.send.index)) else {
                continue;
            };
            self.take_outcome(outcome, calling, now);
        }
    }

    fn take_outcome(&mut self, outcome: CallOutcome, mut calling: Calling, now: Duration) {
        let CallOutcome { send, attempt, result, used_percent, at_ms } = outcome;
        let tokens = std::mem::take(&mut calling.tokens);
        match result {
            CallResult::NotCalled { .. } => self.tokens.give_back(tokens, now),
            // What has an outcome has started.
            _ => self.tokens.called(tokens, calling.start_by.min(now)),
        }
        let (chunk, index) = (send.chunk, send.index);
        let said = |fact| ReceiptEntry {
            address: calling.ready.by_person.then(|| calling.ready.to.clone()),
            ..entry(fact, index, index, attempt, at_ms)
        };
        if let (Some(percent), Some(ownership)) = (used_percent, &mut self.ownership) {
            ownership.slots.pace_mut().used(percent, now);
        }
        match result {
            CallResult::Accepted { message_id } => {
                self.provider_answered(calling.slot, now);
                self.template_answered(chunk.campaign(), now);
                self.report(chunk, ReceiptEntry { provider_id: message_id, ..said(Fact::Accepted) });
            }
            CallResult::Failed(failure) => {
                self.provider_answered(calling.slot, now);
                match failure.holds_template {
                    true => {
                        let said = format!("{}: {}", failure.code, failure.message);
                        self.hold_template(
                            chunk.campaign(),
                            HoldReason::Template(said),
                            failure.retry_after,
                            now,
                        );
                    }
                    false => self.template_answered(chunk.campaign(), now),
                }
                let retry_after = self.asked_wait(&calling.ready, &failure);
                let fact =
                    if self.may_retry(&calling.ready, &failure) { Fact::Failed } else { Fact::FailedForGood };
                let failed = ReceiptEntry {
                    reason: Some(failure.code.clone()),
                    message: Some(failure.message.clone()),
                    retry_after_ms: retry_after.map(|after| after.as_millis() as i64),
                    ..said(fact)
                };
                self.report(chunk, failed);
                if failure.opted_out {
                    self.report(chunk, ReceiptEntry { reason: Some(failure.code), ..said(Fact::OptedOut) });
                }
            }
            CallResult::Refused { reason: reason @ HoldReason::Template(_), retry_after } => {
                self.provider_answered(calling.slot, now);
                self.hold_template(chunk.campaign(), reason, retry_after, now);
                self.not_called(chunk.campaign(), calling.ready);
            }
            CallResult::Refused { reason, retry_after } => {
                if let (HoldReason::Throttled(_), Some(ownership)) = (&reason, &mut self.ownership) {
                    ownership.slots.pace_mut().throttled(calling.slot, now);
                }
                self.hold(reason, retry_after, now);
                self.not_called(chunk.campaign(), calling.ready);
            }
            CallResult::NotCalled { reason } => {
                self.release_slot(chunk.campaign(), calling.slot);
                if let Some(told) = calling.told {
                    self.pairs.not_called(&calling.ready.to, told);
                }
                if let Some(reason) = reason {
                    self.hold(reason, None, now);
                }
                self.not_called(chunk.campaign(), calling.ready);
            }
            CallResult::Unknown { detail } => {
                if self.settles_by_webhook(chunk) {
                    let wait = self.ms(self.context.options.unresolved_after_ms);
                    self.settling.doubt(chunk, attempt, index, now + wait);
                    self.keep_doubt(chunk, attempt, &[index].into_iter().collect(), wait);
                } else {
                    let reason = Some("no_answer".to_owned());
                    self.report(
                        chunk,
                        ReceiptEntry { reason, message: Some(detail), ..said(Fact::Unresolved) },
                    );
                }
            }
        }
    }

    /// Nobody was called in the slot.
    fn release_slot(&mut self, id: CampaignId, slot: Duration) {
        self.meter.remove(slot);
        if let Some(ownership) = &mut self.ownership {
            ownership.slots.release(slot);
        }
        if let Some(gcra) = self.lanes.get_mut(&id).and_then(|state| state.campaign.gcra.as_mut()) {
            gcra.release(slot);
        }
    }

    /// The call that started at `slot` was answered, whatever became of its message.
    fn provider_answered(&mut self, slot: Duration, now: Duration) {
        let Some(ownership) = &mut self.ownership else { return };
        if ownership.hold.reason().is_some() && ownership.hold.waits(now).is_none() {
            info!(page = %self.id, "provider takes calls again");
        }
        ownership.hold.answered(now);
        ownership.slots.pace_mut().answered(slot, now);
    }

    fn hold(&mut self, reason: HoldReason, retry_after: Option<Duration>, now: Duration) {
        let Some(ownership) = &mut self.ownership else { return };
        let first = ownership.hold.reason().is_none();
        ownership.hold.refused(&self.context.options.hold, reason, retry_after, now);
        if let Some((until, reason)) = ownership.hold.waits(now).filter(|_| first) {
            let wait_ms = until.saturating_sub(now).as_millis() as u64;
            warn!(page = %self.id, reason = reason.as_str(), detail = reason.detail(), wait_ms, "page waits");
        }
    }

    /// How long the provider wants the person left alone.
    fn asked_wait(&self, ready: &Ready, failure: &Failure) -> Option<Duration> {
        let longest = self.ms(self.context.options.growing_wait_ms_max);
        let of_run = ready.attempt.saturating_sub(ready.attempts_before_run);
        failure.retry_after.max(failure.growing_wait.map(|wait| wait.after(of_run, longest)))
    }

    /// Whether another attempt may follow in this run.
    fn may_retry(&self, ready: &Ready, failure: &Failure) -> bool {
        failure.transient && self.may_try_again(ready, failure.attempts_max)
    }

    /// The same, of a failure that may be over the next time. `attempts_max`: what it allows itself, 0: any number.
    pub(super) fn may_try_again(&self, ready: &Ready, attempts_max: u8) -> bool {
        let attempt = ready.attempt;
        let Some(state) = self.lanes.get(&ready.chunk.campaign()) else { return attempt < ATTEMPTS_MAX };
        let of_run = attempt.saturating_sub(ready.attempts_before_run);
        let configured =
            u8::try_from(state.campaign.row.launch.max_retries.clamp(0, 100)).unwrap_or(0).saturating_add(1);
        let allowed = if attempts_max > 0 { attempts_max.min(configured) } else { configured };
        attempt < ATTEMPTS_MAX && of_run < allowed
    }

    /// Whether webhooks may settle calls of a campaign without an answer, as far as the page knows the campaign.
    pub(super) fn known_to_settle_by_webhook(&self, id: CampaignId) -> Option<bool> {
        let lane = self.lanes.get(&id).map(|state| state.campaign.plan.correlation().settles_by_webhook);
        lane.or_else(|| self.closing.get(&id).map(|closing| closing.settles_by_webhook))
    }

    fn settles_by_webhook(&self, chunk: ChunkId) -> bool {
        self.known_to_settle_by_webhook(chunk.campaign()).unwrap_or(true)
    }

    /// Gathers a fact for the next receipt.
    pub(super) fn report(&mut self, chunk: ChunkId, entry: ReceiptEntry) {
        if self.gathered.is_empty() {
            self.report_at = Some(self.now() + self.ms(self.context.options.outcomes_linger_ms));
        }
        self.gathered.push(chunk, entry);
    }

    /// Appends what was gathered, when it is enough or waited long enough.
    pub(super) fn report_if_due(&mut self) {
        let enough = self.gathered.len() >= self.context.options.outcomes_max;
        let due = self.report_at.is_some_and(|at| at <= self.now());
        if self.gathered.is_empty() || !(enough || due || self.stop.is_some()) {
            return;
        }
        self.report_at = None;
        let now = self.now();
        let log = &self.context.ports.log;
        for (chunk, receipt) in self.gathered.take() {
            let record = NewRecord { key: chunk.0.to_vec().into(), value: encode(&receipt).into() };
            let ticket =
                log.append(Topic::Receipts, Partition(u32::from(chunk.receipts_partition())), vec![record]);
            let number = self.appended;
            self.appended += 1;
            self.unacknowledged.insert(number, now);
            self.appends.push(Box::pin(async move { (number, vec![chunk], ticket.await.map(drop)) }));
        }
    }

    /// Receipts of these chunks are durable; their states will show it soon.
    pub(super) fn reported(&mut self, chunks: Vec<ChunkId>) {
        if self.has_left() {
            return;
        }
        let (now, after) = (self.now(), self.ms(self.context.options.settle_ms));
        for chunk in chunks {
            self.settling.look(chunk, now, after);
        }
    }
}
