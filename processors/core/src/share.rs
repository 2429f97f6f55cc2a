//! Which campaign's sends go next on one page (B4, G6).
//!
//! Guarantees, for campaigns that have something to send:
//! - nothing of the page's capacity is left unused;
//! - urgent goes before normal, normal before bulk; but bulk keeps [`ShareOptions::bulk_percent`] of the page and
//!   normal [`ShareOptions::normal_percent`], however much the others have;
//! - campaigns of one priority get equally much, whatever the sizes of the allotments, to within one send;
//! - who had nothing to send, or was limited by something else, has nothing saved up;
//! - an urgent campaign that was not there before has its first send in the next allotment.

use crate::ids::CampaignId;
use serde::{Deserialize, Serialize};
use sluice_schemas::Priority;
use std::collections::BTreeMap;

/// What the lower priorities keep of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShareOptions {
    /// Of each page for bulk campaigns, in percent; 0 lets the others starve them. Default 5: it moves, and is
    /// hardly felt.
    pub bulk_percent: u32,
    /// Of each page for normal campaigns, in percent, as long as urgent ones want all of it; 0 lets these starve
    /// them. Default 20: an urgent campaign that is large does not stop a shop's daily business.
    pub normal_percent: u32,
}

impl Default for ShareOptions {
    fn default() -> Self {
        Self { bulk_percent: 5, normal_percent: 20 }
    }
}

/// What a priority can be owed at most, in hundredths of a send: newly arrived urgent campaigns go before the debt.
const OWED_MAX: u64 = 16 * 100;
/// The same for one that has nothing left to send: less than a send.
const OWED_IDLE_MAX: u64 = 99;

/// Campaigns that are remembered a priority, beside those that have something to send.
const REMEMBERED_MAX: usize = 1_024;

/// Urgent first.
const ORDER: [Priority; 3] = [Priority::Urgent, Priority::Normal, Priority::Bulk];

/// The memory of one page's allotments.
#[derive(Debug, Clone)]
pub struct Shares {
    levels: [Level; 3],
}

/// One priority.
#[derive(Debug, Clone, Default)]
struct Level {
    percent: u64,
    /// Sends that its share of earlier allotments still leaves it, in hundredths.
    owed: u64,
    queue: FairQueue,
}

/// One campaign that has something to send.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    campaign: CampaignId,
    available: u64,
}

impl Shares {
    /// For a page that sent nothing yet.
    pub fn new(options: ShareOptions) -> Self {
        let level = |percent: u32| Level { percent: percent.min(100).into(), ..Level::default() };
        Self { levels: [level(0), level(options.normal_percent), level(options.bulk_percent)] }
    }

    /// Divides `limit` sends among `candidates`, each named once, with how many sends it could make now (by its own
    /// limits). The answer has no zeros, and the higher priorities first.
    pub fn allot(
        &mut self,
        candidates: &[(CampaignId, Priority, usize)],
        limit: usize,
    ) -> Vec<(CampaignId, usize)> {
        let of_level = |priority: Priority| -> Vec<Candidate> {
            let wanted = candidates.iter().filter(|(_, of, available)| *of == priority && *available > 0);
            wanted
                .map(|(campaign, _, available)| Candidate {
                    campaign: *campaign,
                    available: *available as u64,
                })
                .collect()
        };
        let candidates = ORDER.map(of_level);
        let wanted = candidates.each_ref().map(|level| level.iter().map(|one| one.available).sum::<u64>());
        let quotas = self.quotas(&candidates, wanted, limit as u64);
        let mut allotted = Vec::new();
        for ((level, candidates), quota) in self.levels.iter_mut().zip(&candidates).zip(quotas) {
            let given = level.queue.give(candidates, quota);
            let named = candidates.iter().zip(given).filter(|(_, given)| *given > 0);
            allotted.extend(named.map(|(candidate, given)| (candidate.campaign, given as usize)));
        }
        allotted
    }

    /// How many sends each priority gets.
    fn quotas(&mut self, candidates: &[Vec<Candidate>; 3], wanted: [u64; 3], limit: u64) -> [u64; 3] {
        let total = limit.min(wanted.iter().sum());
        let arrived = candidates[0].iter().filter(|one| self.levels[0].queue.is_new(one.campaign)).count();
        let mut left = total - total.min(arrived as u64);
        let mut quotas = [0; 3];
        // What they keep, the lowest priority first: its share is the smallest.
        for at in [2, 1] {
            let level = &mut self.levels[at];
            level.owed += level.percent * total;
            quotas[at] = (level.owed / 100).min(wanted[at]).min(left);
            left -= quotas[at];
        }
        let mut left = total - quotas.iter().sum::<u64>();
        for (quota, wanted) in quotas.iter_mut().zip(wanted) {
            let more = left.min(wanted - *quota);
            *quota += more;
            left -= more;
        }
        for (level, (quota, wanted)) in self.levels.iter_mut().zip(quotas.into_iter().zip(wanted)) {
            let owed_max = if quota == wanted { OWED_IDLE_MAX } else { OWED_MAX };
            level.owed = level.owed.saturating_sub(100 * quota).min(owed_max);
        }
        quotas
    }
}

/// Equal turns by start-time fair queueing: each campaign counts the sends that it was given, the one with the
/// fewest is next, and whoever returns counts from where the others are.
#[derive(Debug, Clone, Default)]
struct FairQueue {
    turns: BTreeMap<CampaignId, Turns>,
    /// The count of those who were next when the latest allotment ended.
    floor: i64,
}

#[derive(Debug, Clone, Copy)]
struct Turns {
    count: i64,
    /// Whether it had a send yet.
    served: bool,
}

impl FairQueue {
    fn is_new(&self, campaign: CampaignId) -> bool {
        self.turns.get(&campaign).is_none_or(|turns| !turns.served)
    }

    /// Divides `quota`, which the candidates can use up, among them; in their order.
    fn give(&mut self, candidates: &[Candidate], quota: u64) -> Vec<u64> {
        let count_of = |one: &Candidate| match self.turns.get(&one.campaign) {
            Some(turns) if turns.served => turns.count.max(self.floor),
            // Before all who were there: it gets its first send at once.
            _ => self.floor - 1,
        };
        let counts: Vec<i64> = candidates.iter().map(count_of).collect();
        let level = level(candidates, &counts, quota);
        let below = |at: usize| filled(&candidates[at], counts[at], level);
        let mut given: Vec<u64> = (0..candidates.len()).map(below).collect();
        // What is less than a turn for all goes to some, the others are before them next time. First to those who were
        // given the fewest, also while they were away: whoever is there now and then only would never be first by name.
        let mut left = quota - given.iter().sum::<u64>();
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        let given_before =
            |one: &Candidate| self.turns.get(&one.campaign).map_or(i64::MIN, |turns| turns.count);
        order.sort_by_key(|&at| (given_before(&candidates[at]), candidates[at].campaign));
        for at in order {
            if left > 0 && counts[at] <= level && given[at] < candidates[at].available {
                given[at] += 1;
                left -= 1;
            }
        }
        self.remember(candidates, &counts, &given);
        given
    }

    fn remember(&mut self, candidates: &[Candidate], counts: &[i64], given: &[u64]) {
        if candidates.is_empty() {
            return;
        }
        let after = |at: usize| counts[at] + given[at] as i64;
        let waiting =
            (0..candidates.len()).filter(|&at| given[at] < candidates[at].available).map(after).min();
        let served = (0..candidates.len()).map(after).max();
        self.floor = self.floor.max(waiting.or(served).unwrap_or(self.floor));
        let turns = |at: usize| Turns {
            count: after(at),
            served: given[at] > 0 || !self.is_new(candidates[at].campaign),
        };
        let turns: Vec<Turns> = (0..candidates.len()).map(turns).collect();
        if self.turns.len() > REMEMBERED_MAX {
            self.turns.clear();
        }
        self.turns.extend(candidates.iter().map(|one| one.campaign).zip(turns));
    }
}

/// The highest count up to which the quota lifts all candidates that are below it and have enough.
fn level(candidates: &[Candidate], counts: &[i64], quota: u64) -> i64 {
    let cost = |level: i64| -> u64 {
        candidates.iter().zip(counts).map(|(one, count)| filled(one, *count, level)).sum()
    };
    let lowest = counts.iter().copied().min().unwrap_or(0);
    let highest = counts.iter().copied().max().unwrap_or(0);
    // From `low` it is enough, from `high` too much or more than they all have.
    let (mut low, mut high) = (lowest, highest.saturating_add_unsigned(quota) + 1);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if cost(middle) <= quota { low = middle } else { high = middle }
    }
    low
}

/// What lifts a candidate from its count to a level.
fn filled(candidate: &Candidate, count: i64, level: i64) -> u64 {
    u64::try_from(level.saturating_sub(count)).unwrap_or(0).min(candidate.available)
}

#[cfg(test)]
mod tests;
