//! The state of one chunk: one cell, from which every counter is derived.

use crate::CHUNK_ROWS_MAX;
use crate::counters::Counters;
use crate::facts::{Recipient, Status};
use crate::index_set::IndexSet;
use serde::{Deserialize, Serialize};
use sluice_schemas::{Fact, ReceiptEntry};

/// The version of a stored chunk state: generation of the `receipts` topic (24 bits) and the position up to
/// which its partition was merged (40 bits). Higher always knows more, so a replay or a former owner that
/// writes late can only lose (hazards 15–17).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Composes the version.
    pub fn new(generation: u32, position: u64) -> Self {
        Self(u64::from(generation) << 40 | position & ((1 << 40) - 1))
    }

    /// The generation of the topic.
    pub fn generation(self) -> u32 {
        (self.0 >> 40) as u32
    }

    /// The merged prefix of the partition.
    pub fn position(self) -> u64 {
        self.0 & ((1 << 40) - 1)
    }
}

/// All recipients of a chunk. Merging is commutative, associative and idempotent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChunkState {
    /// Rows of the chunk, 0 while no `closed` receipt has said so.
    size: u32,
    cells: Vec<Recipient>,
}

/// A stored chunk state that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged chunk state: {0}")]
pub struct Damaged(pub String);

const FORMAT: u8 = 1;

impl ChunkState {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Merges one entry of a receipt. Indexes beyond [`CHUNK_ROWS_MAX`] are ignored: no chunk has them.
    pub fn merge(&mut self, entry: &ReceiptEntry) {
        let Some((first, last)) = bounds(entry) else { return };
        if entry.fact == Fact::Closed {
            self.size = self.size.max(last as u32 + 1);
            return;
        }
        let Some(news) = Recipient::from_fact(entry.fact, entry.attempt.clamp(0, 255) as u8) else { return };
        if self.cells.len() <= last {
            self.cells.resize(last + 1, Recipient::default());
        }
        for cell in &mut self.cells[first..=last] {
            *cell = cell.join(news);
        }
    }

    /// Merges all that another state of the same chunk knows.
    pub fn merge_state(&mut self, other: &Self) {
        self.size = self.size.max(other.size);
        if self.cells.len() < other.cells.len() {
            self.cells.resize(other.cells.len(), Recipient::default());
        }
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine = mine.join(*theirs);
        }
    }

    /// Rows of the chunk, once known.
    pub fn size(&self) -> Option<u32> {
        (self.size > 0).then_some(self.size)
    }

    /// What is known about one recipient.
    pub fn recipient(&self, index: u16) -> Recipient {
        self.cells.get(usize::from(index)).copied().unwrap_or_default()
    }

    /// The recipients for which `test` holds, of the first `size` rows.
    pub fn select(&self, size: u32, test: impl Fn(Recipient) -> bool) -> IndexSet {
        (0..size.min(CHUNK_ROWS_MAX))
            .map(|index| index as u16)
            .filter(|&index| test(self.recipient(index)))
            .collect()
    }

    /// A recount. Rows that are known to exist but of which nothing is known are pending.
    pub fn counters(&self) -> Counters {
        let mut counters =
            Counters { total: u64::from(self.size).max(self.cells.len() as u64), ..Counters::default() };
        counters.pending = counters.total - self.cells.len() as u64;
        for cell in &self.cells {
            count(*cell, &mut counters);
        }
        counters
    }

    /// Whether the size is known and every recipient is in a final state.
    pub fn is_done(&self) -> bool {
        self.size > 0 && self.cells.len() as u32 >= self.size && self.counters().pending == 0
    }

    /// The stored form: format, size, then the cells compressed by LZ4.
    pub fn encode(&self) -> Vec<u8> {
        let mut raw = Vec::with_capacity(self.cells.len() * 8);
        for cell in &self.cells {
            raw.extend_from_slice(&cell.0.to_le_bytes());
        }
        let mut out = vec![FORMAT];
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&lz4_flex::compress_prepend_size(&raw));
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`Damaged`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let (&format, rest) = bytes.split_first().ok_or_else(|| Damaged("empty".to_owned()))?;
        if format != FORMAT {
            return Err(Damaged(format!("format {format}, expected {FORMAT}")));
        }
        let (size, rest) = rest.split_first_chunk::<4>().ok_or_else(|| Damaged("cut short".to_owned()))?;
        let claimed = rest.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes)).unwrap_or(u32::MAX);
        if claimed > CHUNK_ROWS_MAX * 8 || claimed % 8 != 0 {
            return Err(Damaged(format!("{claimed} bytes of cells")));
        }
        let raw = lz4_flex::decompress_size_prepended(rest).map_err(|error| Damaged(error.to_string()))?;
        let cells = raw
            .chunks_exact(8)
            .map(|cell| {
                Recipient(u64::from_le_bytes([
                    cell[0], cell[1], cell[2], cell[3], cell[4], cell[5], cell[6], cell[7],
                ]))
            })
            .collect();
        Ok(Self { size: u32::from_le_bytes(*size), cells })
    }
}

fn bounds(entry: &ReceiptEntry) -> Option<(usize, usize)> {
    let first = usize::try_from(entry.first).ok()?;
    let last = usize::try_from(entry.last).ok()?;
    (first <= last && last < CHUNK_ROWS_MAX as usize).then_some((first, last))
}

fn count(recipient: Recipient, counters: &mut Counters) {
    match recipient.status() {
        Status::Pending => counters.pending += 1,
        Status::Sent => counters.sent += 1,
        Status::Delivered => {
            counters.sent += 1;
            counters.delivered += 1;
        }
        Status::Read => {
            counters.sent += 1;
            counters.delivered += 1;
            counters.read += 1;
        }
        Status::Responded => {
            counters.sent += 1;
            counters.delivered += 1;
            counters.read += 1;
            counters.responded += 1;
        }
        Status::Failed => counters.failed += 1,
        Status::OptedOut => counters.opted_out += 1,
        Status::Skipped => counters.skipped += 1,
        Status::Cancelled => counters.cancelled += 1,
        Status::Unknown => counters.unknown += 1,
    }
    counters.clicked += u64::from(recipient.clicked());
    counters.ordered += u64::from(recipient.ordered());
    counters.retries += u64::from(recipient.attempts().saturating_sub(1));
}

/// An entry with nothing but a fact; the details are for the caller to fill in.
pub fn entry(fact: Fact, first: u16, last: u16, attempt: u8, at_ms: i64) -> ReceiptEntry {
    ReceiptEntry {
        fact,
        first: i32::from(first),
        last: i32::from(last),
        attempt: i32::from(attempt),
        at_ms,
        reason: None,
        message: None,
        provider_id: None,
        retry_after_ms: None,
        address: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_entry() -> impl Strategy<Value = ReceiptEntry> {
        use Fact::*;
        let facts = vec![
            Accepted,
            Failed,
            FailedForGood,
            Unresolved,
            Skipped,
            Cancelled,
            Reopened,
            OptedOut,
            Delivered,
            Read,
            Responded,
            Clicked,
            Ordered,
            Closed,
        ];
        (prop::sample::select(facts), 0u16..300, 0u16..40, 0u8..5)
            .prop_map(|(fact, first, more, attempt)| entry(fact, first, first + more, attempt, 0))
    }

    fn merged<'a>(entries: impl IntoIterator<Item = &'a ReceiptEntry>) -> ChunkState {
        let mut state = ChunkState::new();
        entries.into_iter().for_each(|entry| state.merge(entry));
        state
    }

    proptest! {
        #[test]
        fn g3_order_and_repetition_of_receipts_do_not_matter(
            entries in prop::collection::vec(any_entry(), 0..20), seed in any::<u64>(),
        ) {
            let mut shuffled = entries.clone();
            let length = shuffled.len().max(1);
            for position in 0..shuffled.len() {
                shuffled.swap(position, (seed as usize).wrapping_mul(position + 7) % length);
            }
            shuffled.extend(entries.iter().take(5).cloned());
            prop_assert_eq!(merged(&entries), merged(&shuffled));
        }

        #[test]
        fn g3_states_merged_apart_and_joined_equal_one_state(
            left in prop::collection::vec(any_entry(), 0..10), right in prop::collection::vec(any_entry(), 0..10),
        ) {
            let mut joined = merged(&left);
            joined.merge_state(&merged(&right));
            prop_assert_eq!(joined, merged(left.iter().chain(&right)));
        }

        #[test]
        fn g2_the_statuses_sum_up_to_the_total(entries in prop::collection::vec(any_entry(), 0..20)) {
            let counters = merged(&entries).counters();
            let parts = counters.pending + counters.sent + counters.failed + counters.opted_out + counters.skipped
                + counters.cancelled + counters.unknown;
            prop_assert_eq!(parts, counters.total);
        }

        #[test]
        fn the_stored_form_holds_everything(entries in prop::collection::vec(any_entry(), 0..20)) {
            let state = merged(&entries);
            prop_assert_eq!(ChunkState::decode(&state.encode()), Ok(state));
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _either = ChunkState::decode(&bytes);
        }
    }

    #[test]
    fn a_chunk_without_its_size_is_never_done() {
        let mut state = merged(&[entry(Fact::Accepted, 0, 9, 1, 0)]);
        assert!(!state.is_done());
        state.merge(&entry(Fact::Closed, 0, 9, 0, 0));
        assert!(state.is_done());
        let longer = merged(&[entry(Fact::Accepted, 0, 9, 1, 0), entry(Fact::Closed, 0, 10, 0, 0)]);
        assert!(!longer.is_done());
    }

    #[test]
    fn hazard_17_a_new_generation_of_the_topic_outranks_every_offset_of_the_old_one() {
        assert!(Stamp::new(2, 0) > Stamp::new(1, (1 << 40) - 1));
    }
}
