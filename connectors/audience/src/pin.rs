//! The pin of a source: what its content is, so that a changed one is noticed.

use crate::error::AudienceError;
use crate::window::{Window, open_file};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// Size and digest of a content. As text: `<bytes>-<32 hexadecimal digits of XXH3-128>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SourcePin {
    /// Its size.
    pub bytes: u64,
    /// XXH3-128 over all bytes.
    pub digest: u128,
}

impl SourcePin {
    /// The pin of a content in memory.
    pub fn of(content: &[u8]) -> Self {
        SourcePin { bytes: content.len() as u64, digest: xxhash_rust::xxh3::xxh3_128(content) }
    }

    /// Refuses the file if its content is another one now. Reads it once.
    pub fn verify(&self, path: &Path) -> Result<(), AudienceError> {
        let found = pin(path)?;
        if found == *self {
            return Ok(());
        }
        Err(AudienceError::Changed { path: path.to_owned(), expected: *self, found })
    }
}

/// Reads a file once and pins its content.
pub fn pin(path: &Path) -> Result<SourcePin, AudienceError> {
    let mut window = Window::new(open_file(path)?);
    let unreadable = |source| AudienceError::Unreadable { path: path.to_owned(), source };
    while window.fill().map_err(unreadable)? {
        window.consume(window.data().len());
    }
    Ok(window.pin())
}

impl fmt::Display for SourcePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:032x}", self.bytes, self.digest)
    }
}

/// The text is no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a pin: expected <bytes>-<32 hexadecimal digits>")]
pub struct NotAPin;

impl FromStr for SourcePin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let (bytes, digest) = text.split_once('-').ok_or(NotAPin)?;
        if digest.len() != 32 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAPin);
        }
        let bytes = bytes.parse().map_err(|_| NotAPin)?;
        let digest = u128::from_str_radix(digest, 16).map_err(|_| NotAPin)?;
        Ok(SourcePin { bytes, digest })
    }
}
