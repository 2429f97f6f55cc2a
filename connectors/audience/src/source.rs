//! Where an audience comes from.

use sluice_core::launch::{FileFormat, Location, LocationError, audience_format, is_url};
use sluice_schemas::{Audience, StringMap};
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
    /// A Parquet file.
    Parquet {
        /// The file.
        path: PathBuf,
    },
    /// A file by URL: `s3://`, `gs://`, `az://`, `https://`.
    Remote {
        /// The URL.
        url: String,
        /// How it is written.
        format: FileFormat,
        /// What separates cells of CSV; `None`: found from the header.
        delimiter: Option<u8>,
    },
    /// A location that cannot be used.
    Unusable {
        /// Why.
        error: LocationError,
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
        let format = audience_format(path, audience.format).unwrap_or(FileFormat::Csv);
        let delimiter = audience.delimiter.as_ref().and_then(|text| text.bytes().next());
        let file = match Location::parse(path) {
            Ok(Location::File { path }) => base.join(&*path),
            Ok(_) => return AudienceSource::Remote { url: path.clone(), format, delimiter },
            Err(error) => return AudienceSource::Unusable { error },
        };
        match format {
            FileFormat::Csv => AudienceSource::Csv { path: file, delimiter },
            FileFormat::Ndjson => AudienceSource::Ndjson { path: file },
            FileFormat::Parquet => AudienceSource::Parquet { path: file },
        }
    }

    /// The source as people see it: the file's name, or `inline`.
    pub fn shown(&self) -> String {
        match self {
            AudienceSource::Csv { path, .. }
            | AudienceSource::Ndjson { path }
            | AudienceSource::Parquet { path } => path
                .file_name()
                .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned()),
            AudienceSource::Remote { url, .. } => shown_url(url),
            AudienceSource::Unusable { .. } => "the audience".to_owned(),
            AudienceSource::Inline { .. } => "inline".to_owned(),
        }
    }
}

/// A URL without what may let somebody in: its query, and a name or password before the host.
pub(crate) fn shown_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The path of a launch as any directory reads it: a relative path counts from `base`, a URL stays as it is.
///
/// # Errors
/// The working directory is gone.
pub fn absolute(path: &str, base: &Path) -> std::io::Result<String> {
    if is_url(path) {
        return Ok(path.to_owned());
    }
    Ok(std::path::absolute(base.join(path))?.to_string_lossy().into_owned())
}
