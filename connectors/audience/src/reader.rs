//! Rows of any source in order, in batches.

use crate::batch::Batch;
use crate::csv::CsvReader;
use crate::error::AudienceError;
use crate::inline::InlineReader;
use crate::ndjson::{NdjsonReader, first_pass};
use crate::pin::{SourcePin, pin};
use crate::source::AudienceSource;
use sluice_core::row::{ColumnRules, Columns};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A pinned source that is being read from its first row on.
///
/// Opening reads a file once to pin its content. Reading to the end compares what was read with the pin: a
/// file that changed in between is [`AudienceError::Changed`] instead of the end.
#[derive(Debug)]
pub struct AudienceReader {
    rows: Rows,
    columns: Arc<Columns>,
    pin: SourcePin,
    position: u64,
    done: bool,
}

#[derive(Debug)]
enum Rows {
    Csv { path: PathBuf, reader: Box<CsvReader> },
    Ndjson { path: PathBuf, reader: Box<NdjsonReader> },
    Inline(InlineReader),
}

impl AudienceReader {
    /// Opens a source, pins it and resolves its columns.
    pub fn open(source: &AudienceSource, rules: &ColumnRules) -> Result<Self, AudienceError> {
        let (rows, columns, pin) = match source {
            AudienceSource::Csv { path, delimiter } => {
                // The header first: most mistakes show there, at once.
                let reader = CsvReader::open(path, *delimiter)?;
                let columns = Columns::resolve(reader.header(), rules)?;
                let pin = pin(path)?;
                (Rows::Csv { path: path.clone(), reader: Box::new(reader) }, columns, pin)
            }
            AudienceSource::Ndjson { path } => {
                let (header, pin) = first_pass(path)?;
                let columns = Columns::resolve(&header, rules)?;
                let reader = NdjsonReader::open(path.clone(), &header)?;
                (Rows::Ndjson { path: path.clone(), reader: Box::new(reader) }, columns, pin)
            }
            AudienceSource::Inline { rows } => {
                let reader = InlineReader::new(rows.clone());
                let columns = match reader.header() {
                    [] if rows.is_empty() => Columns::of_nothing(rules)?,
                    header => Columns::resolve(header, rules)?,
                };
                let pin = reader.pin();
                (Rows::Inline(reader), columns, pin)
            }
        };
        Ok(AudienceReader { rows, columns: Arc::new(columns), pin, position: 0, done: false })
    }

    /// What the content was when it was opened.
    pub fn pin(&self) -> SourcePin {
        self.pin
    }

    /// The columns of the cells.
    pub fn columns(&self) -> &Arc<Columns> {
        &self.columns
    }

    /// The next rows, at most `rows_max` and about 2 MiB; `None` at the end.
    pub fn next_batch(&mut self, rows_max: usize) -> Result<Option<Batch>, AudienceError> {
        if self.done {
            return Ok(None);
        }
        let rows_max = rows_max.max(1);
        let mut batch = Batch::new(Arc::clone(&self.columns), self.position, rows_max);
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| AudienceError::Unreadable { path, source }
        };
        match &mut self.rows {
            Rows::Csv { path, reader } => reader.read(&mut batch, rows_max).map_err(unreadable(path))?,
            Rows::Ndjson { path, reader } => reader.read(&mut batch, rows_max).map_err(unreadable(path))?,
            Rows::Inline(reader) => reader.read(&mut batch, rows_max),
        }
        self.position += batch.len() as u64;
        if batch.is_empty() {
            self.done = true;
            self.check_unchanged()?;
            return Ok(None);
        }
        Ok(Some(batch))
    }

    /// At the end: what was read must be what was pinned.
    fn check_unchanged(&self) -> Result<(), AudienceError> {
        let (path, found) = match &self.rows {
            Rows::Csv { path, reader } => (path, reader.window().pin()),
            Rows::Ndjson { path, reader } => (path, reader.window().pin()),
            Rows::Inline(_) => return Ok(()),
        };
        if found == self.pin {
            return Ok(());
        }
        Err(AudienceError::Changed { path: path.clone(), expected: self.pin, found })
    }
}
