//! A window on a content: bytes that were read and not yet used, and the digest of all that were read.

use crate::pin::{SourcePin, Version};
use std::io::{self, Read};
use xxhash_rust::xxh3::Xxh3;

/// Bytes read at once.
const BLOCK_BYTES: usize = 256 * 1024;

/// See the module. Grows only while a caller fills it without consuming.
pub(crate) struct Window {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    eof: bool,
    digest: Xxh3,
    bytes: u64,
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("bytes", &self.bytes).field("eof", &self.eof).finish_non_exhaustive()
    }
}

impl Window {
    pub(crate) fn new(input: Box<dyn Read + Send>) -> Self {
        Window { input, buffer: Vec::new(), start: 0, end: 0, eof: false, digest: Xxh3::new(), bytes: 0 }
    }

    /// What was read and not yet consumed.
    pub(crate) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing follows [`Window::data`].
    pub(crate) fn eof(&self) -> bool {
        self.eof
    }

    /// Gives up the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Reads more; false at the end.
    pub(crate) fn fill(&mut self) -> io::Result<bool> {
        if self.eof {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() - self.end < BLOCK_BYTES {
            self.buffer.resize(self.end + BLOCK_BYTES, 0);
        }
        let count = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.digest.update(&self.buffer[self.end..self.end + count]);
        self.bytes += count as u64;
        self.end += count;
        self.eof = count == 0;
        Ok(count > 0)
    }

    /// The pin of all that was read so far.
    pub(crate) fn pin(&self) -> SourcePin {
        SourcePin { bytes: self.bytes, version: Version::Digest(self.digest.digest128()) }
    }
}
