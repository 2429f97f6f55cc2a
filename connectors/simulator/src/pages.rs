//! The pages that send: their counts, and their limit over a moving second.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::channel::Channel;
use crate::clock::Clock;
use crate::log::Outcome;
use crate::stats::PageStats;

const SECOND_US: u64 = 1_000_000;

/// One page's calls of the last second. Pure: time is an argument.
#[derive(Debug, Default)]
struct Window {
    arrived: VecDeque<u64>,
    admitted: VecDeque<u64>,
    busiest: u64,
}

impl Window {
    /// Counts an arrival; true if the page stays within `limit` admitted calls in any moving second.
    fn arrive(&mut self, now_us: u64, limit: Option<u32>) -> bool {
        push(&mut self.arrived, now_us);
        self.busiest = self.busiest.max(self.arrived.len() as u64);
        let Some(limit) = limit else { return true };
        expire(&mut self.admitted, now_us);
        let free = self.admitted.len() < limit as usize;
        if free {
            self.admitted.push_back(now_us);
        }
        free
    }
}

fn push(times: &mut VecDeque<u64>, now_us: u64) {
    expire(times, now_us);
    times.push_back(now_us);
}

fn expire(times: &mut VecDeque<u64>, now_us: u64) {
    while times.front().is_some_and(|first| first.saturating_add(SECOND_US) <= now_us) {
        times.pop_front();
    }
}

#[derive(Debug, Default)]
struct Page {
    window: Window,
    counts: PageStats,
}

/// What the limit says of one arrival.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) t_us: u64,
    pub(crate) within_limit: bool,
    /// Percent of the limit used in the last second, this call included; 0 without a limit.
    pub(crate) used_percent: u64,
}

/// One page, shared by the calls on it.
#[derive(Debug, Default, Clone)]
pub(crate) struct PageHandle(Arc<Mutex<Page>>);

impl PageHandle {
    /// The time is read under the lock, so that a page's arrivals are in order.
    pub(crate) fn arrive(&self, clock: &Clock, limit: Option<u32>) -> Arrival {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let t_us = clock.now_us();
        let within_limit = page.window.arrive(t_us, limit);
        let used_percent =
            limit.map_or(0, |limit| page.window.arrived.len() as u64 * 100 / u64::from(limit.max(1)));
        page.counts.busiest_second = page.window.busiest;
        Arrival { t_us, within_limit, used_percent }
    }

    pub(crate) fn count(&self, outcome: Outcome) {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut page.counts;
        counts.calls += 1;
        match outcome {
            o if o.is_accepted() => counts.accepted += 1,
            Outcome::Throttled => counts.throttled += 1,
            Outcome::Rejected => counts.rejected += 1,
            Outcome::Unauthorized => counts.unauthorized += 1,
            Outcome::Failed => counts.failed += 1,
            _ => counts.unanswered += 1,
        }
        if matches!(outcome, Outcome::HangAccepted | Outcome::ClosedAfter) {
            counts.unanswered += 1;
        }
    }
}

/// All pages seen so far.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    by_id: RwLock<HashMap<Channel, HashMap<Arc<str>, PageHandle>>>,
}

impl Pages {
    pub(crate) fn get(&self, channel: Channel, page: &Arc<str>) -> PageHandle {
        let known = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.get(&channel).and_then(|pages| pages.get(page)) {
            return handle.clone();
        }
        drop(known);
        let mut known = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(channel).or_default().entry(Arc::clone(page)).or_default().clone()
    }

    /// Counts by `channel/page`.
    pub(crate) fn stats(&self) -> BTreeMap<String, PageStats> {
        let known = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        let mut stats = BTreeMap::new();
        for (channel, pages) in known.iter() {
            for (id, page) in pages {
                let counts = page.0.lock().unwrap_or_else(PoisonError::into_inner).counts.clone();
                stats.insert(format!("{channel}/{id}"), counts);
            }
        }
        stats
    }
}
