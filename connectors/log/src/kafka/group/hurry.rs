//! How often a member that has just joined asks its group for partitions.
//!
//! With KIP-848 a broker tells a member with its next heartbeat what has become free for it. Whoever held a partition
//! until then says at once that it has let go; who gets it would hear of it up to an interval later, and the pages of
//! the partition stand still meanwhile. So a member that has nothing to do yet but to wait for the others asks more
//! often, the less so the longer it takes: what it adds to a hand-over is a small part of it.

use std::time::Duration;

/// Between two questions at first.
const PAUSE: Duration = Duration::from_millis(40);

/// Later, as a part of the time that it has taken.
const PART: u32 = 10;

/// Then heartbeats are enough: a former owner has heard of the group's new member by its own heartbeat (every 5 s where
/// nobody set the brokers' interval), and has finished, or its time was over.
const LASTS: Duration = Duration::from_secs(15);

/// Since when a member waits for partitions of others, and when it asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hurry {
    since: Duration,
    asked: Duration,
}

impl Hurry {
    /// The member joins now, or again.
    pub(crate) fn new(now: Duration) -> Self {
        Self { since: now, asked: now }
    }

    /// Whether it still waits.
    pub(crate) fn lasts(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) < LASTS
    }

    /// Whether it asks now. If so, the next question comes after a pause.
    pub(crate) fn asks(&mut self, now: Duration) -> bool {
        let pause = (now.saturating_sub(self.since) / PART).max(PAUSE);
        let is_due = self.lasts(now) && now.saturating_sub(self.asked) >= pause;
        if is_due {
            self.asked = now;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_joins_asks_often_at_first_and_less_and_less() {
        let began = Duration::from_secs(100);
        let mut hurry = Hurry::new(began);
        let asked: Vec<Duration> =
            (0..20_000).map(Duration::from_millis).filter(|since| hurry.asks(began + *since)).collect();
        assert_eq!(asked[..3], [40, 80, 120].map(Duration::from_millis));
        // Whatever happens is heard of within a tenth of the time that it took, or 40 ms.
        let late = asked.windows(2).map(|pair| (pair[1], pair[1] - pair[0]));
        assert!(late.clone().all(|(at, pause)| pause <= (at / PART).max(PAUSE) + Duration::from_millis(1)));
        assert!(asked.len() < 60, "{}", asked.len());
        assert!(*asked.last().unwrap() < LASTS && !hurry.lasts(began + LASTS));
    }
}
