//! NDJSON: one object a line; its keys are the columns.
//!
//! The keys are collected in a first pass, which also pins the content: so a row is decided by the columns of
//! the whole file, not by what happened to stand before it.

use crate::batch::Batch;
use crate::content::Content;
use crate::csv::{COLUMNS_MAX, begin_text};
use crate::error::AudienceError;
use crate::pin::SourcePin;
use crate::window::Window;
use memchr::memchr;
use object::{Keys, ObjectReader};
use std::io;
use std::sync::Arc;

mod object;

/// Bytes of a line at most.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Said of lines over the limit.
const TOO_LONG: &str = "longer than 1 MiB";

/// What stands at the beginning of the window.
enum Line {
    End,
    Blank {
        used: usize,
    },
    /// The first `length` bytes of the window.
    Text {
        used: usize,
        length: usize,
    },
    /// A line over the limit; its rest is passed over.
    Long {
        length: usize,
    },
}

/// Lines of a window, with their numbers.
#[derive(Debug)]
struct Lines {
    window: Window,
    /// The line at which the window begins, from 1.
    line: u64,
    skipping: bool,
}

impl Lines {
    fn open(content: &Content) -> Result<Self, AudienceError> {
        let mut window = Window::new(content.open()?);
        begin_text(&mut window, content.shown())?;
        Ok(Lines { window, line: 1, skipping: false })
    }

    /// Finds the next line. The caller consumes it.
    fn find(&mut self) -> io::Result<Line> {
        loop {
            let data = self.window.data();
            let end = memchr(b'\n', data);
            if self.skipping {
                match end {
                    Some(end) => {
                        self.consume(end + 1);
                        self.skipping = false;
                    }
                    None => {
                        self.window.consume(data.len());
                        if !self.window.fill()? {
                            return Ok(Line::End);
                        }
                    }
                }
                continue;
            }
            let (length, used) = match end {
                Some(end) => (end, end + 1),
                None if data.len() > LINE_BYTES_MAX => (data.len(), 0),
                None if !self.window.eof() => {
                    self.window.fill()?;
                    continue;
                }
                None if data.is_empty() => return Ok(Line::End),
                None => (data.len(), data.len()),
            };
            if length > LINE_BYTES_MAX {
                return Ok(Line::Long { length });
            }
            if data[..length].iter().all(u8::is_ascii_whitespace) {
                return Ok(Line::Blank { used });
            }
            return Ok(Line::Text { used, length });
        }
    }

    /// Gives up a line of `used` bytes, its end included.
    fn consume(&mut self, used: usize) {
        self.window.consume(used);
        self.line += 1;
    }
}

/// The keys of all objects of a content in the order of their first appearance, and the content's pin.
pub(crate) fn first_pass(content: &Content) -> Result<(Vec<Arc<str>>, SourcePin), AudienceError> {
    let unreadable = |error| AudienceError::reading(content.shown(), error);
    let mut lines = Lines::open(content)?;
    let mut keys = Keys::default();
    let mut array = false;
    let mut first = true;
    let mut objects = 0_u64;
    loop {
        match lines.find().map_err(unreadable)? {
            Line::End => break,
            Line::Blank { used } => lines.consume(used),
            Line::Long { .. } => lines.skipping = true,
            Line::Text { used, length } => {
                let text = &lines.window.data()[..length];
                array |= first && text.trim_ascii_start().starts_with(b"[");
                first = false;
                objects += u64::from(keys.collect(text, COLUMNS_MAX));
                lines.consume(used);
            }
        }
    }
    if array || objects == 0 {
        let problem = if array { "it begins as a JSON array" } else { "no line is a JSON object" };
        return Err(AudienceError::NotNdjson { path: content.shown().to_owned(), problem });
    }
    let pin = content.stated_pin().unwrap_or_else(|| lines.window.pin());
    Ok((keys.into_names(), pin))
}

/// An NDJSON file whose keys are known.
#[derive(Debug)]
pub(crate) struct NdjsonReader {
    lines: Lines,
    objects: ObjectReader,
}

impl NdjsonReader {
    pub(crate) fn open(content: &Content, header: &[Arc<str>]) -> Result<Self, AudienceError> {
        Ok(NdjsonReader { lines: Lines::open(content)?, objects: ObjectReader::new(header) })
    }

    pub(crate) fn window(&self) -> &Window {
        &self.lines.window
    }

    /// Appends rows to the batch until it has `rows_max`, is full, or the file ends.
    pub(crate) fn read(&mut self, batch: &mut Batch, rows_max: usize) -> io::Result<()> {
        while batch.len() < rows_max && !batch.is_full() {
            let found = self.lines.find()?;
            let (line, data) = (self.lines.line, self.lines.window.data());
            match found {
                Line::End => return Ok(()),
                Line::Blank { used } => self.lines.consume(used),
                Line::Long { length } => {
                    batch.push_malformed(line, TOO_LONG, &data[..length]);
                    self.lines.skipping = true;
                }
                Line::Text { used, length } => {
                    match self.objects.read(&data[..length]) {
                        Ok((text, ends)) => batch.push_packed(line, text, ends),
                        Err(reason) => batch.push_malformed(line, &reason, &data[..length]),
                    }
                    self.lines.consume(used);
                }
            }
        }
        Ok(())
    }
}
