//! How far ahead a page grants.
//!
//! A grant has to be there before its slots. How long the store takes to answer differs by a hundred times between a
//! file here and replicas on two continents, so it is measured: otherwise a page whose grants take longer than it grants
//! ahead would use only a part of its rate.

use std::time::Duration;

/// How long grants take to be answered: the longest of late, which fades.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Patience {
    longest: Duration,
}

impl Patience {
    /// A grant was answered after `took`. More than `max` is an outage, and nothing to grant ahead for.
    pub(super) fn answered(&mut self, took: Duration, max: Duration) {
        let faded = self.longest - self.longest / 16;
        self.longest = took.max(faded).min(max);
    }

    /// So much more than usual is granted ahead: while a grant is answered nothing is asked for, so what it brings has to
    /// last until the next one is answered as well.
    pub(super) fn needed(&self) -> Duration {
        self.longest * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g6_a_slow_answer_counts_at_once_and_fades() {
        let (ms, max) = (Duration::from_millis, Duration::from_millis(500));
        let mut patience = Patience::default();
        patience.answered(ms(80), max);
        assert_eq!(patience.needed(), ms(160));
        patience.answered(ms(20), max);
        assert_eq!(patience.needed(), ms(150));
        (0..100).for_each(|_| patience.answered(ms(20), max));
        assert_eq!(patience.needed(), ms(40));
        patience.answered(ms(30_000), max);
        assert_eq!(patience.needed(), max * 2);
    }
}
