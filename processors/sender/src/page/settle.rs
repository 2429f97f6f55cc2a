//! Comparing claims with what the chunk states show, and what happens to claims nobody can tell the outcome of.

use super::Page;
use super::loading::{self, Seen};
use crate::shard::SenderError;
use sluice_core::chunk_state::entry;
use sluice_core::{CampaignId, ChunkId, ChunkState, IndexSet};
use sluice_runtime::merged::ReceiptsBarrier;
use sluice_runtime::ports::store::Predecessor;
use sluice_schemas::{Fact, ReceiptEntry};
use std::collections::BTreeMap;
use std::time::Duration;
use tracing::info;

/// Longest pause between two looks at a chunk of which nothing new is heard.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Receipts of a former owner's last calls are appended by then.
const LAST_APPEND: Duration = Duration::from_secs(1);

/// The same of one that lives: what it says in the last moments of a timeout may wait for the log, and would make a
/// retry.
const LAST_APPEND_OF_LIVING: Duration = Duration::from_secs(5);

/// Looks of one page under way at once.
const LOOKS_MAX: usize = 8;

/// The end of a look: whose state, and what came of it.
pub(super) type LookEnd = (ChunkId, Result<Seen, SenderError>);

/// A call that a former owner or a provider left open.
#[derive(Debug)]
struct Doubt {
    due: Duration,
    chunk: ChunkId,
    attempt: u8,
    indexes: IndexSet,
}

/// What the former owner of claims may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Former {
    /// Begin calls under its last grant, and hear how they end.
    MayCall,
    /// Hear how calls end that were under way when it handed the page over.
    MayHear,
    /// Nothing.
    IsDone,
}

impl Former {
    fn of(predecessor: Predecessor) -> Self {
        match predecessor {
            Predecessor::MayRun => Self::MayCall,
            Predecessor::HandedOver => Self::MayHear,
            Predecessor::Gone => Self::IsDone,
        }
    }
}

/// Claims of a former owner, until what it reported is merged.
#[derive(Debug)]
struct Inherited {
    /// The former owner's calls have ended and its receipts are in the log.
    complete_at: Duration,
    former: Former,
    /// Ends of the partitions of `receipts` at that time.
    barrier: ReceiptsBarrier,
    claims: Vec<(ChunkId, u8, IndexSet)>,
}

#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Chunks to be looked at: when, and the pause after that.
    looks: BTreeMap<ChunkId, (Duration, Duration)>,
    /// Those under way, and whether a claim was settled since they began: the state may be from before it.
    looking: BTreeMap<ChunkId, bool>,
    doubts: Vec<Doubt>,
    inherited: Vec<Inherited>,
}

impl Settling {
    /// Something new shows already.
    fn look_now(&mut self, chunk: ChunkId, now: Duration) {
        let (due, _) = self.looks.entry(chunk).or_insert((now, Duration::ZERO));
        *due = (*due).min(now);
    }

    /// Something new will show `after` now. A chunk of which only a part shows is looked at less and less often:
    /// each look reads the whole state, and a page reports of one chunk hundreds of times.
    pub(super) fn look(&mut self, chunk: ChunkId, now: Duration, after: Duration) {
        let (due, pause) = self.looks.entry(chunk).or_insert((now + after, after));
        *due = (*due).min(now + (*pause).max(after));
    }

    /// The outcome of a call is unknown; a webhook may settle it until `due`.
    pub(super) fn doubt(&mut self, chunk: ChunkId, attempt: u8, index: u16, due: Duration) {
        match self.doubts.last_mut() {
            Some(last)
                if last.chunk == chunk
                    && last.attempt == attempt
                    && due.saturating_sub(last.due) < Duration::from_secs(1) =>
            {
                last.indexes.insert(index);
            }
            _ => self.doubts.push(Doubt { due, chunk, attempt, indexes: [index].into_iter().collect() }),
        }
    }

    /// Claims that were in the ledger when the page was taken.
    fn inherit(&mut self, claims: Vec<(ChunkId, u8, IndexSet)>, now: Duration, predecessor: Predecessor) {
        for (chunk, ..) in &claims {
            self.look_now(*chunk, now);
        }
        if !claims.is_empty() {
            let former = Former::of(predecessor);
            self.inherited.push(Inherited {
                complete_at: now,
                former,
                barrier: ReceiptsBarrier::default(),
                claims,
            });
        }
    }

    /// When the next look, doubt or inheritance is due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let waits = |chunk: &ChunkId| !self.looking.contains_key(chunk);
        let is_free = self.looking.len() < LOOKS_MAX;
        let looks = self.looks.iter().filter(|(chunk, _)| is_free && waits(chunk)).map(|(_, (due, _))| *due);
        let doubts = self.doubts.iter().map(|doubt| doubt.due);
        looks.chain(doubts).chain(self.inherited.iter().map(|inherited| inherited.complete_at)).min()
    }
}

impl Page {
    pub(super) async fn settle_if_due(&mut self) -> Result<(), SenderError> {
        let now = self.now();
        if self.settling.next_due().is_none_or(|due| due > now) {
            return Ok(());
        }
        self.start_looks(now);
        self.settle_inherited(now).await?;
        self.settle_doubts(now).await
    }

    /// Begins to look at the chunks that are due.
    fn start_looks(&mut self, now: Duration) {
        let settling = &mut self.settling;
        let due = settling.looks.iter().filter(|(_, (due, _))| *due <= now).map(|(chunk, _)| *chunk);
        let free = LOOKS_MAX.saturating_sub(settling.looking.len());
        let due: Vec<ChunkId> =
            due.filter(|chunk| !settling.looking.contains_key(chunk)).take(free).collect();
        for chunk in due {
            settling.looking.insert(chunk, false);
            let state = loading::state(self.context.clone(), chunk);
            self.looks.spawn(async move { (chunk, state.await) });
        }
    }

    /// Settles claims and finishes works by what a chunk state shows.
    pub(super) fn looked(&mut self, (chunk, seen): LookEnd) -> Result<(), SenderError> {
        let now = self.now();
        let is_stale = self.settling.looking.remove(&chunk).unwrap_or(false);
        let state = match seen? {
            Seen::State(state) => state,
            Seen::Away(reason) => {
                self.load_away = Some(reason);
                let again = now + self.ms(self.context.options.again_ms);
                if let Some(look) = self.settling.looks.get_mut(&chunk) {
                    look.0 = look.0.max(again);
                }
                return Ok(());
            }
        };
        self.load_away = None;
        let mut open = self.calling.range((chunk, 0)..=(chunk, u16::MAX)).next().is_some();
        self.settle_claims(chunk, &state);
        open |= self.ownership.as_ref().is_some_and(|ownership| !ownership.body.claimed(chunk).is_empty());
        if is_stale {
            self.settling.look(chunk, now, self.ms(self.context.options.settle_ms));
            return Ok(());
        }
        let busy = self.busy(chunk);
        if let Some(lane) = self.lanes.get_mut(&chunk.campaign()) {
            let (finished, waits) = lane.lane.settle(chunk, &state, &busy);
            finished.iter().for_each(|work| self.shard.finish(&work.records));
            open |= waits;
        }
        let shortest = self.ms(self.context.options.settle_ms);
        match self.settling.looks.get_mut(&chunk) {
            Some(look) if open => {
                let pause = (look.1 * 2).min(LOOK_MAX).max(shortest);
                *look = (now + pause, pause);
            }
            _ => {
                self.settling.looks.remove(&chunk);
            }
        }
        Ok(())
    }

    /// Drops claims whose outcome shows: in memory at once, in the ledger with the next grant, which is
    /// conditional on nobody having taken over.
    pub(super) fn settle_claims(&mut self, chunk: ChunkId, state: &ChunkState) {
        let mut settled = 0;
        if let Some(ownership) = &mut self.ownership {
            settled = ownership.body.settle(chunk, state);
            ownership.claims = ownership.body.len();
        }
        if settled > 0 {
            self.outdate_loads(chunk);
            if let Some(is_stale) = self.settling.looking.get_mut(&chunk) {
                *is_stale = true;
            }
        }
        if let Some(grant) = &mut self.grant {
            grant.body.settle(chunk, state);
        }
    }

    /// A former owner's claims: wait until it can't be calling, then until all it reported is merged. What
    /// shows no outcome even then is in doubt.
    async fn settle_inherited(&mut self, now: Duration) -> Result<(), SenderError> {
        let Some(position) =
            self.settling.inherited.iter().position(|inherited| inherited.complete_at <= now)
        else {
            return Ok(());
        };
        let mut inherited = self.settling.inherited.swap_remove(position);
        if let Some(wait) = self.still_heard_of(inherited.former, &inherited.claims) {
            inherited.former = Former::IsDone;
            inherited.complete_at = now + wait;
            self.settling.inherited.push(inherited);
            return Ok(());
        }
        let log = &*self.context.ports.log;
        let chunks = inherited.claims.iter().map(|(chunk, ..)| *chunk);
        if !inherited.barrier.is_passed(log, chunks).await? {
            inherited.complete_at = now + Duration::from_millis(50);
            self.settling.inherited.push(inherited);
            return Ok(());
        }
        for (chunk, attempt, indexes) in inherited.claims {
            let wait = self.webhooks_wait(chunk).await?;
            for (wait, indexes) in self.waits_left(chunk, attempt, indexes, wait) {
                self.settling.doubts.push(Doubt { due: now + wait, chunk, attempt, indexes });
            }
            self.settling.look_now(chunk, now);
        }
        Ok(())
    }

    /// How long a former owner's calls may still end and be told of; `None`: everything it said is in the log.
    fn still_heard_of(&self, former: Former, claims: &[(ChunkId, u8, IndexSet)]) -> Option<Duration> {
        let beside_timeout = match former {
            // Its grants end, then the calls that began under them, then their receipts are appended.
            Former::MayCall => self.ms(self.context.options.takeover_wait_ms) + LAST_APPEND,
            Former::MayHear => LAST_APPEND_OF_LIVING,
            Former::IsDone => return None,
        };
        Some(self.longest_timeout(claims) + beside_timeout)
    }

    /// Takes over what was claimed and not settled under `predecessor`: until its outcome shows, nobody knows what became
    /// of it.
    pub(super) async fn inherit(
        &mut self,
        claims: Vec<(ChunkId, u8, IndexSet)>,
        now: Duration,
        predecessor: Predecessor,
    ) -> Result<(), SenderError> {
        let heard = self.still_heard_of(Former::of(predecessor), &claims).unwrap_or_default();
        let mut waits: BTreeMap<CampaignId, Duration> = BTreeMap::new();
        for (chunk, attempt, indexes) in &claims {
            let wait = match waits.get(&chunk.campaign()) {
                Some(known) => *known,
                None => heard + self.webhooks_wait(*chunk).await?,
            };
            waits.insert(chunk.campaign(), wait);
            if !wait.is_zero() {
                self.keep_doubt(*chunk, *attempt, indexes, wait);
            }
        }
        self.settling.inherit(claims, now, predecessor);
        Ok(())
    }

    /// What is still claimed and shows no outcome becomes `unresolved`; an outcome of the same attempt that
    /// comes later replaces it.
    async fn settle_doubts(&mut self, now: Duration) -> Result<(), SenderError> {
        let (due, later) =
            std::mem::take(&mut self.settling.doubts).into_iter().partition(|doubt| doubt.due <= now);
        self.settling.doubts = later;
        let due: Vec<Doubt> = due;
        for mut doubt in due {
            let Some(state) = self.chunk_state(doubt.chunk).await? else {
                doubt.due = now + self.ms(self.context.options.again_ms);
                self.settling.doubts.push(doubt);
                continue;
            };
            let open: IndexSet = doubt
                .indexes
                .iter()
                .filter(|&index| !state.recipient(index).is_settled(doubt.attempt))
                .collect();
            if !open.is_empty() {
                info!(page = %self.id, chunk = %doubt.chunk, recipients = open.len(), "outcome unknown");
            }
            let at_ms = self.context.ports.clock.wall_ms();
            for (first, last) in open.ranges() {
                let unresolved = ReceiptEntry {
                    reason: Some("no_answer".to_owned()),
                    ..entry(Fact::Unresolved, first, last, doubt.attempt, at_ms)
                };
                self.report(doubt.chunk, unresolved);
            }
        }
        Ok(())
    }

    fn longest_timeout(&self, claims: &[(ChunkId, u8, IndexSet)]) -> Duration {
        let known = claims.iter().filter_map(|(chunk, ..)| self.lanes.get(&chunk.campaign()));
        let longest = known.map(|state| state.campaign.plan.timeout_ms()).max();
        Duration::from_millis(longest.unwrap_or(self.context.options.drain_ms))
    }
}
