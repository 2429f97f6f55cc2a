//! Limits above pages, as this process keeps them: the tokens that it has leased, for its pages.
//!
//! Guarantee: a call under a quota has a token of it, which was leased durably and is not older than its life when the
//! call starts (G4). Nobody waits here: a page says what it could use, goes on with what else it has to do, and hears
//! when tokens have come (G6).
//!
//! A quota that changes is replaced by one of the same name: what is booked in its row counts on, and each limit is kept
//! from then on. The former one stays until nobody has tokens of it, and gives back those that were not called.
//!
//! - [`Quotas`]: all of a process; [`User`]: one page's part of them.
//! - [`leasing`]: the task of each quota that leases while somebody wants tokens.

pub(crate) mod leasing;

use sluice_core::PageId;
use sluice_core::quota::{Lease, Quota, Token, Tokens};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// The place of a quota among those that a [`User`] knows.
pub(crate) type QuotaPlace = usize;

/// The tokens of one call: one of each quota that it is under.
pub(crate) type CallTokens = Vec<(Arc<Pool>, Token)>;

/// All quotas of a process.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    known: Mutex<Known>,
    /// Of users and of pools, each once.
    numbers: AtomicU64,
    /// Some are new, or the end has come.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    kept: Arc<[Arc<Pool>]>,
    /// Replaced ones; gone when their tasks have ended.
    replaced: Vec<Weak<Pool>>,
    is_ending: bool,
}

/// One quota in this process.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Tells it from others of its name.
    number: u64,
    name: String,
    quota: Quota,
    state: Mutex<State>,
    /// Somebody wants more, or it is not kept any more.
    changed: Notify,
}

/// How long a pool goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Kept,
    /// Until nobody has tokens of it.
    Replaced,
    /// Until what is unused has been given back.
    Ending,
}

#[derive(Debug)]
struct State {
    tokens: Tokens,
    /// How users hear of their tokens.
    told: BTreeMap<u64, Arc<Notify>>,
    /// Why nothing can be leased: the store gives no answer.
    trouble: Option<String>,
    /// Nothing is free until then, which is longer than tokens live, as the last look showed. Monotonic.
    dry_until: Duration,
    stage: Stage,
}

impl Quotas {
    pub(crate) fn new(quotas: &BTreeMap<String, Quota>) -> Self {
        let new = Self::default();
        new.replace(quotas);
        new
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// From now on these are kept. Those that are the same stay; of the others nothing more is leased, and what of their
    /// tokens nobody uses is given back.
    pub(crate) fn replace(&self, quotas: &BTreeMap<String, Quota>) {
        let mut known = self.known();
        if known.is_ending {
            return;
        }
        let is_same = |pool: &&Arc<Pool>| quotas.get(&pool.name) == Some(&pool.quota);
        let (same, gone): (Vec<_>, Vec<_>) = known.kept.iter().cloned().partition(|pool| is_same(&pool));
        let pool = |(name, quota): (&String, &Quota)| {
            let same = same.iter().find(|pool| pool.name == *name).cloned();
            same.unwrap_or_else(|| Arc::new(Pool::new(self.number(), name, quota)))
        };
        known.kept = quotas.iter().map(pool).collect();
        known.replaced.retain(|pool| pool.strong_count() > 0);
        known.replaced.extend(gone.iter().map(Arc::downgrade));
        drop(known);
        gone.iter().for_each(|pool| pool.enter(Stage::Replaced));
        self.changed.notify_one();
    }

    /// A page's part.
    pub(crate) fn user(self: &Arc<Self>) -> User {
        let number = self.number();
        let told = Arc::default();
        let mut user = User { quotas: self.clone(), pools: Arc::default(), number, told, wanted: Vec::new() };
        user.renew();
        user
    }

    fn kept(&self) -> Arc<[Arc<Pool>]> {
        self.known().kept.clone()
    }

    /// Resolves when some are new, or when the end has come.
    async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Nothing is leased any more: what is not used is given back once more, then the tasks end.
    pub(crate) fn end(&self) {
        let mut known = self.known();
        known.is_ending = true;
        let replaced: Vec<Arc<Pool>> = known.replaced.iter().filter_map(Weak::upgrade).collect();
        known.kept.iter().chain(&replaced).for_each(|pool| pool.enter(Stage::Ending));
        drop(known);
        self.changed.notify_one();
    }

    fn is_ending(&self) -> bool {
        self.known().is_ending
    }
}

impl Pool {
    fn new(number: u64, name: &str, quota: &Quota) -> Self {
        let state = State {
            tokens: Tokens::new(quota),
            told: BTreeMap::new(),
            trouble: None,
            dry_until: Duration::ZERO,
            stage: Stage::Kept,
        };
        let (name, state) = (name.to_owned(), Mutex::new(state));
        Self { number, name, quota: quota.clone(), state, changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, stage: Stage) {
        self.state().stage = stage;
        self.changed.notify_one();
    }

    /// A user wants no more of it, and has none of it.
    fn lose(&self, user: u64) {
        let mut state = self.state();
        state.tokens.leave(user);
        state.told.remove(&user);
        drop(state);
        self.changed.notify_one();
    }

    fn leased(&self, lease: &Lease, begun: Duration, now: Duration) {
        let mut state = self.state();
        let State { tokens, told, .. } = &mut *state;
        tokens.leave_to_others(lease.left, now);
        for user in tokens.allot(lease.booking, begun, lease.count, now) {
            told.get(&user).into_iter().for_each(|told| told.notify_one());
        }
        state.dry_until = Duration::ZERO;
        let (took, life) = (now.saturating_sub(begun), self.quota.life());
        // A token that is nearly over when it comes is good for no call.
        state.trouble = (took >= life * 9 / 10).then(|| {
            let (took, life) = (took.as_millis(), life.as_millis());
            format!("the store took {took} ms for a lease, whose tokens are good for {life} ms")
        });
    }
}

/// One page's part of the quotas. Dropped, it wants nothing, and what it has is given back.
#[derive(Debug)]
pub(crate) struct User {
    quotas: Arc<Quotas>,
    /// As they were at the last [`User::renew`]: places mean the same until then.
    pools: Arc<[Arc<Pool>]>,
    number: u64,
    told: Arc<Notify>,
    /// What it said last, of each quota.
    wanted: Vec<u32>,
}

impl User {
    /// Learns of quotas that are new or gone: places mean others from now on.
    pub(crate) fn renew(&mut self) {
        let before = std::mem::replace(&mut self.pools, self.quotas.kept());
        let is_kept = |pool: &Arc<Pool>| self.pools.iter().any(|kept| Arc::ptr_eq(kept, pool));
        before.iter().filter(|pool| !is_kept(pool)).for_each(|pool| pool.lose(self.number));
        let wanted = |pool: &Arc<Pool>| {
            before.iter().position(|former| Arc::ptr_eq(former, pool)).map_or(0, |place| self.wanted[place])
        };
        self.wanted = self.pools.iter().map(wanted).collect();
    }

    /// Of how many quotas it could want tokens.
    pub(crate) fn quotas(&self) -> usize {
        self.pools.len()
    }

    /// Those that a call of a campaign of `tenant` from `page` is under.
    pub(crate) fn of(&self, page: &PageId, tenant: &str) -> Vec<QuotaPlace> {
        let covers = |pool: &Pool| pool.quota.covers(page.as_str(), tenant);
        self.pools.iter().enumerate().filter(|(_, pool)| covers(pool)).map(|(place, _)| place).collect()
    }

    fn pool(&self, place: QuotaPlace) -> Option<&Arc<Pool>> {
        self.pools.get(place)
    }

    /// Resolves when tokens have come.
    pub(crate) async fn tokens_came(&self) {
        self.told.notified().await;
    }

    /// Of each quota: so many calls could be made within a moment, those with tokens included. Who wants as many as
    /// before lacks some too, once it has used tokens: nobody else would say so while they live.
    pub(crate) fn want(&mut self, wanted: Vec<u32>, now: Duration) {
        for (place, (pool, count)) in self.pools.iter().zip(&wanted).enumerate() {
            if *count == 0 && self.wanted[place] == 0 {
                continue;
            }
            let mut state = pool.state();
            if self.wanted[place] != *count {
                state.told.entry(self.number).or_insert_with(|| self.told.clone());
                state.tokens.want(self.number, *count);
            }
            let lacks = state.tokens.lacks(self.number, now);
            drop(state);
            if lacks {
                pool.changed.notify_one();
            }
        }
        self.wanted = wanted;
    }

    /// Tokens of a quota that a call at `start` could use.
    pub(crate) fn available(&self, place: QuotaPlace, start: Duration) -> usize {
        let pool = self.pool(place);
        pool.map_or(0, |pool| pool.state().tokens.available(self.number, start) as usize)
    }

    /// Whether a call at `start` could use a token of each of `places`.
    pub(crate) fn has_each(&self, places: &[QuotaPlace], start: Duration) -> bool {
        places.iter().all(|place| self.available(*place, start) > 0)
    }

    /// Takes a token of each of `places` for a call at `start`; `None`: one of them has none, and nothing is taken.
    pub(crate) fn take(&self, places: &[QuotaPlace], start: Duration) -> Option<CallTokens> {
        if !self.has_each(places, start) {
            return None;
        }
        let mut taken = CallTokens::new();
        for place in places {
            let pool = self.pool(*place);
            match pool.and_then(|pool| Some((pool.clone(), pool.state().tokens.take(self.number, start)?))) {
                Some(token) => taken.push(token),
                None => {
                    self.give_back(taken, start);
                    return None;
                }
            }
        }
        Some(taken)
    }

    /// The call was certainly not made.
    pub(crate) fn give_back(&self, tokens: CallTokens, now: Duration) {
        for (pool, token) in tokens {
            pool.state().tokens.give_back(self.number, token, now);
            pool.changed.notify_one();
        }
    }

    /// The call of these tokens may have been made, and started before `started_by` if it was.
    pub(crate) fn called(&self, tokens: CallTokens, started_by: Duration) {
        for (pool, token) in tokens {
            let mut state = pool.state();
            state.tokens.called(token, started_by);
            let is_kept = state.stage == Stage::Kept;
            drop(state);
            if !is_kept {
                pool.changed.notify_one();
            }
        }
    }

    /// How much later than its slot a call under these may start, where they say so.
    pub(crate) fn late(&self, places: &[QuotaPlace]) -> Option<Duration> {
        places.iter().filter_map(|place| self.pool(*place)?.quota.late()).min()
    }

    /// Whether tokens of a quota live so long that one which waits for a call keeps little from others: those of windows
    /// whose calls are not given back.
    pub(crate) fn lives_long(&self, place: QuotaPlace) -> bool {
        self.pool(place).is_some_and(|pool| pool.quota.returns().is_none())
    }

    /// Whether a quota lets nothing through for longer than tokens of others would live. It is forgotten after a while:
    /// two that wait for each other would not be looked at again.
    pub(crate) fn is_dry(&self, place: QuotaPlace, now: Duration) -> bool {
        self.pool(place).is_some_and(|pool| now < pool.state().dry_until)
    }

    /// Why nothing can be leased for what it wants.
    pub(crate) fn trouble(&self) -> Option<String> {
        let wanting = self.pools.iter().zip(&self.wanted).filter(|(_, wanted)| **wanted > 0);
        wanting.map(|(pool, _)| pool).find_map(|pool| {
            let trouble = pool.state().trouble.clone()?;
            Some(format!("waiting for tokens of quota {}: {trouble}", pool.name))
        })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.pools.iter().for_each(|pool| pool.lose(self.number));
    }
}
