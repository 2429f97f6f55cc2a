//! Claiming sends, by a compare-and-set on the page's ledger, and giving claims back.

use super::{Booked, GrantedSend, Page, Ready};
use crate::shard::SenderError;
use sluice_core::ledger::Scope;
use sluice_core::{CampaignId, ChunkId, IndexSet, LedgerBody};
use sluice_runtime::ports::store::{Fence, Granted, StoreError, StoreResult};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;
use tracing::{debug, warn};

/// A grant that takes longer than this part of its life leaves too little of it to be asked for earlier.
const PATIENCE_PART: u32 = 4;

/// A grant whose answer is awaited.
pub(super) struct PendingGrant {
    pub(super) batch: Vec<(CampaignId, Ready)>,
    /// With the new claims. What is settled or given back meanwhile is taken out here too.
    pub(super) body: LedgerBody,
    /// As it was asked for: a question without an answer is asked again with the same bytes.
    sent: LedgerBody,
    fence: Fence,
    answer: Pin<Box<dyn Future<Output = (Duration, StoreResult<Granted>)> + Send>>,
}

/// The answer of the pending grant: when its compare-and-set was begun, and what came of it.
pub(super) async fn answered(grant: &mut Option<PendingGrant>) -> (Duration, StoreResult<Granted>) {
    match grant {
        Some(grant) => grant.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Page {
    /// Sends that may be granted now, at most. What is granted already counts, as far as it can be called.
    pub(super) fn grantable(&self, now: Duration) -> usize {
        self.grantable_until(now, now + self.ahead())
    }

    /// The same of slots until `until`.
    pub(super) fn grantable_until(&self, now: Duration, until: Duration) -> usize {
        let Some(ownership) = &self.ownership else { return 0 };
        if now < ownership.grants_from || ownership.hold.waits(now).is_some() {
            return 0;
        }
        let options = &self.context.options;
        // What can't be noted is not called: while the log is away, outcomes would be known to this process alone.
        let oldest = self.unacknowledged.values().next();
        let unnoted =
            oldest.is_some_and(|began| now.saturating_sub(*began) > self.ms(options.outcomes_unnoted_ms));
        if unnoted || self.context.ports.log.trouble().is_some() {
            return 0;
        }
        let free = self.in_flight_max().saturating_sub(self.calling.len());
        let ahead_ms = u64::try_from(self.ahead().as_millis()).unwrap_or(u64::MAX);
        let ahead = (self.throughput.in_ms(now, ahead_ms) as usize).max(self.ramp.sends());
        let wanted = if ownership.hold.reason().is_some() { free } else { free.max(ahead) };
        let wanted = wanted.min(options.grant_sends_max);
        let granted = self.granted_callable(now);
        // Ask again before the last is used up, in batches that are worth a write.
        if granted * 2 > wanted {
            return 0;
        }
        let slots = ownership.slots.capacity(now, until);
        let by_slots = usize::try_from(slots).unwrap_or(usize::MAX).saturating_sub(granted);
        let by_day = usize::try_from(self.free_of_day()).unwrap_or(usize::MAX);
        (wanted - granted).min(by_slots).min(by_day)
    }

    /// What can be called next, within all limits.
    fn next_batch(&mut self, now: Duration) -> Vec<(CampaignId, Ready)> {
        if self.lanes.values().all(|state| state.window.is_empty() && state.deferred.is_empty()) {
            self.tokens.forget_more();
            return Vec::new();
        }
        let limit = self.grantable(now);
        if limit == 0 {
            return Vec::new();
        }
        let bytes = self.ownership.as_ref().map_or(0, |ownership| ownership.body.encode().len());
        if bytes > self.context.options.ledger_bytes_max { Vec::new() } else { self.choose(now, limit) }
    }

    /// Claims what can be called next. Where there is nothing, claims that were given back leave the ledger:
    /// whoever reads it (a cancel, the next owner) takes each for a call that may have been made.
    pub(super) fn start_grant(&mut self) {
        if self.grant.is_some() || self.ownership.is_none() || self.look_at_campaigns {
            return;
        }
        let now = self.now();
        self.keep_holds();
        self.keep_pace();
        let mut batch = self.next_batch(now);
        let Some(ownership) = &mut self.ownership else { return };
        if batch.is_empty() && !ownership.is_unwritten {
            return;
        }
        let mut body = ownership.body.clone();
        let mut claims: BTreeMap<(ChunkId, u8), IndexSet> = BTreeMap::new();
        for (_, ready) in &batch {
            claims.entry((ready.chunk, ready.attempt)).or_default().insert(ready.index);
        }
        for ((chunk, attempt), indexes) in &claims {
            if let Err(problem) = body.claim(*chunk, *attempt, indexes) {
                // What is claimed already is not called again; the next look at the chunk state decides.
                warn!(page = %self.id, %problem, "not granted");
                let settle = Duration::from_millis(self.context.options.settle_ms);
                self.settling.look(*chunk, now, settle);
                batch.retain(|(_, ready)| (ready.chunk, ready.attempt) != (*chunk, *attempt));
            }
        }
        if batch.is_empty() && !ownership.is_unwritten {
            return;
        }
        ownership.is_unwritten = false;
        let fence = ownership.fence;
        self.book(&mut body, &mut batch);
        let answer = self.ask(body.clone(), fence, Duration::ZERO);
        self.grant = Some(PendingGrant { batch, sent: body.clone(), body, fence, answer });
    }

    fn ask(
        &self,
        body: LedgerBody,
        fence: Fence,
        pause: Duration,
    ) -> Pin<Box<dyn Future<Output = (Duration, StoreResult<Granted>)> + Send>> {
        let (ports, page) = (self.context.ports.clone(), self.id.clone());
        Box::pin(async move {
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let began = ports.clock.monotonic();
            (began, ports.store.grant(&page, fence, &body).await)
        })
    }

    pub(super) fn granted(&mut self, answer: (Duration, StoreResult<Granted>)) -> Result<(), SenderError> {
        let Some(mut grant) = self.grant.take() else { return Ok(()) };
        let (began, result) = answer;
        match result {
            Ok(Granted::Yes(fence)) => {
                let life = self.ms(self.context.options.grant_life_ms);
                let not_after = began + life;
                self.patience.answered(self.now().saturating_sub(began), life / PATIENCE_PART);
                if let Some(ownership) = &mut self.ownership {
                    ownership.fence = fence;
                    ownership.body = grant.body;
                    ownership.claims = ownership.body.len();
                }
                let (calling, waiting) = (self.calling.len(), self.granted_sends());
                self.ramp.granted(grant.batch.len(), calling, waiting, self.in_flight_max());
                for (id, ready) in grant.batch {
                    match self.lanes.get_mut(&id) {
                        // Asked for again and again while the store was away: whoever opted out meanwhile is not called.
                        Some(_) if !ready.is_fresh(began) => self.not_called(id, ready),
                        Some(state) => state.granted.push_back(GrantedSend { ready, not_after }),
                        // The campaign was cancelled meanwhile: its claims would stay for ever.
                        None => self.not_called(id, ready),
                    }
                }
                if self.stop.is_some() {
                    self.ungrant_all();
                }
            }
            Ok(Granted::No(found)) => {
                self.unload(grant.batch);
                if found.epoch != grant.fence.epoch {
                    debug!(page = %self.id, "page was taken by another owner");
                    self.disown();
                    self.own_again_later(found.epoch);
                } else {
                    // A command: what runs has to be looked at again under the new control.
                    if let Some(ownership) = &mut self.ownership {
                        ownership.fence = found;
                        ownership.is_unwritten = true;
                    }
                    self.look_at_campaigns = true;
                    self.hear_of_command(found.control);
                }
            }
            Err(StoreError::Unavailable(_)) => {
                // Nothing is known: only the same again can settle it.
                grant.answer =
                    self.ask(grant.sent.clone(), grant.fence, self.ms(self.context.options.again_ms));
                self.grant = Some(grant);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Puts sends back that were not claimed after all.
    fn unload(&mut self, batch: Vec<(CampaignId, Ready)>) {
        for (id, ready) in batch.into_iter().rev() {
            if let Some(state) = self.lanes.get_mut(&id) {
                state.window.push_front(ready);
            }
        }
    }

    /// Gives back what is granted and not called.
    pub(super) fn ungrant_all(&mut self) {
        let ids: Vec<CampaignId> = self.lanes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.ungrant(id));
    }

    pub(super) fn ungrant(&mut self, id: CampaignId) {
        let Some(state) = self.lanes.get_mut(&id) else { return };
        let granted: Vec<GrantedSend> = state.granted.drain(..).collect();
        for granted in granted.into_iter().rev() {
            self.not_called(id, granted.ready);
        }
    }

    /// The claim of a send that was certainly not called goes back with the next write; the send waits again.
    /// Under another owner's epoch nothing is ours to give back: that owner decides about the claim.
    pub(super) fn not_called(&mut self, id: CampaignId, mut ready: Ready) {
        if self.has_left() {
            return self.not_called_after_all(&ready);
        }
        let Some(ownership) = &mut self.ownership else { return };
        if !ownership.body.holds(ready.chunk, ready.attempt, ready.index) {
            return;
        }
        let given_back: IndexSet = [ready.index].into_iter().collect();
        ownership.is_unwritten = true;
        let granting = self.grant.as_mut().map(|grant| &mut grant.body);
        for body in [&mut ownership.body].into_iter().chain(granting) {
            body.give_back(ready.chunk, ready.attempt, &given_back);
            let booked = [(Scope::Page, ready.booked.page), (Scope::Campaign(id), ready.booked.campaign)];
            for (scope, bucket) in booked {
                bucket.into_iter().for_each(|bucket| body.unbook(scope, bucket));
            }
        }
        ready.booked = Booked::default();
        if let Some(state) = self.lanes.get_mut(&id) {
            state.window.push_front(ready);
        }
    }
}
