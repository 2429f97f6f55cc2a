//! Which prefix of a partition of `chunks` is done: the position that may be committed.

use std::collections::BTreeSet;

/// Unfinished records of one partition. The watermark is the first of them: what a restart reads again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watermark {
    next: u64,
    unfinished: BTreeSet<u64>,
}

impl Watermark {
    pub(crate) fn new(position: u64) -> Self {
        Self { next: position, unfinished: BTreeSet::new() }
    }

    /// A record was delivered and has to be finished.
    pub(crate) fn begin(&mut self, offset: u64) {
        self.next = self.next.max(offset + 1);
        self.unfinished.insert(offset);
    }

    /// A record needs nothing (any more).
    pub(crate) fn finish(&mut self, offset: u64) {
        self.next = self.next.max(offset + 1);
        self.unfinished.remove(&offset);
    }

    /// Everything below is done.
    pub(crate) fn position(&self) -> u64 {
        self.unfinished.first().copied().unwrap_or(self.next)
    }

    /// The first unfinished record, once `carry_after` finished ones lie above it: those a restart reads in vain. What
    /// is unfinished as well has to be read again anyway, so a page that is held for hours has nothing carried.
    pub(crate) fn pinned(&self, carry_after: u64) -> Option<u64> {
        let in_vain = |offset: u64| (self.next - offset).saturating_sub(self.unfinished.len() as u64);
        self.unfinished.first().copied().filter(|offset| in_vain(*offset) >= carry_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g2_nothing_is_committed_over_an_unfinished_record() {
        let mut watermark = Watermark::new(5);
        for offset in 5..9 {
            watermark.begin(offset);
        }
        watermark.finish(5);
        watermark.finish(7);
        assert_eq!(watermark.position(), 6);
        watermark.finish(6);
        assert_eq!(watermark.position(), 8);
        watermark.finish(8);
        assert_eq!(watermark.position(), 9);
    }

    #[test]
    fn hazard_27_an_old_record_is_noticed_when_many_newer_ones_came() {
        let mut watermark = Watermark::new(0);
        (0..10).for_each(|offset| watermark.begin(offset));
        (1..10).for_each(|offset| watermark.finish(offset));
        assert_eq!((watermark.pinned(10), watermark.pinned(9)), (None, Some(0)));
    }

    #[test]
    fn hazard_27_what_is_held_is_not_carried_round_and_round() {
        let mut watermark = Watermark::new(0);
        (0..1_000).for_each(|offset| watermark.begin(offset));
        assert_eq!(watermark.pinned(10), None);
        (1..1_000).step_by(2).for_each(|offset| watermark.finish(offset));
        let mut carried = 0;
        let mut next = 1_000;
        while let Some(offset) = watermark.pinned(10) {
            watermark.begin(next);
            watermark.finish(offset);
            (carried, next) = (carried + 1, next + 1);
        }
        assert!((400..=500).contains(&carried), "{carried}");
    }
}
