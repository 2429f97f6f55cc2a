//! How many calls the last 24 hours held: what daily limits are counted by (B3).
//!
//! Guarantee: whoever books no more than [`DailyUse::free`] exceeds the limit in no 24 hours of any position
//! (G4, hazard 10). Calls are counted in quarters of an hour, and each quarter that overlaps the last 24 hours
//! counts whole; so a call counts for 24 hours and up to 15 minutes. A clock that steps back frees nothing: what is
//! booked then goes to the newest quarter, and all that was booked under the later time goes on counting.

use crate::ledger::{Damaged, take_small};
use crate::number::put_number;

const BUCKET_MS: i64 = 15 * 60 * 1_000;
const DAY_MS: i64 = 86_400_000;

/// Quarters of an hour that one moment counts at most: the 96 of a day, and the one that its start lies in.
pub const BUCKETS_MAX: usize = 97;

/// Calls of one scope, a page or a campaign on a page, by quarters of an hour. Times in ms since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DailyUse {
    /// Ascending by quarter, none without calls.
    buckets: Vec<(Bucket, u32)>,
}

/// The quarter of an hour that calls were booked in, counted from 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u32);

impl Bucket {
    pub(crate) fn of(at_ms: i64) -> Self {
        Self(u32::try_from(at_ms.max(0) / BUCKET_MS).unwrap_or(u32::MAX))
    }

    /// The first time at which it no longer counts.
    pub fn ends_ms(self) -> i64 {
        (i64::from(self.0) + 1) * BUCKET_MS + DAY_MS
    }
}

impl DailyUse {
    /// Nothing was called.
    pub fn new() -> Self {
        Self::default()
    }

    /// Books `count` calls that may start from now on; says where, for [`DailyUse::unbook`].
    pub fn book(&mut self, now_ms: i64, count: u32) -> Bucket {
        self.expire(now_ms);
        let newest = self.buckets.last().map(|(bucket, _)| *bucket);
        let bucket = Bucket::of(now_ms).max(newest.unwrap_or(Bucket(0)));
        match self.buckets.last_mut() {
            Some((last, booked)) if *last == bucket => *booked = booked.saturating_add(count),
            _ if count > 0 => self.buckets.push((bucket, count)),
            _ => {}
        }
        self.expire_before(bucket);
        bucket
    }

    /// Takes back `count` calls that were booked in `bucket` and certainly not made. Those that count no longer
    /// change nothing.
    pub fn unbook(&mut self, bucket: Bucket, count: u32) {
        if let Ok(at) = self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            self.buckets[at].1 = self.buckets[at].1.saturating_sub(count);
            if self.buckets[at].1 == 0 {
                self.buckets.remove(at);
            }
        }
    }

    /// Calls that count now.
    pub fn used(&self, now_ms: i64) -> u64 {
        self.counting(now_ms).map(|(_, count)| u64::from(*count)).sum()
    }

    /// How many more may be booked under a limit of `cap`.
    pub fn free(&self, cap: u64, now_ms: i64) -> u64 {
        cap.saturating_sub(self.used(now_ms))
    }

    /// The first time at which one more may be booked: now, or when enough quarters have gone by. `None` when a
    /// limit of `cap` lets nothing through at all.
    pub fn frees_at_ms(&self, cap: u64, now_ms: i64) -> Option<i64> {
        let mut used = self.used(now_ms);
        if used < cap {
            return Some(now_ms);
        }
        self.counting(now_ms).find_map(|(bucket, count)| {
            used -= u64::from(*count);
            (used < cap).then(|| bucket.ends_ms())
        })
    }

    /// Drops what counts no longer, so that little is stored.
    pub fn expire(&mut self, now_ms: i64) {
        self.buckets.retain(|(bucket, _)| bucket.ends_ms() > now_ms);
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// What counts now: when it ends to count, and how many calls; ascending.
    pub fn ending(&self, now_ms: i64) -> impl Iterator<Item = (i64, u32)> {
        self.counting(now_ms).map(|(bucket, count)| (bucket.ends_ms(), *count))
    }

    fn counting(&self, now_ms: i64) -> impl Iterator<Item = &(Bucket, u32)> {
        self.buckets.iter().filter(move |(bucket, _)| bucket.ends_ms() > now_ms)
    }

    /// Keeps [`BUCKETS_MAX`] quarters up to `newest`: older ones ended to count before it began.
    fn expire_before(&mut self, newest: Bucket) {
        self.buckets.retain(|(bucket, _)| newest.0 - bucket.0 < BUCKETS_MAX as u32);
    }

    /// Appends the stored form: the number of quarters, then for each its distance from the one before and its
    /// calls, as numbers of variable length. A thousand calls a day are some 200 bytes at most.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        put_number(out, self.buckets.len() as u64);
        let mut next = 0;
        for (bucket, count) in &self.buckets {
            put_number(out, u64::from(bucket.0 - next));
            put_number(out, u64::from(*count));
            next = bucket.0;
        }
    }

    /// Reads the stored form from the front of `rest`, which is left behind it.
    ///
    /// # Errors
    /// [`Damaged`] says what is wrong.
    pub fn decode_from(rest: &mut &[u8]) -> Result<Self, Damaged> {
        let length = take_small(rest)? as usize;
        if length > BUCKETS_MAX {
            return Err(Damaged("more quarters of an hour than a day has"));
        }
        let mut buckets: Vec<(Bucket, u32)> = Vec::with_capacity(length);
        for _ in 0..length {
            let before = buckets.last().map(|(bucket, _)| bucket.0);
            let bucket = before.unwrap_or(0).checked_add(take_small(rest)?);
            let bucket = bucket.ok_or(Damaged("quarter of an hour out of range"))?;
            let count = take_small(rest)?;
            if before == Some(bucket) || count == 0 {
                return Err(Damaged("a quarter of an hour twice or without calls"));
            }
            buckets.push((Bucket(bucket), count));
        }
        Ok(Self { buckets })
    }
}

/// The share of page number `page` (from 0) of a limit over all `pages`: integers that sum up to it (hazard 9).
pub fn share_of(limit: u64, page: usize, pages: usize) -> u64 {
    let (page, pages) = (page as u64, pages.max(1) as u64);
    limit / pages + u64::from(page < limit % pages)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR_MS: i64 = 3_600_000;
    /// 2026-11-21T00:00Z: a quarter begins.
    const START_MS: i64 = 1_795_219_200_000;

    proptest! {
        #[test]
        fn hazard_10_no_24_hours_of_any_position_hold_more_than_the_limit(
            cap in 1u64..50, steps in prop::collection::vec((0i64..4 * HOUR_MS, 1u32..20), 1..200),
        ) {
            let (mut daily, mut now_ms, mut calls) = (DailyUse::new(), START_MS, Vec::new());
            for (pause, wanted) in steps {
                now_ms += pause;
                let granted = u64::from(wanted).min(daily.free(cap, now_ms)) as u32;
                daily.book(now_ms, granted);
                calls.push((now_ms, u64::from(granted)));
                prop_assert!(daily.buckets.len() <= BUCKETS_MAX);
            }
            for (start, _) in &calls {
                let inside = calls.iter().filter(|(at, _)| (*start..start + DAY_MS).contains(at));
                prop_assert!(inside.map(|(_, count)| count).sum::<u64>() <= cap);
            }
        }

        #[test]
        fn b3_who_waits_as_told_may_book_and_nobody_sooner(
            cap in 0u64..40, steps in prop::collection::vec((0i64..4 * HOUR_MS, 0u32..20), 0..40), later in 0i64..DAY_MS,
        ) {
            let (mut daily, mut now_ms) = (DailyUse::new(), START_MS);
            for (pause, count) in steps {
                now_ms += pause;
                daily.book(now_ms, count);
            }
            now_ms += later;
            match daily.frees_at_ms(cap, now_ms) {
                None => prop_assert_eq!(cap, 0),
                Some(at_ms) => {
                    prop_assert!(daily.free(cap, at_ms) > 0);
                    prop_assert!(at_ms == now_ms || daily.free(cap, at_ms - 1) == 0);
                }
            }
        }

        #[test]
        fn g4_a_clock_that_steps_back_frees_nothing(
            steps in prop::collection::vec((0i64..4 * HOUR_MS, 1u32..20), 1..60), back in 0i64..3 * DAY_MS, count in 0u32..9,
        ) {
            let (mut daily, mut now_ms) = (DailyUse::new(), START_MS);
            for (pause, count) in steps {
                now_ms += pause;
                daily.book(now_ms, count);
            }
            let (before, latest) = (daily.clone(), now_ms);
            now_ms -= back;
            prop_assert!(daily.used(now_ms) >= before.used(latest));
            let bucket = daily.book(now_ms, count);
            // Counts as long as if the clock had stood still.
            prop_assert!(bucket >= Bucket::of(latest));
            prop_assert_eq!(daily.used(latest), before.used(latest) + u64::from(count));
            daily.unbook(bucket, count);
            prop_assert_eq!(daily.used(latest), before.used(latest));
        }

        #[test]
        fn the_stored_form_holds_every_quarter(steps in prop::collection::vec((0i64..4 * HOUR_MS, 0u32..2_000_000), 0..200)) {
            let (mut daily, mut now_ms) = (DailyUse::new(), START_MS);
            for (pause, count) in steps {
                now_ms += pause;
                daily.book(now_ms, count);
            }
            let mut bytes = Vec::new();
            daily.encode_into(&mut bytes);
            bytes.push(7);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(DailyUse::decode_from(&mut rest), Ok(daily));
            prop_assert_eq!(rest, [7]);
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(daily) = DailyUse::decode_from(&mut bytes.as_slice()) {
                let mut again = Vec::new();
                daily.encode_into(&mut again);
                prop_assert_eq!(DailyUse::decode_from(&mut again.as_slice()), Ok(daily));
            }
        }

        #[test]
        fn hazard_9_shares_of_pages_sum_up_to_the_limit(limit in 0u64..100_000, pages in 1usize..40) {
            prop_assert_eq!((0..pages).map(|page| share_of(limit, page, pages)).sum::<u64>(), limit);
        }
    }

    #[test]
    fn b3_a_quarter_counts_until_all_of_it_lies_24_hours_back() {
        let mut daily = DailyUse::new();
        daily.book(START_MS + 60_000, 3);
        daily.book(START_MS + 20 * 60_000, 2);
        let ends_ms = START_MS + BUCKET_MS + DAY_MS;
        assert_eq!(daily.used(ends_ms - 1), 5);
        assert_eq!(daily.used(ends_ms), 2);
        assert_eq!(daily.frees_at_ms(5, START_MS + HOUR_MS), Some(ends_ms));
        assert_eq!(daily.frees_at_ms(2, START_MS + HOUR_MS), Some(ends_ms + BUCKET_MS));
        assert_eq!(daily.ending(START_MS).collect::<Vec<_>>(), [(ends_ms, 3), (ends_ms + BUCKET_MS, 2)]);
        daily.expire(ends_ms + BUCKET_MS);
        assert!(daily.is_empty());
    }

    #[test]
    fn g4_what_is_given_back_returns_to_the_quarter_that_it_was_booked_in() {
        let mut daily = DailyUse::new();
        let early = daily.book(START_MS, 3);
        daily.book(START_MS + HOUR_MS, 4);
        daily.unbook(early, 2);
        assert_eq!(daily.used(START_MS + DAY_MS + HOUR_MS), 4);
        daily.unbook(early, 1);
        daily.unbook(early, 1);
        assert_eq!(daily.used(START_MS + HOUR_MS), 4, "nothing of a later quarter is given back");
    }
}
