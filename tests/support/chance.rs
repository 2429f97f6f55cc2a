//! Random moments that can be had again.

use sluice_runtime::{Clock, SystemClock};

/// A seeded generator (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// From `SLUICE_TEST_SEED`, or another seed each time; says which one on stdout, which a failing test shows.
    #[expect(clippy::print_stdout, reason = "a failure has to be repeatable")]
    pub fn new(test: &str) -> Self {
        let given = std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| SystemClock.wall_ms().unsigned_abs());
        println!("{test}: to have the same moments again, set SLUICE_TEST_SEED={seed}");
        Self(seed)
    }

    /// A number in `low..high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (mixed ^ (mixed >> 31)) % (high - low)
    }
}
