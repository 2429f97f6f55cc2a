//! What can be wrong with an audience as a whole, and what to do about it.

use crate::pin::SourcePin;
use sluice_core::row::ColumnsError;
use std::io;
use std::path::PathBuf;

/// Why an audience cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AudienceError {
    /// The file system refuses.
    #[error("cannot read the audience {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is a directory, a pipe or a device.
    #[error("the audience {} is {what}, not a file", path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// There is nothing in it.
    #[error("the audience {} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are of another kind than text.
    #[error("the audience {} is {what}, not text in UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        what: &'static str,
    },
    /// The first line is not a header.
    #[error("the header of {} cannot be used: {problem}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another kind of file than NDJSON.
    #[error("the audience {} is not NDJSON: {problem}", path.display())]
    NotNdjson {
        /// The file.
        path: PathBuf,
        /// How that shows.
        problem: &'static str,
    },
    /// The columns do not give what the channel needs.
    #[error(transparent)]
    Columns(#[from] ColumnsError),
    /// Another content than the one that was pinned.
    #[error("the audience {} changed: it was {expected}, now it is {found}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// As it was pinned.
        expected: SourcePin,
        /// As it is now.
        found: SourcePin,
    },
    /// The list of rejected rows cannot be written.
    #[error("cannot write the list of rejected rows: {source}")]
    Rejected {
        /// What the system says.
        source: io::Error,
    },
    /// The set of addresses seen cannot be kept on disk.
    #[error("cannot write temporary files in {}: {source}", path.display())]
    Temporary {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl AudienceError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            AudienceError::Unreadable { .. } => "audience_unreadable",
            AudienceError::NotAFile { .. } => "audience_not_a_file",
            AudienceError::Empty { .. } => "audience_empty",
            AudienceError::NotText { .. } => "audience_not_text",
            AudienceError::Header { .. } => "audience_header",
            AudienceError::NotNdjson { .. } => "audience_not_ndjson",
            AudienceError::Columns(ColumnsError::NoAddress { .. }) => "no_address_column",
            AudienceError::Columns(_) => "audience_columns",
            AudienceError::Changed { .. } => "audience_changed",
            AudienceError::Rejected { .. } => "rejected_file",
            AudienceError::Temporary { .. } => "temporary_files",
        }
    }

    /// What a person can do about it.
    pub fn actionable(&self) -> &'static str {
        match self {
            AudienceError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check audience.path: a relative one counts from where the launch is"
            }
            AudienceError::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "make the file readable for the user that runs sluice"
            }
            AudienceError::Unreadable { .. } => "check the disk, then run it again",
            AudienceError::NotAFile { .. } => "name one CSV or NDJSON file: it is read more than once",
            AudienceError::Empty { .. } => "write a header and rows, or export the list again",
            AudienceError::NotText { .. } => "save it as CSV in UTF-8 and name that file",
            AudienceError::Header { .. } => {
                "the first line names each column once, for example name,phone,coupon"
            }
            AudienceError::NotNdjson { .. } => "write one JSON object a line, or set audience.format to csv",
            AudienceError::Columns(_) => "rename the column, or map it in audience.columns of the launch",
            AudienceError::Changed { .. } => {
                "it is read again to go on after a restart, so it must stay as it was: restore it, or cancel and launch again"
            }
            AudienceError::Rejected { .. } => "free space there, or leave the list out",
            AudienceError::Temporary { .. } => "free space there, or set another temporary directory",
        }
    }
}
