//! The row of a quota: how many calls are booked, and until when they count.

use super::{Kind, Quota, Window};
use crate::number::{put_number, take_number};

const FORMAT: u8 = 1;

/// Bookings of one limit at most. A window has some 40, a day 97; while two configurations are in force during a
/// change there are those of both.
const ENTRIES_MAX: usize = 1_000;

/// How long bookings of a limit that is not configured are kept, in ms: another process may still know it.
const UNKNOWN_MS: i64 = 86_400_000;

/// What is leased. Times in ms since 1970, by the clock of whoever booked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuotaBody {
    /// Of each [`Kind`]: the ends of buckets, ascending, with the calls booked there; none without calls.
    booked: [Vec<(i64, u32)>; 2],
}

/// The buckets that calls of one lease were booked in, of each [`Kind`], by their ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Booking([Option<i64>; 2]);

impl Booking {
    /// What of it counts for [`Kind::Rate`].
    pub(super) fn of_rate(self) -> Self {
        let [rate, _] = self.0;
        Self([rate, None])
    }
}

/// A stored row that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged quota: {0}")]
pub struct Damaged(pub &'static str);

impl QuotaBody {
    /// Nothing was leased.
    pub fn new() -> Self {
        Self::default()
    }

    /// What counts now: when it ends to count, and how many calls; ascending.
    pub fn ending(&self, window: &Window, now_ms: i64) -> impl Iterator<Item = (i64, u64)> {
        let counts_ms = window.counts_ms;
        let of_kind = self.booked[window.kind as usize].iter();
        of_kind
            .map(move |(ends_ms, count)| (ends_ms.saturating_add(counts_ms), u64::from(*count)))
            .filter(move |(until_ms, _)| *until_ms > now_ms)
    }

    /// Calls that count now.
    pub fn used(&self, window: &Window, now_ms: i64) -> u64 {
        self.ending(window, now_ms).map(|(_, count)| count).sum()
    }

    /// How many more one of its limits lets through now.
    pub fn free_of(&self, window: &Window, now_ms: i64) -> u64 {
        window.cap.saturating_sub(self.used(window, now_ms))
    }

    /// How many more may be leased now.
    pub fn free(&self, quota: &Quota, now_ms: i64) -> u64 {
        quota.windows().map(|window| self.free_of(&window, now_ms)).min().unwrap_or(0)
    }

    /// The first time at which one more may be leased, if nobody leases meanwhile: now, or when enough is over.
    pub fn frees_at_ms(&self, quota: &Quota, now_ms: i64) -> i64 {
        quota.windows().map(|window| self.window_frees_at_ms(&window, now_ms)).max().unwrap_or(now_ms)
    }

    fn window_frees_at_ms(&self, window: &Window, now_ms: i64) -> i64 {
        let mut used = self.used(window, now_ms);
        let mut ending = self.ending(window, now_ms);
        let mut at_ms = now_ms;
        while used >= window.cap {
            let Some((until_ms, count)) = ending.next() else { break };
            used -= count;
            at_ms = until_ms;
        }
        at_ms
    }

    /// Books `count` calls that are leased now, at most [`QuotaBody::free`]; says where, for
    /// [`QuotaBody::give_back`]. A clock that steps back frees nothing: what is booked then goes to the newest bucket.
    pub fn book(&mut self, quota: &Quota, count: u32, now_ms: i64) -> Booking {
        self.forget(quota, now_ms);
        let mut booking = Booking::default();
        for window in quota.windows().filter(|_| count > 0) {
            let entries = &mut self.booked[window.kind as usize];
            let newest = entries.last().map_or(i64::MIN, |(ends_ms, _)| *ends_ms);
            let ends_ms = (now_ms.max(0) / window.bucket_ms + 1) * window.bucket_ms;
            let ends_ms = ends_ms.max(newest);
            match entries.last_mut() {
                Some((last_ms, booked)) if *last_ms == ends_ms => *booked = booked.saturating_add(count),
                _ => entries.push((ends_ms, count)),
            }
            // Later than they were booked, so they count longer.
            while entries.len() > ENTRIES_MAX {
                let (_, oldest) = entries.remove(0);
                entries[0].1 = entries[0].1.saturating_add(oldest);
            }
            booking.0[window.kind as usize] = Some(ends_ms);
        }
        booking
    }

    /// Takes back `count` calls that were booked there and certainly not made, or whose window is over. Those that count
    /// no longer change nothing.
    pub fn give_back(&mut self, booking: Booking, count: u32) {
        for (entries, ends_ms) in self.booked.iter_mut().zip(booking.0) {
            let Some(ends_ms) = ends_ms else { continue };
            if let Ok(at) = entries.binary_search_by_key(&ends_ms, |(ends_ms, _)| *ends_ms) {
                entries[at].1 = entries[at].1.saturating_sub(count);
                if entries[at].1 == 0 {
                    entries.remove(at);
                }
            }
        }
    }

    /// Drops what counts no longer.
    fn forget(&mut self, quota: &Quota, now_ms: i64) {
        for (kind, entries) in [Kind::Rate, Kind::Daily].into_iter().zip(&mut self.booked) {
            let counts_ms = quota.windows().find(|window| window.kind == kind).map(|window| window.counts_ms);
            let counts_ms = counts_ms.unwrap_or(UNKNOWN_MS);
            entries.retain(|(ends_ms, _)| ends_ms.saturating_add(counts_ms) > now_ms);
        }
    }

    /// The stored form: a format byte, then for each kind the number of its bookings, and for each booking the distance
    /// of its bucket's end from the one before (the first: from 1970) and its calls, as numbers of variable length.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        for entries in &self.booked {
            put_number(&mut out, entries.len() as u64);
            let mut before = 0;
            for (ends_ms, count) in entries {
                put_number(&mut out, ends_ms.saturating_sub(before).unsigned_abs());
                put_number(&mut out, u64::from(*count));
                before = *ends_ms;
            }
        }
        out
    }

    /// Reads the stored form; no bytes at all are a quota that nobody used.
    ///
    /// # Errors
    /// [`Damaged`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut body = Self::new();
        let Some((&format, mut rest)) = bytes.split_first() else { return Ok(body) };
        if format != FORMAT {
            return Err(Damaged("unknown format"));
        }
        for entries in &mut body.booked {
            let length = number(&mut rest)?;
            if length > ENTRIES_MAX as u64 {
                return Err(Damaged("more bookings than a window has"));
            }
            let mut before = 0_i64;
            for place in 0..length {
                let distance = i64::try_from(number(&mut rest)?).ok();
                let ends_ms = distance.and_then(|distance| before.checked_add(distance));
                let ends_ms = ends_ms.ok_or(Damaged("time out of range"))?;
                let count = u32::try_from(number(&mut rest)?).map_err(|_| Damaged("count out of range"))?;
                if count == 0 || place > 0 && ends_ms == before {
                    return Err(Damaged("a bucket twice or without calls"));
                }
                entries.push((ends_ms, count));
                before = ends_ms;
            }
        }
        if rest.is_empty() { Ok(body) } else { Err(Damaged("longer than its bookings")) }
    }
}

fn number(rest: &mut &[u8]) -> Result<u64, Damaged> {
    take_number(rest).map_err(Damaged)
}
