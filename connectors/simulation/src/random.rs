//! SplitMix64: small, fast, the same on every machine.

/// A sequence of numbers decided by its seed. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

/// Of how many the chances in [`crate::Faults`] are parts.
pub const MILLION: u32 = 1_000_000;

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 for an empty range. The bias of the multiplication is far below what a test sees.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.number()) * u128::from(end)) >> 64) as u64
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first).saturating_add(1))
    }

    /// True in `ppm` of a million cases. Draws nothing where the answer is certain, so that a fault that is
    /// switched off does not shift the rest of a run.
    pub fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && (ppm >= MILLION || self.below(u64::from(MILLION)) < u64::from(ppm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_sequence() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_both_ends() {
        let mut random = Random::new(1);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| random.between(3, 6)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!((random.below(0), random.between(9, 9)), (0, 9));
    }

    #[test]
    fn a_chance_happens_about_as_often_as_it_says() {
        let mut random = Random::new(2);
        let hits = (0..10_000).filter(|_| random.chance(MILLION / 10)).count();
        assert!((800..1_200).contains(&hits), "{hits}");
        assert!(!random.chance(0) && random.chance(MILLION));
    }
}
