//! The records of one partition.

use sluice_runtime::ports::log::{Bounds, NewRecord, Offset, Position, ReadLimit, StoredRecord};

pub(super) struct PartitionData {
    start: u64,
    records: Vec<StoredRecord>,
    generation: u32,
}

impl PartitionData {
    pub(super) fn new(generation: u32) -> Self {
        Self { start: 0, records: Vec::new(), generation }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn records(&self) -> &[StoredRecord] {
        &self.records
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.records.len() as u64
    }

    pub(super) fn start(&self) -> Position {
        Position(self.start)
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { start: Position(self.start), end: Position(self.end()), generation: self.generation }
    }

    /// They are durable from now on.
    pub(super) fn push(&mut self, records: impl IntoIterator<Item = NewRecord>) {
        for NewRecord { key, value } in records {
            let offset = Offset(self.end());
            self.records.push(StoredRecord { offset, key, value, appended_ms: None });
        }
    }

    /// Refused with the first kept position where retention removed what is asked for.
    pub(super) fn read(&self, from: Position, limit: ReadLimit) -> Result<Vec<StoredRecord>, Position> {
        let Some(skip) = from.0.checked_sub(self.start) else { return Err(self.start()) };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(self.records.len());
        let mut bytes = 0;
        let fits = |record: &&StoredRecord| {
            let first = bytes == 0;
            // At least one byte each, so that "none yet" is known by the sum.
            bytes += (record.key.len() + record.value.len()).max(1);
            first || bytes <= limit.bytes_max
        };
        Ok(self.records[skip..].iter().take(limit.records_max).take_while(fits).cloned().collect())
    }

    pub(super) fn trim(&mut self, position: Position) {
        let target = position.0.clamp(self.start, self.end());
        self.records.drain(..(target - self.start) as usize);
        self.start = target;
    }
}
