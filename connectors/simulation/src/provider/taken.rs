//! A provider's own limit: how many calls of a page it takes in any second.

use sluice_core::PageId;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// When calls of the last second were taken, by page.
#[derive(Debug, Default)]
pub(super) struct Taken(BTreeMap<PageId, VecDeque<Duration>>);

impl Taken {
    /// Whether another call of the page is taken at `now`, and remembers it. `per_second_max` of 0 takes all.
    pub(super) fn takes(&mut self, page: &PageId, now: Duration, per_second_max: u32) -> bool {
        if per_second_max == 0 {
            return true;
        }
        let calls = self.0.entry(page.clone()).or_default();
        while calls.front().is_some_and(|call| *call + Duration::from_secs(1) <= now) {
            calls.pop_front();
        }
        let takes = calls.len() < per_second_max as usize;
        if takes {
            calls.push_back(now);
        }
        takes
    }
}
