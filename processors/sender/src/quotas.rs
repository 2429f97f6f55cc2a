//! Limits above pages, as this process keeps them: the tokens that it has leased, for its pages.
//!
//! Guarantee: a call under a quota has a token of it, which was leased durably and is not older than its life when the
//! call starts (G4). Nobody waits here: a page says what it could use, goes on with what else it has to do, and hears
//! when tokens have come (G6).
//!
//! A quota that changes is replaced by one of the same name: what is booked in its row counts on, and each limit is kept
//! from then on. Places stay as they are, since calls under way have tokens of the former ones.
//!
//! - [`Quotas`]: all of a process; [`User`]: one page's part of them.
//! - [`leasing`]: the task of each quota that leases while somebody wants tokens.

pub(crate) mod leasing;

use sluice_core::PageId;
use sluice_core::quota::{Lease, Quota, Token, Tokens};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;

/// The place of a quota among those that the process has had.
pub(crate) type QuotaPlace = usize;

/// The tokens of one call: one of each quota that it is under.
pub(crate) type CallTokens = Vec<(QuotaPlace, Token)>;

/// All quotas of a process.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    all: RwLock<Arc<[Listed]>>,
    users: AtomicU64,
    /// Some are new, or the end has come.
    changed: Notify,
    is_ending: AtomicBool,
}

/// A quota, and whether it is still kept.
#[derive(Debug, Clone)]
struct Listed {
    pool: Arc<Pool>,
    is_kept: bool,
}

/// One quota in this process.
#[derive(Debug)]
pub(crate) struct Pool {
    name: String,
    quota: Quota,
    state: Mutex<State>,
    /// Somebody wants more, or the end has come.
    changed: Notify,
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
    is_ending: bool,
}

impl Quotas {
    pub(crate) fn new(quotas: &BTreeMap<String, Quota>) -> Self {
        let new = Self::default();
        new.replace(quotas);
        new
    }

    /// From now on these are kept. Those that are the same stay; of the others nothing more is leased, and what of their
    /// tokens nobody uses is given back. Says whether anything is new or gone.
    pub(crate) fn replace(&self, quotas: &BTreeMap<String, Quota>) -> bool {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = |listed: &Listed| quotas.get(&listed.pool.name) == Some(&listed.pool.quota);
        let mut next: Vec<Listed> = all.to_vec();
        let gone = next.iter_mut().filter(|listed| listed.is_kept && !is_same(listed));
        let gone: Vec<Arc<Pool>> = gone
            .map(|listed| {
                listed.is_kept = false;
                listed.pool.clone()
            })
            .collect();
        let kept: BTreeSet<&str> = all
            .iter()
            .filter(|listed| listed.is_kept && is_same(listed))
            .map(|listed| &*listed.pool.name)
            .collect();
        let new = quotas.iter().filter(|(name, _)| !kept.contains(name.as_str()));
        let new = new.map(|(name, quota)| Listed { pool: Arc::new(Pool::new(name, quota)), is_kept: true });
        next.extend(new);
        if gone.is_empty() && next.len() == all.len() {
            return false;
        }
        *all = next.into();
        drop(all);
        gone.iter().for_each(|pool| pool.end());
        self.changed.notify_one();
        true
    }

    /// A page's part.
    pub(crate) fn user(self: &Arc<Self>) -> User {
        let number = self.users.fetch_add(1, Ordering::Relaxed);
        let mut user = User {
            quotas: self.clone(),
            known: Arc::default(),
            number,
            told: Arc::default(),
            wanted: Vec::new(),
        };
        user.renew();
        user
    }

    fn listed(&self) -> Arc<[Listed]> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Each that there has been so far, in the order of their places.
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        self.listed().iter().map(|listed| listed.pool.clone()).collect()
    }

    /// Resolves when some are new, or when the end has come.
    async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Nothing is leased any more: what is not used is given back once more, then the tasks end.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        self.pools().iter().for_each(|pool| pool.end());
        self.changed.notify_one();
    }

    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }
}

impl Pool {
    fn new(name: &str, quota: &Quota) -> Self {
        let state = State {
            tokens: Tokens::new(quota),
            told: BTreeMap::new(),
            trouble: None,
            dry_until: Duration::ZERO,
            is_ending: false,
        };
        Self { name: name.to_owned(), quota: quota.clone(), state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is not used is given back once more, then its task ends.
    fn end(&self) {
        self.state().is_ending = true;
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
    known: Arc<[Listed]>,
    number: u64,
    told: Arc<Notify>,
    /// What it said last, of each quota.
    wanted: Vec<u32>,
}

impl User {
    /// Learns of quotas that are new or gone.
    pub(crate) fn renew(&mut self) {
        self.known = self.quotas.listed();
        self.wanted.resize(self.known.len(), 0);
    }

    /// Of how many quotas it could want tokens.
    pub(crate) fn quotas(&self) -> usize {
        self.known.len()
    }

    /// Those that a call of a campaign of `tenant` from `page` is under.
    pub(crate) fn of(&self, page: &PageId, tenant: &str) -> Vec<QuotaPlace> {
        let covers = |listed: &Listed| listed.is_kept && listed.pool.quota.covers(page.as_str(), tenant);
        self.known.iter().enumerate().filter(|(_, listed)| covers(listed)).map(|(place, _)| place).collect()
    }

    fn pool(&self, place: QuotaPlace) -> Option<&Pool> {
        self.known.get(place).map(|listed| &*listed.pool)
    }

    fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.known.iter().map(|listed| &*listed.pool)
    }

    /// Resolves when tokens have come.
    pub(crate) async fn tokens_came(&self) {
        self.told.notified().await;
    }

    /// Of each quota: so many calls could be made within a moment, those with tokens included. Who wants as many as
    /// before lacks some too, once it has used tokens: nobody else would say so while they live.
    pub(crate) fn want(&mut self, wanted: Vec<u32>, now: Duration) {
        for (place, (pool, count)) in self.pools().zip(&wanted).enumerate() {
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
            match self.pool(*place).and_then(|pool| pool.state().tokens.take(self.number, start)) {
                Some(token) => taken.push((*place, token)),
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
        for (place, token) in tokens {
            if let Some(pool) = self.pool(place) {
                pool.state().tokens.give_back(self.number, token, now);
                pool.changed.notify_one();
            }
        }
    }

    /// The call of these tokens may have been made, and started before `started_by` if it was.
    pub(crate) fn called(&self, tokens: CallTokens, started_by: Duration) {
        for (place, token) in tokens {
            if let Some(pool) = self.pool(place) {
                pool.state().tokens.called(token, started_by);
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
        let wanting = self.pools().zip(&self.wanted).filter(|(_, wanted)| **wanted > 0);
        wanting.map(|(pool, _)| pool).find_map(|pool| {
            let trouble = pool.state().trouble.clone()?;
            Some(format!("waiting for tokens of quota {}: {trouble}", pool.name))
        })
    }
}

impl Drop for User {
    fn drop(&mut self) {
        for pool in self.pools() {
            let mut state = pool.state();
            state.tokens.leave(self.number);
            state.told.remove(&self.number);
            drop(state);
            pool.changed.notify_one();
        }
    }
}
