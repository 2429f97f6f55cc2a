//! A batch of rows: one text, one list of cell ends, no allocation a row.

use sluice_core::row::{Cells, Columns};
use std::sync::Arc;

/// Bytes of text after which a batch is full.
pub(crate) const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of a malformed row that are kept.
pub(crate) const RAW_BYTES_MAX: usize = 4 * 1024;

/// Consecutive rows of an audience.
#[derive(Debug, Clone)]
pub struct Batch {
    columns: Arc<Columns>,
    text: String,
    ends: Vec<u32>,
    rows: Vec<Place>,
    first_position: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Cells one after the other.
    Packed,
    /// Cells with one byte between them.
    Separated,
    /// The reason (`ends` holds its end), then the raw text.
    Malformed,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    line: u64,
    text_from: usize,
    ends_from: usize,
    kind: Kind,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its number in the source, from 0; malformed rows count, blank lines do not.
    pub position: u64,
    /// The line on which it begins, from 1; of rows of the launch itself their number, from 1.
    pub line: u64,
    /// What it holds.
    pub content: RowContent<'a>,
}

/// What a row holds.
#[derive(Debug, Clone, Copy)]
pub enum RowContent<'a> {
    /// As many cells as there are columns.
    Cells(Cells<'a>),
    /// It cannot be read.
    Malformed {
        /// Why.
        reason: &'a str,
        /// Its first 4 KiB, with replacement characters where it is not UTF-8.
        raw: &'a str,
    },
}

impl Batch {
    pub(crate) fn new(columns: Arc<Columns>, first_position: u64, rows_max: usize) -> Self {
        let rows = Vec::with_capacity(rows_max.min(8_192));
        Batch { columns, text: String::new(), ends: Vec::new(), rows, first_position }
    }

    /// The columns that the cells are in.
    pub fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.text.len() >= BATCH_BYTES_MAX
    }

    fn begin(&mut self, line: u64, kind: Kind) {
        self.rows.push(Place { line, text_from: self.text.len(), ends_from: self.ends.len(), kind });
    }

    /// A row as it stands in the file, `ends` relative to its beginning.
    pub(crate) fn push_separated(&mut self, line: u64, text: &str, ends: &[u32]) {
        self.begin(line, Kind::Separated);
        self.text.push_str(text);
        self.ends.extend_from_slice(ends);
    }

    /// A row whose cells were put together.
    pub(crate) fn push_packed(&mut self, line: u64, text: &str, ends: &[u32]) {
        self.begin(line, Kind::Packed);
        self.text.push_str(text);
        self.ends.extend_from_slice(ends);
    }

    pub(crate) fn push_malformed(&mut self, line: u64, reason: &str, raw: &[u8]) {
        self.begin(line, Kind::Malformed);
        self.text.push_str(reason);
        self.ends.push(reason.len() as u32);
        self.text.push_str(&String::from_utf8_lossy(&raw[..raw.len().min(RAW_BYTES_MAX)]));
    }

    /// The rows in source order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    fn row(&self, index: usize) -> Row<'_> {
        let place = self.rows[index];
        let (text_to, ends_to) = match self.rows.get(index + 1) {
            Some(next) => (next.text_from, next.ends_from),
            None => (self.text.len(), self.ends.len()),
        };
        let text = &self.text[place.text_from..text_to];
        let ends = &self.ends[place.ends_from..ends_to];
        let content = match place.kind {
            Kind::Packed => RowContent::Cells(Cells::new(text, ends)),
            Kind::Separated => RowContent::Cells(Cells::separated(text, ends)),
            Kind::Malformed => {
                let (reason, raw) = text.split_at(ends[0] as usize);
                RowContent::Malformed { reason, raw }
            }
        };
        Row { position: self.first_position + index as u64, line: place.line, content }
    }
}
