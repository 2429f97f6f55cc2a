//! Parquet: rows of the columns that the launch uses, in the order of the file.
//!
//! Row groups are read one after the other, 1,024 rows at a time, a page of each column in memory; texts stay in
//! their pages until they are copied into a batch, so that a value which a million rows share is held once.
//!
//! Only the used columns are decoded, and only they are columns of the audience: a list of rejected rows shows
//! these.

use crate::batch::Batch;
use crate::content::Content;
use crate::csv::COLUMNS_MAX;
use crate::error::AudienceError;
use crate::options::AudienceOptions;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema};
use cells::{RowText, kind_of};
pub(crate) use chunks::Chunks;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, LogicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use sluice_core::row::{ColumnRules, Columns};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod cells;
mod chunks;

/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 1_024;

/// A Parquet file that is being read.
pub(crate) struct ParquetReader {
    path: PathBuf,
    chunks: Chunks,
    rows: ParquetRecordBatchReader,
    decoded: Option<(RecordBatch, usize)>,
    /// Columns that hold UUIDs.
    uuids: Vec<bool>,
    text: RowText,
    /// Rows so far.
    count: u64,
    #[cfg(test)]
    peak_bytes: usize,
}

impl std::fmt::Debug for ParquetReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetReader")
            .field("path", &self.path)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl ParquetReader {
    /// Opens a file and chooses its columns.
    pub(crate) fn open(
        content: &Content,
        rules: &ColumnRules,
        options: &AudienceOptions,
    ) -> Result<(Self, Columns), AudienceError> {
        let path = content.shown();
        let chunks = content.chunks(options)?;
        chunks.check_ends(path)?;
        let load = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = guarded(path, &chunks, || ArrowReaderMetadata::load(&chunks, load.clone()))?;

        let names = names(path, metadata.schema())?;
        let used = Columns::resolve(&names, rules)?.used();
        // The same columns in the same order: what is left out means nothing to the launch.
        let header: Vec<Arc<str>> = used.iter().map(|index| Arc::clone(&names[*index])).collect();
        let columns = Columns::resolve(&header, rules)?;
        for index in &used {
            let field = metadata.schema().field(*index);
            kind_of(field.data_type()).map_err(|kind| AudienceError::ColumnType {
                path: path.to_owned(),
                column: field.name().clone(),
                kind,
            })?;
        }
        let mask = ProjectionMask::roots(metadata.parquet_schema(), used.iter().copied());
        check_chunks(path, metadata.metadata(), &mask, options)?;

        let uuids = used.iter().map(|index| is_uuid(metadata.metadata(), *index)).collect();
        let views = load.with_schema(Arc::new(as_views(metadata.schema())));
        let rows = guarded(path, &chunks, || {
            let metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), views)?;
            ParquetRecordBatchReaderBuilder::new_with_metadata(chunks.clone(), metadata)
                .with_batch_size(BATCH_ROWS)
                .with_projection(mask)
                .build()
        })?;
        let reader = ParquetReader {
            path: path.to_owned(),
            chunks,
            rows,
            decoded: None,
            uuids,
            text: RowText::default(),
            count: 0,
            #[cfg(test)]
            peak_bytes: 0,
        };
        Ok((reader, columns))
    }

    /// Appends rows to the batch until it has `rows_max`, is full, or the file ends.
    pub(crate) fn read(&mut self, batch: &mut Batch, rows_max: usize) -> Result<(), AudienceError> {
        while batch.len() < rows_max && !batch.is_full() {
            let (decoded, next) = match self.decoded.take() {
                Some((decoded, next)) if next < decoded.num_rows() => (decoded, next),
                _ => match self.decode()? {
                    Some(decoded) => (decoded, 0),
                    None => return Ok(()),
                },
            };
            if next < decoded.num_rows() {
                self.count += 1;
                match self.text.read(&decoded, next, &self.uuids) {
                    Ok((text, ends)) => batch.push_packed(self.count, text, ends),
                    Err(reason) => batch.push_malformed(self.count, &reason, self.text.so_far()),
                }
            }
            self.decoded = Some((decoded, next + 1));
        }
        Ok(())
    }

    fn decode(&mut self) -> Result<Option<RecordBatch>, AudienceError> {
        let rows = &mut self.rows;
        let decoded = guarded(&self.path, &self.chunks, || {
            rows.next().transpose().map_err(|error| ParquetError::ArrowError(error.to_string()))
        })?;
        #[cfg(test)]
        if let Some(decoded) = &decoded {
            self.peak_bytes = self.peak_bytes.max(decoded.get_array_memory_size());
        }
        Ok(decoded)
    }
}

/// Runs the decoder. It is given whatever somebody put into a file: a panic of it is a damaged file, too.
fn guarded<T>(
    path: &Path,
    chunks: &Chunks,
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, AudienceError> {
    let problem = match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(decoded)) => return Ok(decoded),
        // The decoder turns errors of the source into texts: the source kept its own.
        Ok(Err(error)) => match chunks.failure() {
            Some(own) => return Err(own),
            None => error.to_string(),
        },
        Err(_) => "the decoder gave up".to_owned(),
    };
    let problem = problem.chars().filter(|c| !c.is_control()).take(300).collect();
    Err(AudienceError::Damaged { path: path.to_owned(), problem })
}

/// The names of the columns, each once.
fn names(path: &Path, schema: &Schema) -> Result<Vec<Arc<str>>, AudienceError> {
    let refuse = |problem: String| AudienceError::Header { path: path.to_owned(), problem };
    let fields = schema.fields();
    if fields.len() > COLUMNS_MAX {
        return Err(refuse(format!("{} columns, {COLUMNS_MAX} are possible", fields.len())));
    }
    let mut known = std::collections::BTreeSet::new();
    for field in fields {
        if !known.insert(field.name().trim()) {
            return Err(refuse(format!("column `{}` is there twice", field.name().trim())));
        }
    }
    Ok(fields.iter().map(|field| Arc::from(field.name().trim())).collect())
}

/// Texts as views on their pages.
fn as_views(schema: &Schema) -> Schema {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
        }
        DataType::Binary | DataType::LargeBinary => {
            Arc::new(field.as_ref().clone().with_data_type(DataType::BinaryView))
        }
        _ => Arc::clone(field),
    };
    Schema::new(schema.fields().iter().map(view).collect::<Vec<_>>())
}

fn is_uuid(metadata: &ParquetMetaData, root: usize) -> bool {
    let schema = metadata.file_metadata().schema_descr();
    let column = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == root);
    column.is_some_and(|leaf| matches!(schema.column(leaf).logical_type_ref(), Some(LogicalType::Uuid)))
}

/// Refuses before anything is decoded what could not be, or would need too much memory.
fn check_chunks(
    path: &Path,
    metadata: &ParquetMetaData,
    mask: &ProjectionMask,
    options: &AudienceOptions,
) -> Result<(), AudienceError> {
    for group in metadata.row_groups() {
        for (leaf, chunk) in group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf))
        {
            let column = || group.column(leaf).column_path().string();
            match chunk.compression() {
                Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::GZIP(_)
                | Compression::ZSTD(_) => {}
                other => {
                    let codec = format!("{other:?}");
                    let codec = codec.split('(').next().unwrap_or_default().to_owned();
                    return Err(AudienceError::Codec { path: path.to_owned(), column: column(), codec });
                }
            }
            let bytes = u64::try_from(chunk.uncompressed_size()).unwrap_or(u64::MAX);
            let bytes_max = options.column_chunk_bytes_max;
            if bytes > bytes_max {
                return Err(AudienceError::RowGroup {
                    path: path.to_owned(),
                    column: column(),
                    bytes,
                    bytes_max,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
