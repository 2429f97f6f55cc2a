//! What can be wrong with an audience as a whole, and what to do about it.

use crate::pin::SourcePin;
use crate::unavailable::RemoteProblem;
use sluice_core::launch::LocationError;
use sluice_core::row::ColumnsError;
use std::io;
use std::path::{Path, PathBuf};

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
        expected: Box<SourcePin>,
        /// As it is now.
        found: Box<SourcePin>,
    },
    /// Parquet would begin and end otherwise.
    #[error("the audience {} is not Parquet: {problem}", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// How that shows.
        problem: String,
    },
    /// It is Parquet and cannot be decoded.
    #[error("the audience {} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        problem: String,
    },
    /// A column of a Parquet file is compressed in a way that is not read here.
    #[error("column `{column}` of {} is compressed with {codec}", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// As Parquet calls it.
        codec: String,
    },
    /// A column of a Parquet file holds what is no value of a recipient.
    #[error("column `{column}` of {} holds {kind}, not a value", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it holds: a list, a structure.
        kind: String,
    },
    /// A column of a row group is larger than the options allow.
    #[error(
        "column `{column}` has {bytes} bytes in one row group of {}, {bytes_max} are possible",
        path.display()
    )]
    RowGroup {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its bytes, uncompressed.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// It has more bytes than the options allow.
    #[error("the audience {} has {bytes} bytes, {bytes_max} are possible", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// It is not in one of the directories that audiences may lie in.
    #[error("the audience {} is outside the directories that audiences may lie in", path.display())]
    Outside {
        /// As it was named.
        path: PathBuf,
    },
    /// This program was built without what reads it.
    #[error("the audience {} cannot be read by this build: it lacks the cargo feature `{feature}`", path.display())]
    Feature {
        /// As it was named.
        path: PathBuf,
        /// The missing feature.
        feature: &'static str,
    },
    /// The path or URL is none. It is not repeated: it may hold a secret.
    #[error("the audience's location cannot be used: {}", .0.problem)]
    Location(#[from] LocationError),
    /// A store or server does not give it.
    #[error("cannot read the audience {}: {problem}", path.display())]
    Remote {
        /// Its URL without the query.
        path: PathBuf,
        /// Why.
        problem: RemoteProblem,
    },
    /// A setting cannot be worked with.
    #[error("audience.{option}: {problem}")]
    Option {
        /// The setting.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
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
    /// A failed read. Sources that are no files put their own error into the one of the system.
    pub(crate) fn reading(path: &Path, error: io::Error) -> Self {
        match error.downcast::<AudienceError>() {
            Ok(own) => own,
            Err(source) => AudienceError::Unreadable { path: path.to_owned(), source },
        }
    }

    /// Another content than the pinned one.
    pub(crate) fn changed(path: &Path, expected: &SourcePin, found: SourcePin) -> Self {
        let expected = Box::new(expected.clone());
        AudienceError::Changed { path: path.to_owned(), expected, found: Box::new(found) }
    }

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
            AudienceError::Columns(ColumnsError::NoSuchVariable { .. }) => "no_variable_column",
            AudienceError::Columns(_) => "audience_columns",
            AudienceError::Changed { .. } => "audience_changed",
            AudienceError::NotParquet { .. } => "audience_not_parquet",
            AudienceError::Damaged { .. } => "audience_damaged",
            AudienceError::Codec { .. } => "audience_codec",
            AudienceError::ColumnType { .. } => "audience_column_type",
            AudienceError::RowGroup { .. } => "audience_row_group",
            AudienceError::TooLarge { .. } => "audience_too_large",
            AudienceError::Outside { .. } => "audience_outside",
            AudienceError::Feature { .. } => "audience_feature",
            AudienceError::Location(_) => "audience_location",
            AudienceError::Remote { problem, .. } => problem.code(),
            AudienceError::Option { .. } => "audience_option",
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
            AudienceError::NotAFile { .. } => {
                "name one CSV, NDJSON or Parquet file: it is read more than once"
            }
            AudienceError::Empty { .. } => "write a header and rows, or export the list again",
            AudienceError::NotText { what: "Parquet", .. } => {
                "let its name end with .parquet and leave audience.format out"
            }
            AudienceError::NotText { .. } => "save it as CSV in UTF-8 and name that file",
            AudienceError::Header { .. } => {
                "the first line names each column once, for example name,phone,coupon"
            }
            AudienceError::NotNdjson { .. } => "write one JSON object a line, or set audience.format to csv",
            AudienceError::Columns(ColumnsError::NoSuchVariable { .. }) => {
                "correct the name in the message, add the column, or give it a value for everybody in variables of the launch"
            }
            AudienceError::Columns(_) => "rename the column, or map it in audience.columns of the launch",
            AudienceError::Changed { .. } => {
                "it is read again to go on after a restart, so it must stay as it was: restore it, or cancel and launch again"
            }
            AudienceError::NotParquet { .. } => {
                "export it again, or name the file by what it is: .csv, .ndjson"
            }
            AudienceError::Damaged { .. } => "export it again: a part of it was lost or overwritten",
            AudienceError::Codec { .. } => "write it with Snappy, gzip, Zstandard or without compression",
            AudienceError::ColumnType { .. } => {
                "write the value into a column of its own, or leave the column out of message and audience.columns"
            }
            AudienceError::RowGroup { .. } => {
                "write it with smaller row groups (100,000 rows), or raise audience.column_chunk_bytes_max"
            }
            AudienceError::TooLarge { .. } => "split it into several campaigns, or raise audience.bytes_max",
            AudienceError::Outside { .. } => {
                "put the file into one of audience.roots of the configuration, or add its directory there"
            }
            AudienceError::Feature { .. } => "build sluice with that feature, or export the audience as CSV",
            AudienceError::Location(error) => error.hint,
            AudienceError::Remote { problem, .. } => problem.actionable(),
            AudienceError::Option { .. } => "correct it in the configuration",
            AudienceError::Rejected { .. } => "free space there, or leave the list out",
            AudienceError::Temporary { .. } => "free space there, or set another temporary directory",
        }
    }
}
