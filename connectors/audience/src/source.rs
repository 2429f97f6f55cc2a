//! Where an audience comes from.

use sluice_core::launch::audience_format;
use sluice_schemas::{Audience, AudienceFormat, StringMap};
use std::path::{Path, PathBuf};

/// A source of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum AudienceSource {
    /// A CSV file with a header.
    Csv {
        /// The file.
        path: PathBuf,
        /// What separates cells; `None`: found from the header.
        delimiter: Option<u8>,
    },
    /// A file with one JSON object a line.
    Ndjson {
        /// The file.
        path: PathBuf,
    },
    /// Rows of the launch itself.
    Inline {
        /// Column to value.
        rows: Vec<StringMap>,
    },
}

impl AudienceSource {
    /// The source that a launch names. A relative path counts from `base`. A path whose format is not stated
    /// and not known by its ending is read as CSV.
    pub fn of(audience: &Audience, base: &Path) -> Self {
        let Some(path) = &audience.path else {
            return AudienceSource::Inline { rows: audience.inline.clone().unwrap_or_default() };
        };
        let file = base.join(path);
        match audience_format(path, audience.format).unwrap_or(AudienceFormat::Csv) {
            AudienceFormat::Csv => {
                let delimiter = audience.delimiter.as_ref().and_then(|text| text.bytes().next());
                AudienceSource::Csv { path: file, delimiter }
            }
            AudienceFormat::Ndjson => AudienceSource::Ndjson { path: file },
        }
    }

    /// The source as people see it: the file's name, or `inline`.
    pub fn shown(&self) -> String {
        match self {
            AudienceSource::Csv { path, .. } | AudienceSource::Ndjson { path } => path
                .file_name()
                .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
            AudienceSource::Inline { .. } => "inline".to_owned(),
        }
    }
}
