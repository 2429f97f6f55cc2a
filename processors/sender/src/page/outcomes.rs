//! What answers of the provider mean: for the recipient, its page, its campaign's template and the limits they used.

use super::{Calling, Page, Ready};
use sluice_core::chunk_state::entry;
use sluice_core::throttle::HoldReason;
use sluice_core::{ATTEMPTS_MAX, CampaignId, ChunkId};
use sluice_runtime::ports::caller::{CallOutcome, CallResult, Concerns, Failure};
use sluice_schemas::{Fact, ReceiptEntry};
use std::time::Duration;
use tracing::{info, warn};

impl Page {
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
                let (id, refusal) = (chunk.campaign(), format!("{}: {}", failure.code, failure.message));
                match failure.concerns {
                    Concerns::Page => {
                        let reason = HoldReason::Throttled(refusal.clone());
                        self.throttled(calling.slot, reason, None, now);
                    }
                    _ => self.provider_answered(calling.slot, now),
                }
                match failure.concerns {
                    Concerns::Recipient | Concerns::Page => self.template_answered(id, now),
                    Concerns::Campaign => self.campaign_refused(id, refusal, now),
                    Concerns::Template => {
                        self.hold_template(id, HoldReason::Template(refusal), failure.retry_after, now);
                    }
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
            CallResult::Refused { reason: reason @ HoldReason::Throttled(_), retry_after } => {
                self.throttled(calling.slot, reason, retry_after, now);
                self.not_called(chunk.campaign(), calling.ready);
            }
            CallResult::Refused { reason, retry_after } => {
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
        let waited = ownership.hold.reason().is_some();
        ownership.hold.answered(&self.context.options.hold, now);
        if waited && ownership.hold.reason().is_none() {
            info!(page = %self.id, "provider takes calls again");
            ownership.settled_ms = self.context.ports.clock.wall_ms();
        }
        ownership.slots.pace_mut().answered(slot, now);
    }

    /// The call that started at `slot` was answered with the wish that the page slows down.
    fn throttled(
        &mut self,
        slot: Duration,
        reason: HoldReason,
        retry_after: Option<Duration>,
        now: Duration,
    ) {
        if let Some(ownership) = &mut self.ownership {
            ownership.slots.pace_mut().throttled(slot, now);
        }
        self.hold(reason, retry_after, now);
    }

    fn hold(&mut self, reason: HoldReason, retry_after: Option<Duration>, now: Duration) {
        let Some(ownership) = &mut self.ownership else { return };
        let is_news = ownership.hold.refused(&self.context.options.hold, reason, retry_after, now);
        self.log_hold(is_news, now);
    }

    pub(super) fn log_hold(&self, is_news: bool, now: Duration) {
        let hold = self.ownership.as_ref().map(|ownership| &ownership.hold).filter(|_| is_news);
        if let Some((until, reason)) = hold.and_then(|hold| hold.waits(now)) {
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
}
