//! Chance without order: every answer follows from the seed, the address, the attempt and the question.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The chance of one attempt at one address.
///
/// The same (seed, address, attempt) gives the same answer to the same question, whatever came before;
/// two questions are independent of each other.
#[derive(Debug, Clone, Copy)]
pub struct Dice {
    base: u64,
}

impl Dice {
    /// Attempts count from 1; attempt 0 stands for what is true of the address at every attempt.
    #[must_use]
    pub fn new(seed: u64, address: &str, attempt: u32) -> Self {
        let of_address = xxh3_64_with_seed(address.as_bytes(), seed);
        Self { base: mix(of_address ^ mix(u64::from(attempt).wrapping_add(seed))) }
    }

    /// Dice for one aspect of the attempt, independent of these and of those of other aspects.
    #[must_use]
    pub fn about(&self, aspect: &str) -> Self {
        Self { base: mix(self.base ^ xxh3_64_with_seed(aspect.as_bytes(), 1)) }
    }

    /// A number in `0.0..100.0`, uniform over addresses.
    #[must_use]
    pub fn percent(&self, question: &str) -> f64 {
        let bits = mix(self.base ^ xxh3_64_with_seed(question.as_bytes(), 0)) >> 11;
        // 53 bits are what a float holds exactly.
        bits as f64 / (1u64 << 53) as f64 * 100.0
    }

    /// Whether something of this percentage happens.
    #[must_use]
    pub fn happens(&self, question: &str, percent: f64) -> bool {
        percent > 0.0 && self.percent(question) < percent
    }

    /// A whole number in `0..=max`.
    #[must_use]
    pub fn up_to(&self, question: &str, max: u64) -> u64 {
        if max == 0 { 0 } else { (self.percent(question) / 100.0 * (max as f64 + 1.0)) as u64 }
    }
}

/// The finaliser of splitmix64: every input bit reaches every output bit.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
