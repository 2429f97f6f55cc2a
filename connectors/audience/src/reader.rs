//! Rows of any source in order, in batches.

use crate::batch::Batch;
use crate::content::Content;
use crate::csv::CsvReader;
use crate::error::AudienceError;
use crate::inline::InlineReader;
use crate::ndjson::{NdjsonReader, first_pass};
use crate::options::AudienceOptions;
use crate::pin::{SourcePin, Version, pin_of};
use crate::source::{AudienceSource, shown_url};
use crate::window::Window;
use sluice_core::launch::FileFormat;
use sluice_core::row::{ColumnRules, Columns};
use std::path::Path;
use std::sync::Arc;

/// A pinned source that is being read from its first row on.
///
/// Opening a file reads it once to pin its content; an object is pinned by what its store says. Reading to the end
/// compares what was read with the pin: a content that changed in between is [`AudienceError::Changed`] instead of
/// the end.
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
    Csv {
        content: Content,
        reader: Box<CsvReader>,
    },
    Ndjson {
        content: Content,
        reader: Box<NdjsonReader>,
    },
    #[cfg(feature = "parquet")]
    Parquet {
        content: Content,
        reader: Box<crate::columnar::ParquetReader>,
    },
    Inline(InlineReader),
}

impl AudienceReader {
    /// Opens a source as [`AudienceReader::open_with`] does, with the settings that hold unless said otherwise.
    pub fn open(source: &AudienceSource, rules: &ColumnRules) -> Result<Self, AudienceError> {
        Self::open_with(source, rules, &AudienceOptions::default())
    }

    /// Opens a source, pins it and resolves its columns. Blocks, also on the network.
    pub fn open_with(
        source: &AudienceSource,
        rules: &ColumnRules,
        options: &AudienceOptions,
    ) -> Result<Self, AudienceError> {
        let file = |path: &Path| Content::file(path, options);
        let (rows, columns, pin) = match source {
            AudienceSource::Csv { path, delimiter } => csv(file(path)?, *delimiter, rules)?,
            AudienceSource::Ndjson { path } => ndjson(file(path)?, rules)?,
            AudienceSource::Parquet { path } => parquet(path, || file(path), rules, options)?,
            AudienceSource::Remote { url, format, delimiter } => {
                let shown = shown_url(url);
                let content = || remote(url, options);
                match format {
                    FileFormat::Csv => csv(content()?, *delimiter, rules)?,
                    FileFormat::Ndjson => ndjson(content()?, rules)?,
                    FileFormat::Parquet => parquet(Path::new(&shown), content, rules, options)?,
                }
            }
            AudienceSource::Unusable { error } => return Err(error.clone().into()),
            AudienceSource::Inline { rows } => inline(rows, rules)?,
        };
        Ok(AudienceReader { rows, columns: Arc::new(columns), pin, position: 0, done: false })
    }

    /// What the content was when it was opened.
    pub fn pin(&self) -> SourcePin {
        self.pin.clone()
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
        match &mut self.rows {
            Rows::Csv { content, reader } => {
                let read = reader.read(&mut batch, rows_max);
                read.map_err(|error| AudienceError::reading(content.shown(), error))?;
            }
            Rows::Ndjson { content, reader } => {
                let read = reader.read(&mut batch, rows_max);
                read.map_err(|error| AudienceError::reading(content.shown(), error))?;
            }
            #[cfg(feature = "parquet")]
            Rows::Parquet { reader, .. } => reader.read(&mut batch, rows_max)?,
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
        let (content, found) = match &self.rows {
            Rows::Csv { content, reader } => (content, self.read_of(reader.window())),
            Rows::Ndjson { content, reader } => (content, self.read_of(reader.window())),
            // It is not read from front to back: the file is pinned once more. An object was asked for by its version.
            #[cfg(feature = "parquet")]
            Rows::Parquet { content, .. } => (content, pin_of(content)?),
            Rows::Inline(_) => return Ok(()),
        };
        if found == self.pin {
            return Ok(());
        }
        Err(AudienceError::changed(content.shown(), &self.pin, found))
    }

    /// The pin of all that a window read. Each range of an object was asked for by its version: the size is left.
    fn read_of(&self, window: &Window) -> SourcePin {
        let read = window.pin();
        match &self.pin.version {
            Version::Digest(_) => read,
            stated => SourcePin { bytes: read.bytes, version: stated.clone() },
        }
    }
}

type Opened = (Rows, Columns, SourcePin);

fn csv(content: Content, delimiter: Option<u8>, rules: &ColumnRules) -> Result<Opened, AudienceError> {
    // The header first: most mistakes show there, at once.
    let reader = CsvReader::open(&content, delimiter)?;
    let columns = Columns::resolve(reader.header(), rules)?;
    let pin = pin_of(&content)?;
    Ok((Rows::Csv { content, reader: Box::new(reader) }, columns, pin))
}

fn ndjson(content: Content, rules: &ColumnRules) -> Result<Opened, AudienceError> {
    let (header, pin) = first_pass(&content)?;
    let columns = Columns::resolve(&header, rules)?;
    let reader = NdjsonReader::open(&content, &header)?;
    Ok((Rows::Ndjson { content, reader: Box::new(reader) }, columns, pin))
}

fn inline(rows: &[sluice_schemas::StringMap], rules: &ColumnRules) -> Result<Opened, AudienceError> {
    let reader = InlineReader::new(rows.to_vec());
    let columns = match reader.header() {
        [] if rows.is_empty() => Columns::of_nothing(rules)?,
        header => Columns::resolve(header, rules)?,
    };
    let pin = reader.pin();
    Ok((Rows::Inline(reader), columns, pin))
}

#[cfg(feature = "parquet")]
fn parquet(
    _shown: &Path,
    content: impl FnOnce() -> Result<Content, AudienceError>,
    rules: &ColumnRules,
    options: &AudienceOptions,
) -> Result<Opened, AudienceError> {
    let content = content()?;
    let pin = pin_of(&content)?;
    let (reader, columns) = crate::columnar::ParquetReader::open(&content, rules, options)?;
    Ok((Rows::Parquet { content, reader: Box::new(reader) }, columns, pin))
}

#[cfg(not(feature = "parquet"))]
fn parquet(
    shown: &Path,
    _content: impl FnOnce() -> Result<Content, AudienceError>,
    _rules: &ColumnRules,
    _options: &AudienceOptions,
) -> Result<Opened, AudienceError> {
    Err(AudienceError::Feature { path: shown.to_owned(), feature: "parquet" })
}

#[cfg(feature = "object-store")]
fn remote(url: &str, options: &AudienceOptions) -> Result<Content, AudienceError> {
    Ok(Content::Remote(crate::remote::RemoteFile::open(url, options)?))
}

#[cfg(not(feature = "object-store"))]
fn remote(url: &str, _options: &AudienceOptions) -> Result<Content, AudienceError> {
    Err(AudienceError::Feature { path: shown_url(url).into(), feature: "object-store" })
}
