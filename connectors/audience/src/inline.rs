//! Rows that the launch itself holds.

use crate::batch::Batch;
use crate::pin::SourcePin;
use sluice_schemas::StringMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(crate) struct InlineReader {
    rows: Vec<StringMap>,
    next: usize,
    header: Vec<Arc<str>>,
    text: String,
    ends: Vec<u32>,
}

impl InlineReader {
    pub(crate) fn new(rows: Vec<StringMap>) -> Self {
        let names: BTreeSet<&str> = rows.iter().flat_map(|row| row.keys().map(String::as_str)).collect();
        let header = names.into_iter().map(Arc::from).collect();
        InlineReader { rows, next: 0, header, text: String::new(), ends: Vec::new() }
    }

    /// The keys of all rows, sorted.
    pub(crate) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    /// The pin of the rows: over keys and values, each behind its length.
    pub(crate) fn pin(&self) -> SourcePin {
        let mut content = Vec::new();
        for row in &self.rows {
            content.extend_from_slice(&(row.len() as u64).to_le_bytes());
            for text in row.iter().flat_map(|(key, value)| [key, value]) {
                content.extend_from_slice(&(text.len() as u64).to_le_bytes());
                content.extend_from_slice(text.as_bytes());
            }
        }
        SourcePin::of(&content)
    }

    /// Appends rows to the batch until it has `rows_max`, is full, or no row is left.
    pub(crate) fn read(&mut self, batch: &mut Batch, rows_max: usize) {
        while batch.len() < rows_max && !batch.is_full() {
            let Some(row) = self.rows.get(self.next) else { return };
            self.next += 1;
            self.text.clear();
            self.ends.clear();
            for name in &self.header {
                self.text.push_str(row.get(&**name).map_or("", String::as_str));
                self.ends.push(self.text.len() as u32);
            }
            // What a person counts in the launch.
            batch.push_packed(self.next as u64, &self.text, &self.ends);
        }
    }
}
