//! `rejected.csv`: the rows that get no message, why, and their own cells, to be repaired and used again.
//!
//! Guarantee: the file appears whole or not at all. No cell of it becomes a formula in a spreadsheet: one that
//! begins like one gets a leading apostrophe (which reading a phone number passes over).

use crate::batch::RowContent;
use sluice_core::row::{Columns, SkipReason};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes the file; [`RejectedWriter::finish`] makes it appear.
#[derive(Debug)]
pub struct RejectedWriter {
    writer: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
    rows: u64,
    finished: bool,
}

impl RejectedWriter {
    /// Begins the file for an audience with these columns.
    pub fn create(path: &Path, columns: &Columns) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let temporary = path.with_file_name(name);
        let writer = BufWriter::with_capacity(64 * 1024, File::create(&temporary)?);
        let mut rejected =
            RejectedWriter { writer, temporary, path: path.to_owned(), rows: 0, finished: false };
        let own = ["line", "reason", "detail"];
        rejected.line(own.into_iter().chain(columns.names().iter().map(|name| &**name)))?;
        Ok(rejected)
    }

    /// Adds a row. A malformed one has its raw text in the first of its cells.
    pub fn add(
        &mut self,
        line: u64,
        reason: SkipReason,
        detail: &str,
        content: RowContent<'_>,
    ) -> io::Result<()> {
        let number = line.to_string();
        let own = [number.as_str(), reason.as_str(), detail];
        self.rows += 1;
        match content {
            RowContent::Cells(cells) => self.line(own.into_iter().chain(cells.iter())),
            RowContent::Malformed { raw, .. } => {
                self.line(own.into_iter().chain([raw.trim_end_matches(['\r', '\n'])]))
            }
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes the file durable and gives it its name, replacing an earlier one.
    pub fn finish(mut self) -> io::Result<u64> {
        self.writer.flush()?;
        self.writer.get_ref().sync_all()?;
        std::fs::rename(&self.temporary, &self.path)?;
        self.finished = true;
        Ok(self.rows)
    }

    fn line<'c>(&mut self, cells: impl Iterator<Item = &'c str>) -> io::Result<()> {
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                self.writer.write_all(b",")?;
            }
            self.cell(cell)?;
        }
        self.writer.write_all(b"\n")
    }

    fn cell(&mut self, cell: &str) -> io::Result<()> {
        let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        if !cell.contains([',', '"', '\n', '\r']) {
            return write!(self.writer, "{guard}{cell}");
        }
        write!(self.writer, "\"{guard}{}\"", cell.replace('"', "\"\""))
    }
}

impl Drop for RejectedWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody refers to it; it may be gone already.
            drop(std::fs::remove_file(&self.temporary));
        }
    }
}
