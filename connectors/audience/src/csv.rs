//! CSV: the header, then records.
//!
//! A record that is broken never takes more than its first line with it: reading goes on with the next.

use crate::batch::Batch;
use crate::content::Content;
use crate::error::AudienceError;
use crate::window::Window;
use scan::{RECORD_BYTES_MAX, Scan, Scratch};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod scan;

/// Columns of a file at most.
pub(crate) const COLUMNS_MAX: usize = 4_096;

/// What separates cells, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A CSV file behind its header.
#[derive(Debug)]
pub(crate) struct CsvReader {
    path: PathBuf,
    window: Window,
    delimiter: u8,
    /// The line at which the window begins, from 1.
    line: u64,
    /// A line over the limit is being passed over.
    skipping: bool,
    scratch: Scratch,
    header: Vec<Arc<str>>,
}

impl CsvReader {
    pub(crate) fn open(content: &Content, delimiter: Option<u8>) -> Result<Self, AudienceError> {
        let mut reader = CsvReader {
            path: content.shown().to_owned(),
            window: Window::new(content.open()?),
            delimiter: delimiter.unwrap_or(b','),
            line: 1,
            skipping: false,
            scratch: Scratch::default(),
            header: Vec::new(),
        };
        begin_text(&mut reader.window, content.shown())?;
        reader.read_header(delimiter)?;
        Ok(reader)
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[Arc<str>] {
        &self.header
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    fn unreadable(&self, source: std::io::Error) -> AudienceError {
        AudienceError::reading(&self.path, source)
    }

    fn header_error(&self, problem: impl Into<String>) -> AudienceError {
        AudienceError::Header { path: self.path.clone(), problem: problem.into() }
    }

    fn read_header(&mut self, delimiter: Option<u8>) -> Result<(), AudienceError> {
        let cells = loop {
            if delimiter.is_none() {
                self.delimiter = found_delimiter(self.window.data());
            }
            let data = self.window.data();
            match scan::record(data, self.window.eof(), self.delimiter, &mut self.scratch) {
                Scan::More => {
                    self.window.fill().map_err(|error| self.unreadable(error))?;
                }
                Scan::End => return Err(AudienceError::Empty { path: self.path.clone() }),
                Scan::Blank { used } => {
                    self.line += 1;
                    self.window.consume(used);
                }
                Scan::Plain { used, length } => {
                    let cells = split(&data[..length], &self.scratch.ends, 1);
                    break self.header_cells(cells).map(|names| (names, used, 1))?;
                }
                Scan::Quoted { used, lines } => {
                    let cells = split(&self.scratch.text, &self.scratch.ends, 0);
                    break self.header_cells(cells).map(|names| (names, used, lines))?;
                }
                Scan::Broken { reason, .. } => return Err(self.header_error(reason)),
            }
        };
        let (names, used, lines) = cells;
        self.header = names;
        self.window.consume(used);
        self.line += lines;
        Ok(())
    }

    fn header_cells(&self, cells: Vec<Vec<u8>>) -> Result<Vec<Arc<str>>, AudienceError> {
        if cells.len() > COLUMNS_MAX {
            return Err(self.header_error(format!("{} columns, {COLUMNS_MAX} are possible", cells.len())));
        }
        let mut names: Vec<Arc<str>> = Vec::with_capacity(cells.len());
        for (index, cell) in cells.into_iter().enumerate() {
            let Ok(name) = String::from_utf8(cell) else {
                return Err(self.header_error(format!("column {} is not UTF-8", index + 1)));
            };
            if name.contains('\r') {
                return Err(self.header_error("its lines end with CR alone; save it with LF or CRLF"));
            }
            let name = match name.trim() {
                "" => format!("column {}", index + 1),
                name => name.to_owned(),
            };
            if names.iter().any(|known| **known == *name) {
                return Err(self.header_error(format!("column `{name}` is there twice")));
            }
            names.push(name.into());
        }
        Ok(names)
    }

    /// Appends rows to the batch until it has `rows_max`, is full, or the file ends.
    pub(crate) fn read(&mut self, batch: &mut Batch, rows_max: usize) -> std::io::Result<()> {
        while batch.len() < rows_max && !batch.is_full() {
            if self.skipping {
                if !self.skip()? {
                    return Ok(());
                }
                continue;
            }
            let data = self.window.data();
            match scan::record(data, self.window.eof(), self.delimiter, &mut self.scratch) {
                Scan::More => {
                    self.window.fill()?;
                }
                Scan::End => return Ok(()),
                Scan::Blank { used } => {
                    self.window.consume(used);
                    self.line += 1;
                }
                Scan::Plain { used, length } => {
                    push_plain(batch, self.line, &data[..length], &self.scratch.ends, &self.header);
                    self.window.consume(used);
                    self.line += 1;
                }
                Scan::Quoted { used, lines } => {
                    push_quoted(batch, self.line, &data[..used], &self.scratch, &self.header);
                    self.window.consume(used);
                    self.line += lines;
                }
                Scan::Broken { reason, used, ends_line } => {
                    batch.push_malformed(self.line, reason, &data[..used]);
                    self.window.consume(used);
                    self.line += u64::from(ends_line);
                    self.skipping = !ends_line;
                }
            }
        }
        Ok(())
    }

    /// Passes over the rest of a line; false at the end of the file.
    fn skip(&mut self) -> std::io::Result<bool> {
        let data = self.window.data();
        match memchr::memchr(b'\n', data) {
            Some(end) => {
                self.window.consume(end + 1);
                self.line += 1;
                self.skipping = false;
                Ok(true)
            }
            None => {
                self.window.consume(data.len());
                self.window.fill()
            }
        }
    }
}

/// Reads the beginning of a text: passes over a byte order mark, refuses what is no text.
pub(crate) fn begin_text(window: &mut Window, path: &Path) -> Result<(), AudienceError> {
    while window.data().len() < 512 {
        let more = window.fill().map_err(|error| AudienceError::reading(path, error))?;
        if !more {
            break;
        }
    }
    let data = window.data();
    let what = match data {
        [] => return Err(AudienceError::Empty { path: path.to_owned() }),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 (\"Unicode text\")",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive or a spreadsheet",
        [0xd0, 0xcf, 0x11, 0xe0, ..] => "a spreadsheet",
        [0x1f, 0x8b, ..] => "compressed with gzip",
        [b'P', b'A', b'R', b'1', ..] => "Parquet",
        _ if data[..data.len().min(512)].contains(&0) => "binary",
        _ => {
            if data.starts_with(b"\xef\xbb\xbf") {
                window.consume(3);
            }
            return Ok(());
        }
    };
    Err(AudienceError::NotText { path: path.to_owned(), what })
}

/// The separator that stands most often in the first line, outside quotes.
fn found_delimiter(data: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for &byte in data.iter().skip_while(|b| b.is_ascii_whitespace() && **b != b'\t') {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some(index) = DELIMITERS.iter().position(|delimiter| *delimiter == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    // The first of equals: `max_by_key` takes the last.
    let best = (0..DELIMITERS.len()).rev().max_by_key(|index| counts[*index]);
    best.map_or(b',', |index| DELIMITERS[index])
}

fn split(text: &[u8], ends: &[u32], gap: usize) -> Vec<Vec<u8>> {
    let mut from = 0;
    let mut cells = Vec::with_capacity(ends.len());
    for end in ends {
        let end = *end as usize;
        cells.push(text[from..end].to_vec());
        from = end + gap;
    }
    cells
}

fn push_plain(batch: &mut Batch, line: u64, text: &[u8], ends: &[u32], header: &[Arc<str>]) {
    match std::str::from_utf8(text) {
        _ if ends.len() != header.len() => batch.push_malformed(line, &wrong_count(ends, header), text),
        Ok(valid) => batch.push_separated(line, valid, ends),
        Err(error) => batch.push_malformed(line, &not_utf8(error.valid_up_to(), ends, header), text),
    }
}

fn push_quoted(batch: &mut Batch, line: u64, raw: &[u8], scratch: &Scratch, header: &[Arc<str>]) {
    let ends = &scratch.ends;
    match std::str::from_utf8(&scratch.text) {
        _ if ends.len() != header.len() => batch.push_malformed(line, &wrong_count(ends, header), raw),
        // Two broken cells may be a whole character together.
        Ok(text) => match ends.iter().find(|end| !text.is_char_boundary(**end as usize)) {
            None => batch.push_packed(line, text, ends),
            Some(end) => {
                batch.push_malformed(line, &not_utf8((*end as usize).saturating_sub(1), ends, header), raw)
            }
        },
        Err(error) => batch.push_malformed(line, &not_utf8(error.valid_up_to(), ends, header), raw),
    }
}

fn wrong_count(ends: &[u32], header: &[Arc<str>]) -> String {
    format!("{} cells where the header has {}", ends.len(), header.len())
}

fn not_utf8(at: usize, ends: &[u32], header: &[Arc<str>]) -> String {
    let column = ends.partition_point(|end| (*end as usize) <= at).min(header.len().saturating_sub(1));
    format!("column `{}` is not UTF-8", header[column])
}

/// Said of records over the limit.
const TOO_LONG: &str = "longer than 1 MiB";
/// Said of records whose quoted cell does not end.
const UNCLOSED: &str = "a quote is opened and not closed within 1 MiB";
const _: () = assert!(RECORD_BYTES_MAX == 1024 * 1024, "the texts name the limit");
