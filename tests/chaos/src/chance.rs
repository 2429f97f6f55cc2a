//! Random choices that can be had again.

use std::ops::Range;

/// A seeded generator (SplitMix64): the same seed gives the same choices on every machine.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// All choices follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number in `range`; its start where the range is empty.
    pub fn in_range(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start);
        range.start + self.next().checked_rem(width).unwrap_or(0)
    }

    /// True once in `times`; never for 0.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.next().checked_rem(times) == Some(0)
    }

    /// Puts `items` into another order, every order being as likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.in_range(0..last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
