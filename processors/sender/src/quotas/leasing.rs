//! The task of one quota: leases slices of it while pages want tokens, and gives back what they did not use.
//!
//! One lease is under way at a time. A lease without an answer is asked for again as it was, until it is known whether
//! it is written: only then its tokens are anybody's, and only then what it gives back is given back.

use super::{Pool, Quotas, Stage};
use crate::metrics::{LeaseResult, QuotaStats, TokenFate};
use sluice_core::QuotaBody;
use sluice_core::partition::murmur2;
use sluice_core::quota::{self, Returned};
use sluice_runtime::Clock;
use sluice_runtime::ports::store::{Leased, QuotaRow, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tracing::warn;

/// Between two leases: small wants are gathered, and others come by turns.
const PAUSE: Duration = Duration::from_millis(5);

/// Up to so much longer, in ms: where processes wait for the same token, not always the same one comes first.
const SPREAD_MS: u32 = 12;

/// A quota of which nothing is free is looked at so often at least: others may give back what they have leased.
const LOOK: Duration = Duration::from_secs(1);

/// And so often in a window whose calls are given back: what others leave is there for a moment only.
const LOOKS: u32 = 50;

/// The shortest wait for what becomes free, in ms.
const WAIT_MS_MIN: i64 = 5;

/// What is unused is written only for its own sake where it would count for longer than this, in ms; otherwise its time
/// is over before long.
const GIVE_BACK_FROM_MS: i64 = 600_000;

/// What leases stand on.
#[derive(Clone)]
pub(crate) struct Lessee {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Names this process start.
    pub(crate) owner: String,
    /// Pause before the store is asked again.
    pub(crate) again: Duration,
    pub(crate) stats: QuotaStats,
}

impl Lessee {
    /// By chance, and the same for the same run of the simulation.
    fn chance(&self, turn: u64) -> u32 {
        murmur2(format!("{}{turn}", self.owner).as_bytes())
    }

    fn pause(&self, turn: u64) -> Duration {
        PAUSE + Duration::from_millis(u64::from(self.chance(turn) % SPREAD_MS))
    }
}

/// What is to be done.
enum Work {
    /// Lease as many as this, perhaps none, and give back what is unused.
    Lease(u32),
    /// Nothing until something changes, or until a time.
    Wait(Option<Duration>),
    End,
}

/// A lease that was decided and not yet written.
struct Lease {
    /// The version that it was decided on.
    version: u64,
    body: QuotaBody,
    begun: Duration,
    decided: quota::Lease,
    returned: Returned,
}

impl Pool {
    fn work(&self, now: Duration) -> Work {
        let mut state = self.state();
        state.tokens.expire(now);
        let lacking = state.tokens.lacking(now);
        let counts_long = self.quota.windows().any(|window| window.length_ms >= GIVE_BACK_FROM_MS);
        let is_kept = state.stage == Stage::Kept;
        if lacking > 0 && is_kept || counts_long && state.tokens.has_unused() {
            return Work::Lease(if is_kept { lacking } else { 0 });
        }
        match state.stage {
            Stage::Kept => Work::Wait(state.tokens.next_expiry()),
            // What its pages have, or give back from calls that were not made, would count for long.
            Stage::Replaced if counts_long && !state.tokens.nobody_has_any() => {
                Work::Wait(state.tokens.next_expiry())
            }
            Stage::Replaced | Stage::Ending => Work::End,
        }
    }

    /// Decides a lease on the row as it is known; `None`: there is nothing to write.
    fn decide(&self, row: &QuotaRow, lacking: u32, chance: u32, clock: &dyn Clock) -> Option<Lease> {
        // In this order: the bucket must not have begun before the token's life.
        let begun = clock.monotonic();
        let wall_ms = clock.wall_ms();
        let mut body = row.body.clone();
        let returned = self.state().tokens.take_back(begun);
        let decided = body.lease(&self.quota, &returned, lacking, chance / SPREAD_MS, wall_ms)?;
        Some(Lease { version: row.version, body, begun, decided, returned })
    }

    fn fails(&self, error: &StoreError) {
        let mut state = self.state();
        if state.trouble.is_none() {
            warn!(quota = self.name, %error, "nothing can be leased; its pages wait");
        }
        state.trouble = Some(error.to_string());
    }

    /// Nothing is free: how long to wait, `pause` included, and what of the row is still worth knowing then.
    fn waits(&self, row: QuotaRow, pause: Duration, clock: &dyn Clock) -> (Duration, Option<QuotaRow>) {
        let (now, wall_ms) = (clock.monotonic(), clock.wall_ms());
        let wait_ms = row.body.frees_at_ms(&self.quota, wall_ms).saturating_sub(wall_ms).max(WAIT_MS_MIN);
        let wait = Duration::from_millis(wait_ms.unsigned_abs());
        let look = self.quota.returns().map_or(LOOK, |window| LOOK.min(window / LOOKS));
        let mut state = self.state();
        state.trouble = None;
        state.dry_until = if wait > LOOK { now + LOOK } else { Duration::ZERO };
        // Nobody else gives back the calls of this process before: no need to look, nor for a turn.
        let own = state.tokens.next_over().into_iter().chain(state.tokens.next_left()).min();
        match own.map(|own| own.saturating_sub(now)) {
            Some(own) if own < wait.min(look) + pause => (own, Some(row)),
            _ => (wait.min(look) + pause, (wait <= look).then_some(row)),
        }
    }
}

/// The tasks of all quotas, also of those that come later, until [`Quotas::end`].
pub(crate) async fn run(quotas: Arc<Quotas>, lessee: Lessee) {
    let mut tasks = JoinSet::new();
    let mut begun = None;
    loop {
        let pools = quotas.kept();
        for pool in pools.iter().filter(|pool| Some(pool.number) > begun) {
            tasks.spawn(lease(pool.clone(), lessee.clone()));
        }
        begun = begun.max(pools.iter().map(|pool| pool.number).max());
        drop(pools);
        if quotas.is_ending() && tasks.is_empty() {
            return;
        }
        tokio::select! {
            () = quotas.changed() => {}
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

/// Leases as long as the quota is kept, and gives back afterwards.
async fn lease(pool: Arc<Pool>, lessee: Lessee) {
    let mut known: Option<QuotaRow> = None;
    let mut number = 0_u64;
    loop {
        number += 1;
        let now = lessee.clock.monotonic();
        let lacking = match pool.work(now) {
            Work::Lease(lacking) => lacking,
            Work::End => return,
            Work::Wait(until) => {
                let pause = until.map_or(Duration::MAX, |until| until.saturating_sub(now) + PAUSE);
                // It says so at once where something has changed meanwhile.
                tokio::time::timeout(pause, pool.changed.notified()).await.unwrap_or(());
                continue;
            }
        };
        let row = match known.take() {
            Some(row) => row,
            None => match lessee.store.quota(&pool.name).await {
                Ok(row) => row.unwrap_or(QuotaRow { version: 0, body: QuotaBody::new() }),
                Err(error) => {
                    pool.fails(&error);
                    tokio::time::sleep(lessee.again).await;
                    continue;
                }
            },
        };
        let Some(lease) = pool.decide(&row, lacking, lessee.chance(number), &*lessee.clock) else {
            let (pause, kept) = pool.waits(row, lessee.pause(number), &*lessee.clock);
            known = kept;
            tokio::time::sleep(pause).await;
            continue;
        };
        // Two of one name, where it was changed, must not take each other's write for their own.
        let writer = format!("{}/{}.{number}", lessee.owner, pool.number);
        known = write(&pool, &lessee, lease, &writer).await;
        tokio::time::sleep(lessee.pause(number)).await;
    }
}

/// Writes a lease; gives the row as it is then, as far as that is known.
async fn write(pool: &Pool, lessee: &Lessee, lease: Lease, writer: &str) -> Option<QuotaRow> {
    let Lease { version, body, begun, decided, returned } = lease;
    let count = decided.count;
    let mut in_doubt = false;
    let answer = loop {
        match lessee.store.lease(&pool.name, version, writer, &body).await {
            Err(error @ StoreError::Unavailable(_)) => {
                in_doubt = true;
                pool.fails(&error);
                tokio::time::sleep(lessee.again).await;
            }
            answer => break answer,
        }
    };
    let given_back = returned.unused();
    let stats = &lessee.stats;
    match answer {
        Ok(Leased::Yes(version)) => {
            stats.lease(LeaseResult::Written);
            stats.tokens(TokenFate::Leased, count);
            stats.tokens(TokenFate::GivenBack, given_back);
            pool.leased(&decided, begun, lessee.clock.monotonic());
            Some(QuotaRow { version, body })
        }
        // It may have been written: then its tokens are booked and nobody has them, and what it gave back must not be
        // given back twice.
        Ok(Leased::No(row)) if in_doubt && row.version > version + 1 => {
            stats.lease(LeaseResult::Lost);
            stats.tokens(TokenFate::Lost, count + given_back);
            Some(row)
        }
        Ok(Leased::No(row)) => {
            stats.lease(LeaseResult::Refused);
            pool.state().tokens.put_back(returned);
            Some(row)
        }
        Err(error) => {
            stats.lease(LeaseResult::Lost);
            stats.tokens(TokenFate::Lost, count + given_back);
            pool.fails(&error);
            tokio::time::sleep(lessee.again).await;
            None
        }
    }
}
