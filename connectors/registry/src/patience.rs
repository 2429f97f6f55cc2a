//! How long to wait before asking again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(10);

/// Waits that double from 100 ms to 10 s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    next: Duration,
}

impl Waits {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next wait; a part of `left` where less is left.
    pub(crate) fn next(&mut self, left: Duration) -> Duration {
        let wait = self.next.min(left);
        self.next = (self.next * 2).min(LAST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_ten_seconds_and_never_exceed_what_is_left() {
        let mut waits = Waits::new();
        let all: Vec<u128> = (0..9).map(|_| waits.next(Duration::MAX).as_millis()).collect();
        assert_eq!(all, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        assert_eq!(waits.next(Duration::from_millis(7)), Duration::from_millis(7));
    }
}
