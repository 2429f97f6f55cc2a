//! The bytes of a source: a file of this machine or an object elsewhere.

use crate::error::AudienceError;
use crate::options::AudienceOptions;
use crate::pin::SourcePin;
#[cfg(feature = "object-store")]
use crate::remote::RemoteFile;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes that can be read from the beginning as often as needed.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// A regular file.
    File {
        /// As it was named.
        shown: PathBuf,
        /// As it is opened.
        path: PathBuf,
    },
    /// An object whose version is known: every read is of that version.
    #[cfg(feature = "object-store")]
    Remote(RemoteFile),
}

impl Content {
    /// A file inside the roots that the options allow.
    pub(crate) fn file(shown: &Path, options: &AudienceOptions) -> Result<Self, AudienceError> {
        let unreadable = |source| AudienceError::Unreadable { path: shown.to_owned(), source };
        let mut path = shown.to_owned();
        if !options.roots.is_empty() {
            // Before it is looked at: whether a file outside exists is nobody's business.
            let outside = || AudienceError::Outside { path: shown.to_owned() };
            path = shown.canonicalize().map_err(|error| match inside_as_written(shown, options) {
                true => unreadable(error),
                false => outside(),
            })?;
            let roots = options.roots.iter().filter_map(|root| root.canonicalize().ok());
            if !roots.into_iter().any(|root| path.starts_with(root)) {
                return Err(outside());
            }
        }
        // Before opening: that of a pipe without a writer would wait for ever.
        let found = std::fs::metadata(&path).map_err(unreadable)?;
        if !found.is_file() {
            let what = if found.is_dir() { "a directory" } else { "a pipe or a device" };
            return Err(AudienceError::NotAFile { path: shown.to_owned(), what });
        }
        if found.len() > options.bytes_max {
            let (bytes, bytes_max) = (found.len(), options.bytes_max);
            return Err(AudienceError::TooLarge { path: shown.to_owned(), bytes, bytes_max });
        }
        Ok(Content::File { shown: shown.to_owned(), path })
    }

    /// How people see it.
    pub(crate) fn shown(&self) -> &Path {
        match self {
            Content::File { shown, .. } => shown,
            #[cfg(feature = "object-store")]
            Content::Remote(remote) => remote.shown(),
        }
    }

    /// Its bytes from the first on.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, AudienceError> {
        match self {
            Content::File { .. } => Ok(Box::new(self.open_file()?)),
            #[cfg(feature = "object-store")]
            Content::Remote(remote) => Ok(Box::new(remote.read_from(0))),
        }
    }

    fn open_file(&self) -> Result<File, AudienceError> {
        match self {
            Content::File { shown, path } => {
                File::open(path).map_err(|source| AudienceError::Unreadable { path: shown.clone(), source })
            }
            #[cfg(feature = "object-store")]
            Content::Remote(remote) => {
                Err(AudienceError::NotAFile { path: remote.shown().to_owned(), what: "an object of a store" })
            }
        }
    }

    /// Size and version as the store says them, so that nothing has to be read for the pin.
    pub(crate) fn stated_pin(&self) -> Option<SourcePin> {
        match self {
            Content::File { .. } => None,
            #[cfg(feature = "object-store")]
            Content::Remote(remote) => Some(remote.pin()),
        }
    }

    /// The content for reading anywhere in it.
    #[cfg(feature = "parquet")]
    #[cfg_attr(not(feature = "object-store"), expect(unused_variables, reason = "files need no cache"))]
    pub(crate) fn chunks(&self, options: &AudienceOptions) -> Result<crate::columnar::Chunks, AudienceError> {
        match self {
            Content::File { shown, .. } => {
                let file = self.open_file()?;
                let bytes = file.metadata().map_err(|error| AudienceError::reading(shown, error))?.len();
                Ok(crate::columnar::Chunks::of_file(file, bytes))
            }
            #[cfg(feature = "object-store")]
            Content::Remote(remote) => Ok(crate::columnar::Chunks::of_remote(remote.clone(), options)),
        }
    }
}

/// Whether a path lies in a root by its text, without dots that climb.
fn inside_as_written(path: &Path, options: &AudienceOptions) -> bool {
    let climbs = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
    !climbs && options.roots.iter().any(|root| path.starts_with(root))
}
