//! The end of a page in this process: granting stops, calls under way end, the page is handed over.
//!
//! Pages that go to another process together wait for each other, so a hand-over does not wait for a call that takes
//! long: one without an answer would silence all of them until its time is over. Whoever was called and has no outcome
//! yet stays claimed; the next owner inherits the claim and calls nobody again for it, and this actor stays beside it
//! until it has noted the outcome (G1, G2). It calls nobody any more: calls that could still begin are waited for.

use super::{Calling, Kept, Page, Ready, StopMode};
use crate::shard::SenderError;
use sluice_core::chunk_state::entry;
use sluice_runtime::ports::store::StoreError;
use sluice_schemas::{Fact, ReceiptEntry};
use std::time::Duration;
use tracing::{info, warn};

/// How long a store that is away may hold the end of a page up.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Calls under way have so long to end before the page is handed over without them: nearly all do, and then nothing is
/// left to be inherited. It is silent meanwhile, for less than a second in all.
const CALLS_END: Duration = Duration::from_millis(300);

/// A call that could not begin says so at the latest so long after the end of its grant. Its claim is given back, if the
/// page is still here.
const NOT_CALLED_BY: Duration = Duration::from_millis(250);

/// How often calls that have not begun are looked at.
const LOOK: Duration = Duration::from_millis(20);

/// How far the end of a page is.
#[derive(Debug)]
pub(super) struct Leaving {
    /// When it was told to end.
    since: Option<Duration>,
    /// It is handed over, and stays so long at most for the outcomes of its last calls.
    stays_until: Option<Duration>,
    /// Nobody else may have the page while this is there.
    kept: Option<Kept>,
}

impl Leaving {
    /// Not yet.
    pub(super) fn not_yet(kept: Kept) -> Self {
        Self { since: None, stays_until: None, kept: Some(kept) }
    }
}

impl Page {
    pub(super) fn lost(&self) -> StopMode {
        StopMode::Lost { deadline: self.now() + self.ms(self.context.options.drain_ms) }
    }

    pub(super) fn stop_by(&mut self, mode: StopMode) {
        let now = self.now();
        self.leaving.since.get_or_insert(now);
        self.stop = Some(mode);
        self.ungrant_all();
    }

    /// Whether the page is handed over, and only the outcomes of its last calls are waited for.
    pub(super) fn has_left(&self) -> bool {
        self.leaving.stays_until.is_some()
    }

    /// When a page that was told to end does so at the latest.
    pub(super) fn ends_by(&self) -> Option<Duration> {
        match self.stop {
            Some(StopMode::Drain { deadline } | StopMode::Lost { deadline }) => {
                Some(self.leaving.stays_until.unwrap_or(deadline))
            }
            None => None,
        }
    }

    /// Whether nothing is left to be waited for.
    pub(super) fn is_drained(&self) -> bool {
        let Some(end) = self.ends_by() else { return false };
        let quiet = self.grant.is_none() && self.is_reported() && self.calling.is_empty();
        quiet || self.now() >= end
    }

    /// From when on calls under way are not waited for any more, if they have begun.
    fn leaves_calls_from(&self) -> Option<Duration> {
        let since = self.leaving.since.filter(|_| !self.has_left() && !self.calling.is_empty())?;
        Some(since + CALLS_END)
    }

    /// When it is to be asked again whether the page can be handed over although calls are under way.
    pub(super) fn next_look_at_calls(&self, now: Duration) -> Option<Duration> {
        self.leaves_calls_from().map(|from| if from > now { from } else { now + LOOK })
    }

    /// Whether the page is to be handed over although calls are under way: each of them has begun, or never will. One that
    /// was never made and is given back counts as no attempt; after the hand-over it would. Outcomes that are there
    /// are taken first.
    pub(super) fn leaves_calls(&self) -> bool {
        let now = self.now();
        let is_time = self.leaves_calls_from().is_some_and(|from| from <= now);
        let has_begun = |call: &Calling| call.begun.is_told() || call.not_after + NOT_CALLED_BY <= now;
        is_time && self.grant.is_none() && self.outcomes.1.is_empty() && self.calling.values().all(has_begun)
    }

    /// Hands the page over, and goes on without it until its last calls have their outcomes.
    pub(super) async fn leave_calls(&mut self) -> Result<(), SenderError> {
        self.hand_over(true).await?;
        self.ownership = None;
        let told = self.leaving.since.unwrap_or_else(|| self.now());
        self.leaving.stays_until = Some(told + self.ms(self.context.options.drain_ms));
        self.leaving.kept = None;
        // What the states show concerns the next owner.
        self.settling = Default::default();
        (self.looks, self.loads, self.freshening) = Default::default();
        self.context.board.remove(&self.id);
        Ok(())
    }

    /// Nobody was called, after the page was handed over: a provider that asks to slow down said so late. The next owner
    /// has the claim and can't know that, so it is told as a failure, which is tried again as often as others are.
    pub(super) fn not_called_after_all(&mut self, ready: &Ready) {
        let fact = if self.may_try_again(ready, 0) { Fact::Failed } else { Fact::FailedForGood };
        let at_ms = self.context.ports.clock.wall_ms();
        let failed = ReceiptEntry {
            reason: Some("not_called".to_owned()),
            ..entry(fact, ready.index, ready.index, ready.attempt, at_ms)
        };
        self.report(ready.chunk, failed);
    }

    /// The next owner finds what is still claimed. `stays`: calls under way have begun, and their outcomes are noted
    /// beside it.
    pub(super) async fn hand_over(&mut self, stays: bool) -> Result<(), SenderError> {
        self.keep_holds();
        self.keep_pace();
        let Some(ownership) = &self.ownership else { return Ok(()) };
        // An owner that stays in the ledger makes the next one wait for calls that may still begin.
        // So does one that has not granted yet because its own predecessor may still call (G4).
        let calls = self.calling.len();
        let is_drained = stays || (calls == 0 && self.is_reported());
        if !is_drained {
            warn!(page = %self.id, calls, "calls were still under way at the end of the drain");
        }
        let is_released = is_drained && ownership.grants_from <= self.now();
        if !is_released && !ownership.is_unwritten {
            return Ok(());
        }
        let (fence, body) = (ownership.fence, ownership.body.clone());
        let (store, page) = (self.context.ports.store.clone(), self.id.clone());
        let again = self.ms(self.context.options.again_ms);
        let written = async move {
            loop {
                let written = match is_released {
                    true => store.release(&page, fence, &body).await,
                    // Who was claimed and certainly not called is given back all the same.
                    false => store.grant(&page, fence, &body).await.map(drop),
                };
                match written {
                    Ok(()) => {
                        info!(%page, claims = body.len(), calls, released = is_released, "page handed over");
                        return Ok(());
                    }
                    Err(StoreError::Fenced(_)) => return Ok(()),
                    Err(StoreError::Unavailable(_)) => tokio::time::sleep(again).await,
                    Err(error) => return Err(error.into()),
                }
            }
        };
        // Otherwise the owner stays in the ledger; the next one waits as after a crash.
        tokio::time::timeout(HAND_OVER, written).await.unwrap_or(Ok(()))
    }
}
