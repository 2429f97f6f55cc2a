//! The NDJSON log of every call and every webhook: the truth for tests.

mod line;
mod writer;

pub use line::{Kind, LogLine, Outcome};
pub(crate) use writer::LogWriter;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::error::Error;

/// Reads a whole log. A torn last line (the process was killed while writing) is left out.
///
/// # Errors
/// [`Error::Log`] if the file cannot be read, [`Error::LogLine`] for a bad line before the last.
pub fn read_log(path: impl AsRef<Path>) -> Result<Vec<LogLine>, Error> {
    let path = path.as_ref();
    let failed = |source| Error::Log { path: path.to_owned(), source };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?);
    let (mut lines, mut buffer, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        buffer.clear();
        if reader.read_until(b'\n', &mut buffer).map_err(failed)? == 0 {
            return Ok(lines);
        }
        number += 1;
        if buffer.last() != Some(&b'\n') {
            return Ok(lines);
        }
        let line = serde_json::from_slice(&buffer);
        lines.push(line.map_err(|source| Error::LogLine { path: path.to_owned(), line: number, source })?);
    }
}
