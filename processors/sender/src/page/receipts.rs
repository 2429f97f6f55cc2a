//! Gathers outcomes into receipts and appends them: one record a chunk and batch, consecutive equal outcomes as one range.

use super::Page;
use sluice_core::ChunkId;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{Receipt, ReceiptEntry, encode};
use std::collections::BTreeMap;

/// Entries that wait to become receipts.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    entries: BTreeMap<ChunkId, Vec<ReceiptEntry>>,
    count: usize,
}

impl Gathered {
    pub(super) fn push(&mut self, chunk: ChunkId, entry: ReceiptEntry) {
        self.entries.entry(chunk).or_default().push(entry);
        self.count += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// One receipt a chunk.
    pub(super) fn take(&mut self) -> Vec<(ChunkId, Receipt)> {
        self.count = 0;
        std::mem::take(&mut self.entries)
            .into_iter()
            .map(|(chunk, entries)| (chunk, Receipt { chunk: chunk.0.into(), entries: compact(entries) }))
            .collect()
    }
}

impl Page {
    /// Gathers a fact for the next receipt.
    pub(super) fn report(&mut self, chunk: ChunkId, entry: ReceiptEntry) {
        if self.gathered.is_empty() {
            self.report_at = Some(self.now() + self.ms(self.context.options.outcomes_linger_ms));
        }
        self.gathered.push(chunk, entry);
    }

    /// Appends what was gathered, when it is enough or waited long enough.
    pub(super) fn report_if_due(&mut self) {
        let enough = self.gathered.len() >= self.context.options.outcomes_max;
        let due = self.report_at.is_some_and(|at| at <= self.now());
        if self.gathered.is_empty() || !(enough || due || self.stop.is_some()) {
            return;
        }
        self.report_at = None;
        let now = self.now();
        let log = &self.context.ports.log;
        for (chunk, receipt) in self.gathered.take() {
            let record = NewRecord { key: chunk.0.to_vec().into(), value: encode(&receipt).into() };
            let ticket =
                log.append(Topic::Receipts, Partition(u32::from(chunk.receipts_partition())), vec![record]);
            let number = self.appended;
            self.appended += 1;
            self.unacknowledged.insert(number, now);
            self.appends.push(Box::pin(async move { (number, vec![chunk], ticket.await.map(drop)) }));
        }
    }

    /// Receipts of these chunks are durable; their states will show it soon.
    pub(super) fn reported(&mut self, chunks: Vec<ChunkId>) {
        if self.has_left() {
            return;
        }
        let (now, after) = (self.now(), self.ms(self.context.options.settle_ms));
        for chunk in chunks {
            self.settling.look(chunk, now, after);
        }
    }
}

/// Sorts by index and joins neighbours that differ in nothing but index and time; the earliest time stays.
fn compact(mut entries: Vec<ReceiptEntry>) -> Vec<ReceiptEntry> {
    // By cached keys: entries are large, and each is moved once instead of at every step.
    entries.sort_by_cached_key(|entry| entry.first);
    let mut compacted: Vec<ReceiptEntry> = Vec::new();
    for entry in entries {
        match compacted.last_mut() {
            Some(last) if last.last + 1 == entry.first && alike(last, &entry) => {
                last.last = entry.last;
                last.at_ms = last.at_ms.min(entry.at_ms);
            }
            _ => compacted.push(entry),
        }
    }
    compacted
}

fn alike(left: &ReceiptEntry, right: &ReceiptEntry) -> bool {
    left.fact == right.fact
        && left.attempt == right.attempt
        && left.reason == right.reason
        && left.message == right.message
        && left.provider_id == right.provider_id
        && left.retry_after_ms == right.retry_after_ms
        && left.address == right.address
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::CampaignId;
    use sluice_core::chunk_state::entry;
    use sluice_schemas::Fact;

    #[test]
    fn outcomes_that_arrive_out_of_order_become_ranges() {
        let chunk = ChunkId::new(CampaignId::of("t", "c"), 0, 1, 1);
        let mut gathered = Gathered::default();
        for index in [3, 1, 2, 5] {
            gathered.push(chunk, entry(Fact::Accepted, index, index, 1, i64::from(index)));
        }
        gathered.push(chunk, entry(Fact::Failed, 4, 4, 1, 0));
        let receipts = gathered.take();
        let ranges: Vec<_> =
            receipts[0].1.entries.iter().map(|entry| (entry.fact, entry.first, entry.last)).collect();
        assert_eq!(ranges, [(Fact::Accepted, 1, 3), (Fact::Failed, 4, 4), (Fact::Accepted, 5, 5)]);
        assert!(gathered.is_empty());
    }

    #[test]
    fn different_provider_ids_stay_apart() {
        let with = |index, id: &str| ReceiptEntry {
            provider_id: Some(id.to_owned()),
            ..entry(Fact::Accepted, index, index, 1, 0)
        };
        assert_eq!(compact(vec![with(1, "a"), with(2, "b")]).len(), 2);
    }
}
