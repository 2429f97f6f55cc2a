//! Which records of a partition of `chunks` the pages have in memory, and which are parked: delivered, not finished, and
//! read again from the log when there is room for them.
//!
//! So a page that is blocked, or a campaign that is paused for weeks, fills its own share of the memory and no more:
//! the records of others pass it by (G6), and memory stays bounded (G9).

use crate::watermark::Watermark;
use sluice_core::{CampaignId, PageId};
use std::collections::BTreeMap;

/// Records that wait for the same thing: those of one campaign on one page, retries for themselves because they may wait
/// for hours while first attempts go on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) page: PageId,
    pub(crate) campaign: CampaignId,
    pub(crate) is_retry: bool,
}

/// Of one line.
#[derive(Debug, Clone, Default)]
struct Share {
    /// Records that its page has.
    open: usize,
    /// Records that are parked.
    parked: usize,
}

/// The unfinished records of one partition.
#[derive(Debug, Clone)]
pub(crate) struct Backlog {
    watermark: Watermark,
    open_max: usize,
    open: BTreeMap<u64, Line>,
    parked: BTreeMap<u64, Line>,
    shares: BTreeMap<Line, Share>,
}

/// Records of a line that are always let in: its page has something to do while the rest is read again.
const SHARE_MIN: usize = 4;

/// Parked records for each that may be open. A parked one takes some 100 bytes, an open one a bitmap and more.
const PARKED_FOR_EACH: usize = 10;

impl Backlog {
    /// Up to about `open_max` records are let in; in no case two and a half times as many.
    pub(crate) fn new(position: u64, open_max: usize) -> Self {
        let (open, parked) = (BTreeMap::new(), BTreeMap::new());
        Self { watermark: Watermark::new(position), open_max, open, parked, shares: BTreeMap::new() }
    }

    /// A record was delivered and has to be finished. Whether its page gets it now; otherwise it is parked.
    pub(crate) fn begin(&mut self, offset: u64, line: &Line) -> bool {
        self.watermark.begin(offset);
        let is_let_in = self.has_room(self.open_of(line));
        let share = self.shares.entry(line.clone()).or_default();
        // Behind those of its line that wait already.
        if is_let_in && share.parked == 0 {
            share.open += 1;
            self.open.insert(offset, line.clone());
            return true;
        }
        share.parked += 1;
        self.parked.insert(offset, line.clone());
        false
    }

    /// A record was delivered that no page is to have.
    pub(crate) fn begin_apart(&mut self, offset: u64) {
        self.watermark.begin(offset);
    }

    /// A record needs nothing (any more).
    pub(crate) fn finish(&mut self, offset: u64) {
        self.carried(offset);
        if let Some(line) = self.open.remove(&offset) {
            self.change(&line, |share| share.open -= 1);
        }
    }

    /// The first parked record that there is room for: it is to be read again, and what follows it.
    pub(crate) fn wanted(&self) -> Option<u64> {
        if self.parked.is_empty() {
            return None;
        }
        if self.open.len() * 2 <= self.open_max {
            return self.parked.first_key_value().map(|(offset, _)| *offset);
        }
        // Not one by one: a read is worth the more records it brings.
        let few = (self.share() / 2).max(SHARE_MIN / 2);
        let is_served = |of: &Share| of.open <= few && self.has_room(of.open);
        if !self.shares.values().any(|of| of.parked > 0 && is_served(of)) {
            return None;
        }
        let is_next = |line: &Line| self.shares.get(line).is_some_and(is_served);
        self.parked.iter().find(|(_, line)| is_next(line)).map(|(offset, _)| *offset)
    }

    /// A parked record was read again. Whether its page gets it now; otherwise it stays parked.
    pub(crate) fn unpark(&mut self, offset: u64) -> bool {
        let Some(line) = self.parked.get(&offset).cloned() else { return false };
        if !self.has_room(self.open_of(&line)) {
            return false;
        }
        self.parked.remove(&offset);
        self.change(&line, |share| {
            share.parked -= 1;
            share.open += 1;
        });
        self.open.insert(offset, line);
        true
    }

    /// A record was produced again at the end: it is done, but its page keeps it in memory until it is finished there.
    pub(crate) fn carried(&mut self, offset: u64) {
        self.watermark.finish(offset);
        if let Some(line) = self.parked.remove(&offset) {
            self.change(&line, |share| share.parked -= 1);
        }
    }

    /// Parked records that can't be read again are given up.
    pub(crate) fn forget_parked_below(&mut self, start: u64) {
        let gone: Vec<u64> = self.parked.range(..start).map(|(offset, _)| *offset).collect();
        gone.into_iter().for_each(|offset| self.finish(offset));
    }

    fn change(&mut self, line: &Line, change: impl FnOnce(&mut Share)) {
        let Some(share) = self.shares.get_mut(line) else { return };
        change(share);
        if share.open == 0 && share.parked == 0 {
            self.shares.remove(line);
        }
    }

    fn open_of(&self, line: &Line) -> usize {
        self.shares.get(line).map_or(0, |share| share.open)
    }

    /// Whether a line with `open` records in memory may have another one.
    fn has_room(&self, open: usize) -> bool {
        let all = self.open.len();
        // A line that comes late finds something, however many were there before.
        let is_late = open < SHARE_MIN && all < self.open_max * 2 + self.open_max / 2;
        all < self.open_max || open < self.share() || is_late
    }

    /// What each line may have where it is crowded: half of what is left, so that a few can't use all of it up.
    fn share(&self) -> usize {
        (self.open_max * 2).saturating_sub(self.open.len()) / 2
    }

    /// Whether nothing more should be delivered: even what is parked has become too much.
    pub(crate) fn is_full(&self) -> bool {
        self.parked.len() > self.open_max * PARKED_FOR_EACH
    }

    /// Everything below is done.
    pub(crate) fn position(&self) -> u64 {
        self.watermark.position()
    }

    /// See [`Watermark::pinned`].
    pub(crate) fn pinned(&self, carry_after: u64) -> Option<u64> {
        self.watermark.pinned(carry_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(page: &str) -> Line {
        Line { page: PageId::from(page), campaign: CampaignId::of("t", "c"), is_retry: false }
    }

    #[test]
    fn g6_what_is_held_takes_its_share_and_others_pass_by() {
        let mut backlog = Backlog::new(0, 100);
        let (held, other) = (line("held"), line("other"));
        let let_in = (0..5_000).filter(|offset| backlog.begin(*offset, &held)).count();
        assert_eq!(let_in, 100, "alone it may have everything");
        assert!((5_000..5_030).all(|offset| backlog.begin(offset, &other)));
        (5_000..5_030).for_each(|offset| backlog.finish(offset));
        assert_eq!((backlog.position(), backlog.is_full()), (0, true));
        assert_eq!(backlog.wanted(), None);
    }

    #[test]
    fn g2_what_was_parked_comes_back_in_order_as_records_finish_and_none_is_passed_by() {
        let mut backlog = Backlog::new(0, 10);
        let held = line("held");
        let mut had: Vec<u64> = (0..300).filter(|offset| backlog.begin(*offset, &held)).collect();
        let mut finished = 0;
        while let Some(offset) = had.get(finished).copied() {
            assert_eq!(backlog.position(), offset);
            backlog.finish(offset);
            finished += 1;
            while let Some(first) = backlog.wanted() {
                had.extend((first..300).filter(|offset| backlog.unpark(*offset)));
            }
            assert!(had.len() - finished <= 10);
        }
        assert!(had.iter().copied().eq(0..300) && backlog.shares.is_empty());
        assert_eq!(backlog.position(), 300);
    }

    #[test]
    fn g6_however_many_campaigns_are_held_the_next_one_is_let_in() {
        let mut backlog = Backlog::new(0, 200);
        for held in 0..20 {
            (0..1_000).for_each(|number| {
                backlog.begin(held * 1_000 + number, &line(&format!("held-{held}")));
            });
        }
        assert!((20_000..20_004).all(|offset| backlog.begin(offset, &line("urgent"))));
    }

    #[test]
    fn g6_first_attempts_do_not_wait_for_retries_that_come_hours_later() {
        let mut backlog = Backlog::new(0, 10);
        let retries = Line { is_retry: true, ..line("page") };
        (0..50).for_each(|offset| {
            backlog.begin(offset, &retries);
        });
        assert!(backlog.begin(50, &line("page")));
    }

    #[test]
    fn g9_however_many_lines_there_are_what_is_let_in_is_bounded() {
        let mut backlog = Backlog::new(0, 50);
        for offset in 0..2_000 {
            backlog.begin(offset, &line(&format!("page-{}", offset % 300)));
        }
        assert_eq!(backlog.open.len(), 125);
        for offset in 0..2_000 {
            backlog.finish(offset);
            while let Some(first) = backlog.wanted() {
                let let_in = (first..2_000).filter(|offset| backlog.unpark(*offset)).count();
                assert!(let_in > 0, "what is wanted is let in");
            }
            assert!(backlog.open.len() <= 125 && backlog.position() == offset + 1);
        }
    }

    #[test]
    fn hazard_27_a_parked_record_that_was_carried_forward_is_done() {
        let mut backlog = Backlog::new(0, 1);
        (0..3).for_each(|offset| {
            backlog.begin(offset, &line("held"));
        });
        assert_eq!(backlog.parked.len(), 1);
        backlog.carried(2);
        assert_eq!((backlog.parked.len(), backlog.unpark(2)), (0, false));
        // An open one stays in its page's memory, and counts until the page lets go of it.
        backlog.carried(0);
        assert_eq!((backlog.position(), backlog.open.len()), (1, 2));
        backlog.finish(0);
        assert_eq!(backlog.open.len(), 1);
    }
}
