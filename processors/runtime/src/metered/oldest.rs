//! How long the oldest record of a partition has been waiting, from looks at its end now and then.

use std::collections::VecDeque;
use std::time::Duration;

/// Looks remembered at most.
const LOOKS_MAX: usize = 64;

/// Ends of one partition and when they were first seen, in order.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    looks: VecDeque<(u64, Duration)>,
}

impl Oldest {
    /// Takes in one look; gives the age of the oldest record that is not committed, zero without one.
    ///
    /// It is exact to the time between two looks while a backlog is new. Of a long one every other look is
    /// forgotten, which can only make the oldest record seem younger.
    pub(super) fn look(&mut self, committed: u64, end: u64, now: Duration) -> Duration {
        if self.looks.back().is_some_and(|(known, _)| end < *known) {
            // The topic was made anew.
            self.looks.clear();
        }
        if self.looks.back().is_none_or(|(known, _)| *known < end) {
            self.looks.push_back((end, now));
        }
        while self.looks.front().is_some_and(|(known, _)| *known <= committed) && self.looks.len() > 1 {
            self.looks.pop_front();
        }
        if self.looks.len() > LOOKS_MAX {
            let mut keep = false;
            self.looks.retain(|_| {
                keep = !keep;
                keep
            });
        }
        match self.looks.front() {
            Some((known, since)) if *known > committed => now.saturating_sub(*since),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_backlog_is_as_old_as_the_look_that_saw_it_first() {
        let mut oldest = Oldest::default();
        assert_eq!(oldest.look(0, 0, at(0)), at(0));
        assert_eq!(oldest.look(0, 10, at(5)), at(0));
        assert_eq!(oldest.look(3, 20, at(10)), at(5));
        assert_eq!(oldest.look(10, 20, at(15)), at(5), "what came at 5 is done, what came at 10 is not");
        assert_eq!(oldest.look(20, 20, at(20)), at(0));
        assert_eq!(oldest.look(20, 21, at(25)), at(0));
        assert_eq!(oldest.look(20, 21, at(30)), at(5));
    }

    #[test]
    fn g9_a_backlog_that_lasts_takes_no_more_memory_and_stays_old() {
        let mut oldest = Oldest::default();
        let mut age = at(0);
        for step in 0..10_000 {
            age = oldest.look(0, step + 1, at(step * 5));
            assert!(oldest.looks.len() <= LOOKS_MAX);
        }
        assert_eq!(age, at(9_999 * 5), "the first look is never forgotten");
    }

    #[test]
    fn a_topic_that_was_made_anew_starts_again() {
        let mut oldest = Oldest::default();
        oldest.look(0, 100, at(0));
        assert_eq!(oldest.look(0, 5, at(50)), at(0));
    }
}
