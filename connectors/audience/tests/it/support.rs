//! What the tests share.

use sluice_audience::{
    AudienceError, AudienceReader, AudienceSource, DecidedRows, FileAudiences, RowContent,
};
use sluice_core::launch::{ValidLaunch, parse_json, validate};
use sluice_core::row::{Cells, ColumnRules, Keep};
use sluice_schemas::Channel;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory with one file in it.
pub(crate) fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    (directory, path)
}

pub(crate) fn rules(channel: Channel) -> ColumnRules {
    let (mapping, pages) = (Default::default(), vec!["p1".into()]);
    ColumnRules { channel, mapping, pages, keep: Keep::All, needed: Vec::new() }
}

pub(crate) fn csv(path: &Path, delimiter: Option<u8>) -> AudienceSource {
    AudienceSource::Csv { path: path.to_owned(), delimiter }
}

pub(crate) fn ndjson(path: &Path) -> AudienceSource {
    AudienceSource::Ndjson { path: path.to_owned() }
}

/// A row as `line: cell | cell` or `line! reason`.
pub(crate) fn shown(line: u64, content: RowContent<'_>) -> String {
    match content {
        RowContent::Cells(cells) => format!("{line}: {}", joined(cells)),
        RowContent::Malformed { reason, .. } => format!("{line}! {reason}"),
    }
}

fn joined(cells: Cells<'_>) -> String {
    cells.iter().collect::<Vec<_>>().join(" | ")
}

/// All rows of a source for the generic HTTP channel, read `rows_max` at a time.
pub(crate) fn rows_by(source: &AudienceSource, rows_max: usize) -> Result<Vec<String>, AudienceError> {
    let mut reader = AudienceReader::open(source, &rules(Channel::Http))?;
    let mut rows = Vec::new();
    while let Some(batch) = reader.next_batch(rows_max)? {
        assert!(batch.len() <= rows_max);
        for row in batch.rows() {
            assert_eq!(row.position, rows.len() as u64);
            rows.push(shown(row.line, row.content));
        }
    }
    Ok(rows)
}

pub(crate) fn rows(source: &AudienceSource) -> Vec<String> {
    let all = rows_by(source, 1_000).unwrap();
    assert_eq!(all, rows_by(source, 1).unwrap(), "the size of batches must not matter");
    all
}

pub(crate) fn csv_rows(content: impl AsRef<[u8]>) -> Vec<String> {
    let (_directory, path) = file("people.csv", content.as_ref());
    rows(&csv(&path, None))
}

pub(crate) fn launch(document: &serde_json::Value) -> ValidLaunch {
    validate(&parse_json(&document.to_string()).unwrap()).unwrap()
}

/// A launch over a file of `tests/data`.
pub(crate) fn sample(channel: &str, name: &str, message: serde_json::Value) -> ValidLaunch {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name);
    launch(&serde_json::json!({
        "campaign": "sample", "channel": channel, "pages": ["p1"],
        "audience": {"path": path}, "message": message,
    }))
}

pub(crate) fn opened(launch: &ValidLaunch) -> DecidedRows {
    FileAudiences::new(".", std::env::temp_dir()).open_now(launch).unwrap()
}

/// A directory with one Parquet file in it.
#[cfg(feature = "parquet")]
pub(crate) fn parquet_file(
    rows: &arrow_array::RecordBatch,
    properties: parquet::file::properties::WriterProperties,
) -> (TempDir, PathBuf) {
    let (directory, path) = file("people.parquet", b"");
    let written = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(written, rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
    (directory, path)
}
