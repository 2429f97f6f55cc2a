//! The pin of a source: what its content is, so that a changed one is noticed.

use crate::content::Content;
use crate::error::AudienceError;
use crate::options::AudienceOptions;
use crate::window::Window;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of a store's own version at most.
pub(crate) const VERSION_BYTES_MAX: usize = 256;

/// Size and version of a content. As text: `<bytes>-<32 hexadecimal digits of XXH3-128>` for what was read here,
/// `<bytes>-@<version>` for what a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourcePin {
    /// Its size.
    pub bytes: u64,
    /// What tells it from another content of that size.
    pub version: Version,
}

/// What tells a content from another of the same size.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Version {
    /// XXH3-128 over all bytes.
    Digest(u128),
    /// What the store says: `etag:"…"`, or `time:…` of a server without. Stores change it with the content, so that
    /// nothing has to be read for it.
    Stated(Arc<str>),
}

impl SourcePin {
    /// The pin of a content in memory.
    pub fn of(content: &[u8]) -> Self {
        let digest = xxhash_rust::xxh3::xxh3_128(content);
        SourcePin { bytes: content.len() as u64, version: Version::Digest(digest) }
    }

    /// Refuses the file if its content is another one now. Reads it once.
    pub fn verify(&self, path: &Path) -> Result<(), AudienceError> {
        let found = pin(path)?;
        if found == *self {
            return Ok(());
        }
        Err(AudienceError::changed(path, self, found))
    }
}

/// Reads a file once and pins its content.
pub fn pin(path: &Path) -> Result<SourcePin, AudienceError> {
    digest(&Content::file(path, &AudienceOptions::default())?)
}

/// The pin of a source: what the store says, or the digest of all that is in it.
pub(crate) fn pin_of(content: &Content) -> Result<SourcePin, AudienceError> {
    match content.stated_pin() {
        Some(stated) => Ok(stated),
        None => digest(content),
    }
}

fn digest(content: &Content) -> Result<SourcePin, AudienceError> {
    let mut window = Window::new(content.open()?);
    while window.fill().map_err(|error| AudienceError::reading(content.shown(), error))? {
        window.consume(window.data().len());
    }
    Ok(window.pin())
}

impl fmt::Display for SourcePin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Digest(digest) => write!(f, "{}-{digest:032x}", self.bytes),
            Version::Stated(version) => write!(f, "{}-@{version}", self.bytes),
        }
    }
}

/// The text is no pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a pin: expected <bytes>-<32 hexadecimal digits> or <bytes>-@<version>")]
pub struct NotAPin;

impl FromStr for SourcePin {
    type Err = NotAPin;

    fn from_str(text: &str) -> Result<Self, NotAPin> {
        let (bytes, version) = text.split_once('-').ok_or(NotAPin)?;
        let bytes = bytes.parse().map_err(|_| NotAPin)?;
        if let Some(stated) = version.strip_prefix('@') {
            let fits = (1..=VERSION_BYTES_MAX).contains(&stated.len());
            return match fits {
                true => Ok(SourcePin { bytes, version: Version::Stated(stated.into()) }),
                false => Err(NotAPin),
            };
        }
        if version.len() != 32 || !version.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(NotAPin);
        }
        let digest = u128::from_str_radix(version, 16).map_err(|_| NotAPin)?;
        Ok(SourcePin { bytes, version: Version::Digest(digest) })
    }
}
