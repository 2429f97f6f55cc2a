//! What the processors did, counted for metrics and benchmarks.

use crate::metrics;
use sluice_runtime::metrics::{Counters, Histograms, Metrics};
use sluice_schemas::{Fact, ReceiptEntry};

/// A number that only grows, since the start of the process.
#[derive(Debug)]
pub struct Count(Counters);

impl Count {
    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.at([]).get()
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.at([]).inc_by(more);
    }
}

/// Of the receipt processor, since the start of the process.
#[derive(Debug)]
pub struct ReceiptStats {
    /// Recipients that facts were merged about, by fact.
    merged: Counters,
    /// How old outcomes are when they are stored.
    delay: Histograms,
    /// Entries merged, replays included.
    pub facts: FactCount,
    /// Flushes.
    pub flushes: Count,
    /// Chunk states stored.
    pub saves: Count,
    /// Retry records made.
    pub retries: Count,
    /// Facts that had come before their send.
    pub early_facts: Count,
    /// Records nobody could use.
    pub dead_letters: Count,
}

/// A number for benchmarks; the metric beside it counts recipients, not entries.
#[derive(Debug, Default)]
pub struct FactCount(std::sync::atomic::AtomicU64);

impl FactCount {
    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Default for ReceiptStats {
    fn default() -> Self {
        Self {
            merged: metrics::MERGED.counters(),
            delay: metrics::MERGE_DELAY.histograms(),
            facts: FactCount::default(),
            flushes: Count(metrics::FLUSHES.counters()),
            saves: Count(metrics::SAVES.counters()),
            retries: Count(metrics::RETRIES.counters()),
            early_facts: Count(metrics::EARLY_FACTS.counters()),
            dead_letters: Count(metrics::RECEIPT_DEAD_LETTERS.counters()),
        }
    }
}

impl ReceiptStats {
    /// Exports all of it. Once in a process.
    pub fn register(&self, metrics: &Metrics) {
        for count in [&self.flushes, &self.saves, &self.retries, &self.early_facts, &self.dead_letters] {
            metrics.register(&count.0);
        }
        metrics.register(&self.merged);
        metrics.register(&self.delay);
    }

    /// Entries were merged.
    pub(crate) fn merged(&self, entries: &[ReceiptEntry]) {
        self.facts.0.fetch_add(entries.len() as u64, std::sync::atomic::Ordering::Relaxed);
        for entry in entries {
            let people = (i64::from(entry.last) - i64::from(entry.first) + 1).max(0);
            self.merged.at([metrics::fact_place(entry.fact)]).inc_by(people.unsigned_abs());
        }
    }

    /// Entries of one chunk are stored.
    pub(crate) fn stored(&self, entries: &[ReceiptEntry], now_ms: i64) {
        let outcomes = entries.iter().filter(|entry| matches!(entry.fact, Fact::Accepted | Fact::Failed));
        if let Some(oldest_ms) = outcomes.map(|entry| entry.at_ms).min() {
            let delay = now_ms.saturating_sub(oldest_ms).max(0) as f64 / 1_000.0;
            self.delay.at([]).observe(delay);
        }
    }
}

/// Of the webhook processor, since the start of the process.
#[derive(Debug)]
pub struct WebhookStats {
    /// Bodies read, replays included.
    pub bodies: Count,
    /// Facts found in them.
    pub facts: Count,
    /// Facts that went into a receipt.
    pub matched: Count,
    /// Facts given up because nobody knew their send.
    pub unmatched: Count,
    /// Bodies and facts nobody could use; unmatched ones included.
    pub dead_letters: Count,
}

impl Default for WebhookStats {
    fn default() -> Self {
        Self {
            bodies: Count(metrics::BODIES.counters()),
            facts: Count(metrics::WEBHOOK_FACTS.counters()),
            matched: Count(metrics::MATCHED.counters()),
            unmatched: Count(metrics::UNMATCHED.counters()),
            dead_letters: Count(metrics::WEBHOOK_DEAD_LETTERS.counters()),
        }
    }
}

impl WebhookStats {
    /// Exports all of it. Once in a process.
    pub fn register(&self, metrics: &Metrics) {
        for count in [&self.bodies, &self.facts, &self.matched, &self.unmatched, &self.dead_letters] {
            metrics.register(&count.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::chunk_state::entry;

    #[test]
    fn a_range_counts_everybody_in_it() {
        let stats = ReceiptStats::default();
        let entries = [entry(Fact::Accepted, 0, 99, 1, 5_000), entry(Fact::Read, 7, 7, 1, 9_000)];
        stats.merged(&entries);
        assert_eq!(stats.merged.at([Fact::Accepted as usize]).get(), 100);
        assert_eq!(stats.merged.at([Fact::Read as usize]).get(), 1);
        assert_eq!(stats.facts.get(), 2);
    }

    #[test]
    fn the_delay_is_that_of_the_oldest_outcome_and_webhooks_have_none() {
        let stats = ReceiptStats::default();
        stats.stored(&[entry(Fact::Read, 0, 0, 1, 0)], 9_000);
        stats.stored(&[entry(Fact::Accepted, 0, 0, 1, 8_500), entry(Fact::Failed, 1, 1, 1, 8_000)], 9_000);
        assert_eq!(stats.delay.at([]).get_sample_count(), 1);
        assert_eq!(stats.delay.at([]).get_sample_sum(), 1.0);
    }
}
