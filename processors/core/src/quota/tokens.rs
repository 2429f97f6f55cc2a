//! The tokens that one process has leased of one quota, divided among its pages.
//!
//! Each page has tokens of its own, as many as it wants at most: so none of them prepares calls that another one makes
//! instead, and all of them get equally much. Times are monotonic.

use super::{Booking, Quota, Returned};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Calls whose windows end within such a part of a window are given back together.
const PARTS: u32 = 256;

/// For so long a process leaves to others what it gave back for them: they look every 25 to 40 ms.
const LEFT_FOR: Duration = Duration::from_millis(30);

/// The right to start one call until its time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Where it is booked.
    booking: Booking,
    /// The last moment at which its call may start.
    pub until: Duration,
}

/// Tokens of one lease.
#[derive(Debug, Clone, Copy)]
struct Lot {
    token: Token,
    count: u32,
}

#[derive(Debug, Default)]
struct User {
    /// Calls that it could make within a moment, those that it has tokens for included.
    wanted: u32,
    /// Oldest first.
    lots: VecDeque<Lot>,
}

impl User {
    fn has(&self, now: Duration) -> u32 {
        self.lots.iter().filter(|lot| lot.token.until > now).map(|lot| lot.count).sum()
    }

    fn lacks(&self, now: Duration) -> u32 {
        self.wanted.saturating_sub(self.has(now))
    }

    fn add(&mut self, token: Token, count: u32) {
        match self.lots.iter_mut().find(|lot| lot.token == token) {
            Some(lot) => lot.count += count,
            None => self.lots.push_back(Lot { token, count }),
        }
    }
}

/// Tokens by who may use them. A user is a page, by a number of its own.
#[derive(Debug, Default)]
pub struct Tokens {
    life: Duration,
    /// A token is of use to a slot that is so long before its end.
    margin: Duration,
    /// How long calls count on the clock of this process; `None`: they are left to the row.
    window: Option<Duration>,
    users: BTreeMap<u64, User>,
    /// Taken for calls of which is not yet known whether they were made.
    taken: u32,
    /// Whose turn it is first at the next lease.
    turn: u64,
    /// Certainly not called, not yet given back.
    unused: BTreeMap<Booking, u32>,
    /// Calls by the end of their window and where they are booked, not yet given back.
    called: BTreeMap<(Duration, Booking), u32>,
    /// Until when how much is left to others, in this order.
    left: VecDeque<(Duration, u32)>,
}

impl Tokens {
    /// Of a quota.
    pub fn new(quota: &Quota) -> Self {
        let life = quota.life();
        Self { life, margin: life - quota.usable(), window: quota.returns(), ..Self::default() }
    }

    /// A user could make so many calls within a moment.
    pub fn want(&mut self, user: u64, count: u32) {
        self.users.entry(user).or_default().wanted = count;
    }

    /// A user is gone.
    pub fn leave(&mut self, user: u64) {
        for lot in self.users.remove(&user).map(|user| user.lots).unwrap_or_default() {
            *self.unused.entry(lot.token.booking).or_default() += lot.count;
        }
    }

    /// What is wanted and not there.
    pub fn lacking(&self, now: Duration) -> u32 {
        self.users.values().fold(0, |sum: u32, user| sum.saturating_add(user.lacks(now)))
    }

    /// Whether a user wants more than it has.
    pub fn lacks(&self, user: u64, now: Duration) -> bool {
        self.users.get(&user).is_some_and(|user| user.lacks(now) > 0)
    }

    /// Divides what was leased, in a lease that was begun at `begun`: equally among those who lack some. Gives who got
    /// some.
    pub fn allot(&mut self, booking: Booking, begun: Duration, count: u32, now: Duration) -> Vec<u64> {
        let token = Token { booking, until: begun + self.life };
        let mut left = if token.until > now { count } else { 0 };
        let mut served: BTreeMap<u64, u32> = BTreeMap::new();
        let (before, after): (Vec<u64>, Vec<u64>) = self.users.keys().partition(|user| **user < self.turn);
        let order: Vec<u64> = after.into_iter().chain(before).collect();
        let mut lacking: Vec<(u64, u32)> =
            order.iter().filter_map(|user| Some((*user, self.users.get(user)?.lacks(now)))).collect();
        lacking.retain(|(_, lacks)| *lacks > 0);
        while left > 0 && !lacking.is_empty() {
            // Whoever lacks less than an equal part leaves the rest to others.
            let part = (left / lacking.len() as u32).max(1);
            for (user, lacks) in &mut lacking {
                let given = part.min(*lacks).min(left);
                (*lacks, left) = (*lacks - given, left - given);
                if given > 0 {
                    *served.entry(*user).or_default() += given;
                    self.turn = *user + 1;
                }
            }
            lacking.retain(|(_, lacks)| *lacks > 0);
        }
        let given: u32 = served.values().sum();
        for (user, count) in &served {
            self.users.entry(*user).or_default().add(token, *count);
        }
        if count > given {
            *self.unused.entry(booking).or_default() += count - given;
        }
        served.into_keys().collect()
    }

    /// Tokens of a user that a call at `start` can still use.
    pub fn available(&self, user: u64, start: Duration) -> u32 {
        self.users.get(&user).map_or(0, |user| user.has(start + self.margin))
    }

    /// Takes the oldest token that a call at `start` can still use.
    pub fn take(&mut self, user: u64, start: Duration) -> Option<Token> {
        let usable = start + self.margin;
        let lots = &mut self.users.get_mut(&user)?.lots;
        let at = lots.iter().position(|lot| lot.token.until > usable)?;
        let token = lots[at].token;
        lots[at].count -= 1;
        if lots[at].count == 0 {
            lots.remove(at);
        }
        self.taken += 1;
        Some(token)
    }

    /// The call of a token was certainly not made: the user has it again, as long as it is good for anything.
    pub fn give_back(&mut self, user: u64, token: Token, now: Duration) {
        self.taken = self.taken.saturating_sub(1);
        match self.users.get_mut(&user).filter(|_| token.until > now) {
            Some(user) => {
                user.add(token, 1);
                user.lots.make_contiguous().sort_by_key(|lot| lot.token.until);
            }
            None => *self.unused.entry(token.booking).or_default() += 1,
        }
    }

    /// The call of a token may have been made, and started before `started_by` if it was.
    pub fn called(&mut self, token: Token, started_by: Duration) {
        self.taken = self.taken.saturating_sub(1);
        let Some(window) = self.window else { return };
        let part = (window / PARTS).as_nanos().max(1);
        let parts = (started_by + window).as_nanos().div_ceil(part);
        let over = Duration::from_nanos(u64::try_from(parts * part).unwrap_or(u64::MAX));
        *self.called.entry((over, token.booking.of_rate())).or_default() += 1;
    }

    /// When the next window of a call is over.
    pub fn next_over(&self) -> Option<Duration> {
        self.called.keys().next().map(|(over, _)| *over)
    }

    /// Tokens whose time is over are unused.
    pub fn expire(&mut self, now: Duration) {
        for user in self.users.values_mut() {
            for lot in user.lots.iter().filter(|lot| lot.token.until <= now) {
                *self.unused.entry(lot.token.booking).or_default() += lot.count;
            }
            user.lots.retain(|lot| lot.token.until > now);
        }
    }

    /// When the next token's time is over.
    pub fn next_expiry(&self) -> Option<Duration> {
        self.users.values().flat_map(|user| &user.lots).map(|lot| lot.token.until).min()
    }

    /// Whether no user has tokens, nor a call under way has any.
    pub fn nobody_has_any(&self) -> bool {
        self.taken == 0 && self.users.values().all(|user| user.lots.is_empty())
    }

    /// Whether something is to be given back.
    pub fn has_unused(&self) -> bool {
        !self.unused.is_empty()
    }

    /// What is to be given back; whoever takes it writes it, or puts it back. Calls whose windows have been over for
    /// another one are left to the row, which has forgotten them as well.
    pub fn take_back(&mut self, now: Duration) -> Returned {
        let later = self.called.split_off(&(now + Duration::from_nanos(1), Booking::default()));
        let mut over = std::mem::replace(&mut self.called, later);
        let window = self.window.unwrap_or_default();
        over.retain(|(at, _), _| *at + window > now);
        self.left.retain(|(until, _)| *until > now);
        let left = self.left.iter().map(|(_, count)| count).sum();
        Returned { unused: std::mem::take(&mut self.unused), over, left }
    }

    /// So much of what was taken back is for others first, from now on.
    pub fn leave_to_others(&mut self, count: u32, now: Duration) {
        if count > 0 {
            self.left.push_back((now + LEFT_FOR, count));
        }
    }

    /// When this process may take what it left to others itself.
    pub fn next_left(&self) -> Option<Duration> {
        self.left.front().map(|(until, _)| *until)
    }

    /// What certainly was not written.
    pub fn put_back(&mut self, returned: Returned) {
        for (booking, count) in returned.unused {
            *self.unused.entry(booking).or_default() += count;
        }
        for (over, count) in returned.over {
            *self.called.entry(over).or_default() += count;
        }
    }
}
