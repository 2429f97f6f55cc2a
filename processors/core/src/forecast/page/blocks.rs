//! Weeks that repeat themselves are skipped: a year is as quick as a month.

use super::Page;
use crate::forecast::Limit;
use crate::forecast::daily::NOTHING;
use crate::moment;
use crate::window::Opening;
use std::collections::BTreeMap;

/// Two weeks: windows repeat after one, and daily limits, whose calls count a little longer than a day, shift by
/// less than a tenth of a week's calls.
const BLOCK_MS: i64 = 14 * 86_400_000;

/// How far two blocks may be apart to count as the same.
const SAME_WITHIN: f64 = 0.03;

/// What happened in the present and the latest block.
#[derive(Debug)]
pub(super) struct Blocks {
    begins_ms: i64,
    horizon_ms: i64,
    remaining: Vec<f64>,
    held: BTreeMap<Limit, i64>,
    /// Calls of each class in the block before, when nothing ended or began in it.
    before: Option<Vec<f64>>,
}

impl Blocks {
    pub(super) fn new(page: &Page<'_>, horizon_ms: i64) -> Self {
        Self {
            begins_ms: page.now_ms,
            horizon_ms,
            remaining: remaining(page),
            held: BTreeMap::new(),
            before: None,
        }
    }

    /// When the present block ends.
    pub(super) fn end_ms(&self) -> i64 {
        self.begins_ms + BLOCK_MS
    }

    /// At the end of a block: skips those that will be like it. `false`: nothing will ever be called again.
    pub(super) fn finish(&mut self, page: &mut Page<'_>) -> bool {
        let left = remaining(page);
        let calls: Vec<f64> =
            self.remaining.iter().zip(&left).map(|(before, after)| before - after).collect();
        // A class that ended in it, a start or a day make it unlike the next.
        let none_ended =
            self.remaining.iter().zip(&left).all(|(before, after)| *after > NOTHING || *before <= NOTHING);
        let no_boundary = !boundaries(page).any(|at_ms| (self.begins_ms..page.now_ms).contains(&at_ms));
        let comparable = none_ended && no_boundary;
        let before = self.before.take().filter(|before| comparable && is_same(page, before, &calls));
        let goes_on = before.is_none_or(|before| {
            // Which class of a campaign goes first may take turns.
            let usual: Vec<f64> = before.iter().zip(&calls).map(|(a, b)| (a + b) / 2.0).collect();
            self.skip(page, &left, &usual)
        });
        self.before = comparable.then_some(calls);
        self.begins_ms = page.now_ms;
        self.remaining = remaining(page);
        self.held.clone_from(&page.held);
        goes_on
    }

    /// As many blocks as there are before a class ends or something else changes, less one.
    fn skip(&self, page: &mut Page<'_>, left: &[f64], calls: &[f64]) -> bool {
        let until_ms = boundaries(page).filter(|at_ms| *at_ms >= page.now_ms).min();
        let by_time = until_ms.unwrap_or(self.horizon_ms).saturating_sub(page.now_ms) / BLOCK_MS;
        let called = left.iter().zip(calls).filter(|(_, calls)| **calls > NOTHING);
        let by_calls = called.map(|(left, calls)| (left / calls) as i64).min();
        if by_calls.is_none() && until_ms.is_none() {
            return false;
        }
        let skipped = by_time.min(by_calls.unwrap_or(i64::MAX)) - 1;
        if skipped < 1 {
            return true;
        }
        let skipped_ms = skipped * BLOCK_MS;
        let mut calls = calls.iter();
        for campaign in &mut page.campaigns {
            for (class, calls) in campaign.classes.iter_mut().zip(calls.by_ref()) {
                let lost = class.load.window.weeks_lost(page.now_ms, page.now_ms + skipped_ms) / 2.0;
                class.remaining -= calls * (skipped as f64 - lost).max(0.0);
                // Asks its window again.
                class.opening = Opening::Closed { opens_ms: Some(page.now_ms) };
            }
        }
        let flows = page.campaigns.iter_mut().filter_map(|campaign| campaign.daily.as_mut());
        let above = page.daily.iter_mut().map(|(_, daily)| daily);
        flows.chain(above).for_each(|daily| daily.shift(skipped_ms));
        for (limit, held_ms) in &mut page.held {
            *held_ms += skipped * (*held_ms - self.held.get(limit).copied().unwrap_or(0));
        }
        page.now_ms += skipped_ms;
        true
    }
}

/// Whether each campaign made as many calls in one block as in the other.
fn is_same(page: &Page<'_>, before: &[f64], calls: &[f64]) -> bool {
    let mut classes = before.iter().zip(calls);
    page.campaigns.iter().all(|campaign| {
        let own = classes.by_ref().take(campaign.classes.len());
        let (a, b) = own.fold((0.0, 0.0), |(a, b), (before, now)| (a + before, b + now));
        (a - b).abs() <= SAME_WITHIN * a.max(b) + NOTHING
    })
}

fn remaining(page: &Page<'_>) -> Vec<f64> {
    let classes = page.campaigns.iter().flat_map(|campaign| &campaign.classes);
    classes.map(|class| class.remaining).collect()
}

/// The end of the page's wait; starts, ends and days of what is left.
fn boundaries(page: &Page<'_>) -> impl Iterator<Item = i64> {
    let of_campaigns = page.campaigns.iter().filter(|campaign| !campaign.is_done()).flat_map(|campaign| {
        let days = campaign.classes.iter().filter(|class| class.has_more());
        let days = days.filter_map(|class| Some(moment::day_start_ms(class.load.day?, class.load.zone)));
        [campaign.load.start_at_ms, campaign.load.end_at_ms].into_iter().flatten().chain(days)
    });
    of_campaigns.chain(page.load.waits_until_ms)
}
