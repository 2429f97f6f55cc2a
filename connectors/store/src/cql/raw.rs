//! The yardstick of benchmarks: the bare driver with the same bytes, and the removal of what a benchmark made.
//!
//! Guarantee: only keyspaces whose name begins with [`SCRATCH`] are written or dropped here.
//!
//! What it does not do: it is no second way to store. Nothing that Sluice relies on goes through it.

use super::error::CqlError;
use super::options::CqlOptions;
use super::session::{self, Connected};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use scylla::client::session::Session;
use scylla::statement::Statement;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use sluice_runtime::{Clock, SystemClock};
use std::time::Duration;

/// How the name of a benchmark's keyspace begins.
pub const SCRATCH: &str = "sluice_bench_";

/// Rows of one partition, as many as a chunk has.
const PARTITION_ROWS: usize = 8_192;
/// Rows of one batch at most.
const BATCH_ROWS: usize = 256;
/// Batches under way at once.
const BATCHES: usize = 16;
/// Cells under way at once.
const CELLS: usize = 64;

/// Two tables without anything of Sluice's: a row a recipient, a cell a state.
pub struct RawTables {
    session: Session,
    insert_row: PreparedStatement,
    insert_cell: PreparedStatement,
    batch_bytes_max: usize,
}

impl std::fmt::Debug for RawTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawTables")
    }
}

impl RawTables {
    /// Connects, and makes the tables in a benchmark's keyspace.
    ///
    /// # Errors
    /// When the keyspace is not a benchmark's, or the database refuses.
    pub async fn create(options: &CqlOptions) -> Result<Self, CqlError> {
        check_keyspace(options)?;
        let Connected { session, .. } = session::connect(options).await?;
        let keyspace = &options.keyspace;
        for table in [
            "raw_rows (chunk int, at int, row blob, PRIMARY KEY (chunk, at))",
            "raw_cells (chunk int PRIMARY KEY, state blob)",
        ] {
            schema(&session, options, format!("CREATE TABLE IF NOT EXISTS \"{keyspace}\".{table}")).await?;
        }
        let row = format!("INSERT INTO \"{keyspace}\".raw_rows (chunk, at, row) VALUES (?, ?, ?)");
        let cell =
            format!("INSERT INTO \"{keyspace}\".raw_cells (chunk, state) VALUES (?, ?) USING TIMESTAMP ?");
        let insert_row = prepare(&session, &row).await?;
        let insert_cell = prepare(&session, &cell).await?;
        Ok(Self { session, insert_row, insert_cell, batch_bytes_max: options.batch_bytes_max })
    }

    /// Writes `count` rows, those of `rows` over and over, in unlogged batches of one partition each. Gives the time
    /// until the last one is acknowledged.
    ///
    /// # Errors
    /// The first write that failed.
    pub async fn write_rows(&self, rows: &[Bytes], count: usize) -> Result<Duration, CqlError> {
        if rows.is_empty() {
            return Ok(Duration::ZERO);
        }
        let bytes = rows.iter().map(Bytes::len).sum::<usize>() / rows.len() + ROW_OVERHEAD;
        let in_batch = (self.batch_bytes_max / bytes).clamp(1, BATCH_ROWS);
        let began = SystemClock.monotonic();
        let batches = (0..count).step_by(in_batch).map(|first| {
            let last = (first + in_batch).min(count);
            let values: Vec<(i32, i32, &[u8])> = (first..last)
                .map(|number| (first / PARTITION_ROWS, number))
                .map(|(chunk, number)| {
                    (chunk as i32, (number % PARTITION_ROWS) as i32, rows[number % rows.len()].as_ref())
                })
                .collect();
            async move {
                let mut batch = Batch::new(BatchType::Unlogged);
                values.iter().for_each(|_| batch.append_statement(self.insert_row.clone()));
                self.session.batch(&batch, &values).await.map(drop)
            }
        });
        let mut writes = stream::iter(batches).buffer_unordered(BATCHES);
        while let Some(written) = writes.next().await {
            written.map_err(|error| CqlError::failed("writing rows", error))?;
        }
        Ok(SystemClock.monotonic() - began)
    }

    /// Writes `cells` one by one, over and over until there were `count`, each under a timestamp of its own. Gives the
    /// time until the last one is acknowledged.
    ///
    /// # Errors
    /// The first write that failed.
    pub async fn write_cells(&self, cells: &[Vec<u8>], count: usize) -> Result<Duration, CqlError> {
        if cells.is_empty() {
            return Ok(Duration::ZERO);
        }
        let began = SystemClock.monotonic();
        let writes = (0..count).map(|number| {
            let place = number % cells.len();
            let values = (place as i32, cells[place].as_slice(), number as i64);
            self.session.execute_unpaged(&self.insert_cell, values)
        });
        let mut writes = stream::iter(writes).buffer_unordered(CELLS);
        while let Some(written) = writes.next().await {
            written.map_err(|error| CqlError::failed("writing cells", error))?;
        }
        Ok(SystemClock.monotonic() - began)
    }
}

/// Bytes of a row of a batch beside its value.
const ROW_OVERHEAD: usize = 40;

/// Drops a benchmark's keyspace; one that is gone already is fine.
///
/// # Errors
/// When the name is not a benchmark's, or the database refuses.
pub async fn drop_keyspace(options: &CqlOptions) -> Result<(), CqlError> {
    check_keyspace(options)?;
    let connected = session::connect(options).await?;
    schema(&connected.session, options, format!("DROP KEYSPACE IF EXISTS \"{}\"", options.keyspace)).await
}

async fn schema(session: &Session, options: &CqlOptions, text: String) -> Result<(), CqlError> {
    let mut statement = Statement::new(text.as_str());
    statement.set_request_timeout(Some(Duration::from_millis(options.schema_agreement_ms)));
    statement.set_is_idempotent(true);
    let done = session.query_unpaged(statement, ()).await;
    done.map(drop).map_err(|error| CqlError::failed(text, error))
}

async fn prepare(session: &Session, text: &str) -> Result<PreparedStatement, CqlError> {
    let prepared = session.prepare(text).await;
    let mut statement = prepared.map_err(|error| CqlError::failed(format!("preparing {text:?}"), error))?;
    statement.set_is_idempotent(true);
    Ok(statement)
}

fn check_keyspace(options: &CqlOptions) -> Result<(), CqlError> {
    match options.keyspace.starts_with(SCRATCH) {
        true => Ok(()),
        false => Err(CqlError::Options(format!(
            "keyspace: {:?} is not that of a benchmark, which begins with {SCRATCH}",
            options.keyspace
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_keyspace_of_a_real_installation_is_neither_written_nor_dropped() {
        for keyspace in ["sluice", "x_sluice_bench_"] {
            let options = CqlOptions { keyspace: keyspace.to_owned(), ..CqlOptions::default() };
            assert!(matches!(drop_keyspace(&options).await, Err(CqlError::Options(_))));
            assert!(matches!(RawTables::create(&options).await, Err(CqlError::Options(_))));
        }
    }
}
