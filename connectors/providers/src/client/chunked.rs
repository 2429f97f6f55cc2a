//! The chunked transfer coding (RFC 9112, 7.1), bytes as they come.

use super::reply::NoAnswer;
use httparse::Status;

/// Bytes of the line with a chunk's length; more is no length.
const LINE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of the headers after the last chunk.
const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Headers after the last chunk.
const TRAILERS_MAX: usize = 16;

const NO_LENGTH: NoAnswer = NoAnswer("a chunk has no length");

/// What was read of a chunked body.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    body: Vec<u8>,
    /// Bytes that were looked at.
    at: usize,
    next: Next,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy)]
enum Next {
    #[default]
    Length,
    Data(u64),
    /// The line break after a chunk.
    Break,
    Trailers,
    Nothing,
}

impl Chunked {
    /// Goes on in `all`, the bytes after the head from the beginning; stops when the body has `bytes_max`.
    pub(super) fn take(&mut self, all: &[u8], bytes_max: usize) -> Result<(), NoAnswer> {
        loop {
            let rest = &all[self.at..];
            let (bytes, next) = match self.next {
                Next::Nothing => return Ok(()),
                Next::Length if rest.first().is_some_and(|first| !first.is_ascii_hexdigit()) => {
                    return Err(NO_LENGTH);
                }
                Next::Length => match httparse::parse_chunk_size(rest) {
                    Ok(Status::Complete((bytes, _))) if bytes > LINE_BYTES_MAX => return Err(NO_LENGTH),
                    Ok(Status::Complete((bytes, 0))) => (bytes, Next::Trailers),
                    Ok(Status::Complete((bytes, length))) => (bytes, Next::Data(length)),
                    Ok(Status::Partial) if rest.len() <= LINE_BYTES_MAX => return Ok(()),
                    Ok(Status::Partial) | Err(_) => return Err(NO_LENGTH),
                },
                Next::Data(_) if rest.is_empty() || self.body.len() >= bytes_max => return Ok(()),
                Next::Data(length) => {
                    let bytes = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                    self.body.extend_from_slice(&rest[..bytes]);
                    match length - bytes as u64 {
                        0 => (bytes, Next::Break),
                        left => (bytes, Next::Data(left)),
                    }
                }
                Next::Break => match rest {
                    [b'\r', b'\n', ..] => (2, Next::Length),
                    [] | [b'\r'] => return Ok(()),
                    _ => return Err(NoAnswer("a chunk is longer than it says")),
                },
                Next::Trailers => {
                    let mut trailers = [httparse::EMPTY_HEADER; TRAILERS_MAX];
                    match httparse::parse_headers(rest, &mut trailers) {
                        Ok(Status::Complete((bytes, _))) => (bytes, Next::Nothing),
                        Ok(Status::Partial) if rest.len() <= TRAILER_BYTES_MAX => return Ok(()),
                        Ok(Status::Partial) | Err(_) => {
                            return Err(NoAnswer("what follows the last chunk is no header"));
                        }
                    }
                }
            };
            self.at += bytes;
            self.next = next;
        }
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// How long all was, once it has ended.
    pub(super) fn end(&self) -> Option<usize> {
        matches!(self.next, Next::Nothing).then_some(self.at)
    }
}
