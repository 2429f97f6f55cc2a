//! The queues of one campaign inside a page, one a class: chunks to be called, retries that become due, and what
//! waits for its outcome to show.
//!
//! A chunk is homogeneous, so a lane holds descriptors, not messages; only what can be called next is decoded, and
//! a class whose window is closed holds no other up (G6).
//!
//! - [`Work`]: one attempt of some recipients of a chunk; [`SpanCursor`]: how far its records are read.

mod spans;
#[cfg(test)]
mod tests;
mod work;

pub use spans::SpanCursor;
pub use work::{Source, Work};

use crate::chunk_state::ChunkState;
use crate::ids::ChunkId;
use crate::index_set::IndexSet;
use sluice_schemas::GateClass;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use work::Asked;

/// What waits in one class.
#[derive(Debug, Clone, Default)]
struct Queue {
    /// First attempts, in order.
    first: VecDeque<u64>,
    /// Retries, by their time.
    retries: BTreeSet<(i64, u64)>,
}

impl Queue {
    fn due(&self, now_ms: i64) -> Option<(i64, u64)> {
        self.retries.first().copied().filter(|(not_before_ms, _)| *not_before_ms <= now_ms)
    }

    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.retries.is_empty()
    }
}

/// All works of one campaign on one page. Every step costs the logarithm of their number, however many chunks wait
/// or retries are to come, and the number of its classes.
#[derive(Debug, Clone, Default)]
pub struct Lane {
    /// By number, in the order in which they came.
    works: BTreeMap<u64, Work>,
    numbers: BTreeMap<Asked, BTreeSet<u64>>,
    next_number: u64,
    queues: BTreeMap<Arc<GateClass>, Queue>,
    /// Decoded to the end, waiting for outcomes to show.
    settling: BTreeSet<(ChunkId, u64)>,
}

impl Lane {
    /// Adds a work; one that is known only gets another record to finish.
    pub fn add(&mut self, work: Work) {
        let candidates = self.numbers.entry(work.asked).or_default();
        let is_same = |known: &&u64| {
            let known = self.works.get(*known);
            known.is_some_and(|known| work.attempt == 1 || known.unfinished == work.unfinished)
        };
        if let Some(known) = candidates.iter().find(is_same).copied() {
            if let Some(known) = self.works.get_mut(&known) {
                known.records.extend(work.records);
            }
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        candidates.insert(number);
        let queue = self.queues.entry(work.class.clone()).or_default();
        if work.attempt == 1 {
            queue.first.push_back(number);
        } else {
            queue.retries.insert((work.not_before_ms, number));
        }
        self.works.insert(number, work);
    }

    /// The work to decode next, of a class that is open: retries that are due first, they are few and waited
    /// already; of several classes what came first.
    pub fn next(&mut self, now_ms: i64, is_open: impl Fn(&GateClass) -> bool) -> Option<(u64, &mut Work)> {
        let open = || self.queues.iter().filter(|(class, _)| is_open(class)).map(|(_, queue)| queue);
        let due = open().filter_map(|queue| queue.due(now_ms)).min().map(|(_, number)| number);
        let number = due.or_else(|| open().filter_map(|queue| queue.first.front().copied()).min())?;
        Some((number, self.works.get_mut(&number)?))
    }

    /// The classes that something waits in.
    pub fn classes(&self) -> impl Iterator<Item = &Arc<GateClass>> {
        self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(class, _)| class)
    }

    /// Recipients of a class that are neither decoded nor known to be finished.
    pub fn waiting_of(&self, class: &GateClass) -> u64 {
        let Some(queue) = self.queues.get(class) else { return 0 };
        let numbers = queue.first.iter().copied().chain(queue.retries.iter().map(|(_, number)| *number));
        let works = numbers.filter_map(|number| self.works.get(&number));
        works.map(|work| u64::from(work.unfinished.len() - work.taken.len().min(work.unfinished.len()))).sum()
    }

    /// Puts decoded recipients back that can't be called now.
    pub fn put_back(&mut self, chunk: ChunkId, attempt: u8, indexes: &IndexSet) {
        let of_chunk =
            self.works.iter_mut().filter(|(_, work)| work.chunk == chunk && work.attempt == attempt);
        let mut again = Vec::new();
        for (number, work) in of_chunk {
            let mut mine = indexes.clone();
            mine.intersect_with(&work.taken);
            if !mine.is_empty() {
                work.put_back(&mine);
                work.source = Source::Rows;
                again.push(*number);
            }
        }
        for number in again {
            if self.settling.remove(&(chunk, number)) {
                self.decode_again(number);
            }
        }
    }

    /// A work by its number, as long as it is there.
    pub fn work(&mut self, number: u64) -> Option<&mut Work> {
        self.works.get_mut(&number)
    }

    /// This work is decoded to the end.
    pub fn is_decoded(&mut self, number: u64) {
        let Some(work) = self.works.get(&number) else { return };
        self.settling.insert((work.chunk, number));
        let Some(queue) = self.queues.get_mut(&work.class) else { return };
        if !queue.retries.remove(&(work.not_before_ms, number)) {
            // Nearly always the first.
            let place = queue.first.iter().position(|first| *first == number);
            place.map(|place| queue.first.remove(place));
        }
        if queue.is_empty() {
            self.queues.remove(&work.class);
        }
    }

    /// When the next retry becomes due, in ms since 1970.
    pub fn next_retry_ms(&self) -> Option<i64> {
        let firsts = self.queues.values().filter_map(|queue| queue.retries.first());
        firsts.map(|(not_before_ms, _)| *not_before_ms).min()
    }

    fn settling_of(&self, chunk: ChunkId) -> Vec<u64> {
        self.settling.range((chunk, 0)..=(chunk, u64::MAX)).map(|(_, number)| *number).collect()
    }

    /// What waits for outcomes of `chunk` looks at its state (see [`Work::observe`]): the finished works leave, those
    /// whose recipients may be called after all are decoded again. Whether any still waits.
    pub fn settle(&mut self, chunk: ChunkId, state: &ChunkState, busy: &IndexSet) -> (Vec<Work>, bool) {
        let (mut finished, mut waits) = (Vec::new(), false);
        for number in self.settling_of(chunk) {
            let Some(work) = self.works.get_mut(&number) else { continue };
            work.observe(state, busy);
            if work.is_finished() {
                finished.extend(self.remove(number));
                continue;
            }
            waits = true;
            if !work.unloaded.is_empty() {
                self.settling.remove(&(chunk, number));
                self.decode_again(number);
            }
        }
        (finished, waits)
    }

    fn remove(&mut self, number: u64) -> Option<Work> {
        let work = self.works.remove(&number)?;
        self.settling.remove(&(work.chunk, number));
        if let Some(numbers) = self.numbers.get_mut(&work.asked) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.numbers.remove(&work.asked);
            }
        }
        Some(work)
    }

    /// Every work starts over: what was decoded under a former grant of the page is forgotten.
    pub fn restart(&mut self) {
        self.works.values_mut().for_each(Work::restart);
        for (_, number) in std::mem::take(&mut self.settling) {
            self.decode_again(number);
        }
    }

    fn decode_again(&mut self, number: u64) {
        let Some(work) = self.works.get_mut(&number) else { return };
        work.source = Source::Rows;
        let queue = self.queues.entry(work.class.clone()).or_default();
        if work.attempt == 1 {
            queue.first.push_front(number);
        } else {
            queue.retries.insert((work.not_before_ms, number));
        }
    }

    /// Every work.
    pub fn works(&self) -> impl Iterator<Item = &Work> {
        self.works.values()
    }

    /// Whether there is no work.
    pub fn is_empty(&self) -> bool {
        self.works.is_empty()
    }
}
