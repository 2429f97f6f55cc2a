//! One lease, decided: what goes back, and what is taken.

use super::{Booking, Quota, QuotaBody};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where windows are short, one lease may take such a part of the calls at least: what becomes free there is little at
/// a time, and a quarter of it would leave the rest unused for several leases.
const PART: u64 = 32;

/// Of what its own calls return a process leaves such a part to others.
const LEFT: u64 = 4;

/// What a process gives back with its next lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returned {
    /// Leased and certainly not called.
    pub unused: BTreeMap<Booking, u32>,
    /// Called, and their window is over by the clock of the process: since when on that clock, and where it is booked.
    pub over: BTreeMap<(Duration, Booking), u32>,
    /// What it left to others a moment ago, and leaves them still.
    pub left: u32,
}

/// A lease that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Tokens.
    pub count: u32,
    /// Where they are booked.
    pub booking: Booking,
    /// What it gives back of its own calls and leaves to others.
    pub left: u32,
}

impl Returned {
    /// Tokens that nobody called with.
    pub fn unused(&self) -> u32 {
        self.unused.values().sum()
    }
}

impl QuotaBody {
    /// Takes back what is `returned` and leases of `wanted` calls as many as one lease may take now. `None`: the row
    /// would be as it was.
    ///
    /// Of what its own calls return a process leaves a quarter to others, by chance where it is less than one (`turn`),
    /// and of all else that is free it takes a quarter.
    pub fn lease(
        &mut self,
        quota: &Quota,
        returned: &Returned,
        wanted: u32,
        turn: u32,
        now_ms: i64,
    ) -> Option<Lease> {
        let before = self.clone();
        returned.unused.iter().for_each(|(booking, count)| self.give_back(*booking, *count));
        returned.over.iter().for_each(|((_, booking), count)| self.give_back(*booking, *count));
        let free = self.free(quota, now_ms);
        let own = returned.over.values().map(|count| u64::from(*count)).sum::<u64>().min(free);
        let again = own - (own + u64::from(turn) % LEFT) / LEFT;
        let least = match (quota.returns(), quota.rate) {
            (Some(_), Some(rate)) => rate.count.get().div_ceil(PART),
            _ => 1,
        };
        let others = slice((free - own).saturating_sub(returned.left.into()), least);
        let count = u32::try_from(again + others).map_or(wanted, |most| most.min(wanted));
        if count == 0 && *self == before {
            return None;
        }
        let left = u32::try_from(own).unwrap_or(u32::MAX).saturating_sub(count);
        Some(Lease { count, booking: self.book(quota, count, now_ms), left })
    }
}

/// What one lease takes of `free` calls: a quarter at most, and `least` where there are so many.
pub(super) fn slice(free: u64, least: u64) -> u64 {
    (free / 4).max(least).min(free)
}
