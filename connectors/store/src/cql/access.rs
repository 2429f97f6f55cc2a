//! How statements are run: plain ones until they are acknowledged, conditional ones once.

use super::answer::{Answer, applied};
use super::error::is_lasting;
use super::health::Health;
use super::options::CqlOptions;
use super::session::Connected;
use super::settle::Nonces;
use super::statements::Statements;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::response::query_result::{QueryResult, QueryRowsResult};
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use sluice_runtime::ports::store::{StoreError, StoreResult};
use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The first pause before something is asked again, ms; it doubles up to [`PAUSE_MS_MAX`].
const PAUSE_MS: u64 = 10;
const PAUSE_MS_MAX: u64 = 1_000;

/// The database and how it is spoken to.
pub(crate) struct Access {
    pub(crate) session: Session,
    pub(crate) statements: Statements,
    pub(crate) health: Health,
    pub(crate) nonces: Nonces,
    pub(crate) batch_bytes_max: usize,
    /// Plain reads of one call under way at once.
    pub(crate) reads: usize,
    pub(crate) correlation_ttl_s: i32,
    writes: Semaphore,
    total: Duration,
}

/// The time that an operation still has, and its pauses.
pub(crate) struct Patience {
    deadline: Instant,
    pause_ms: u64,
    last: Option<String>,
}

impl Patience {
    /// Waits a moment before the next attempt.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the time is over.
    pub(crate) async fn wait(&mut self) -> StoreResult<()> {
        // Two who met are unlikely to meet again: pauses differ by what the clock happens to say.
        let left = self.deadline.saturating_duration_since(Instant::now());
        let jitter = u64::from(left.subsec_nanos()) % self.pause_ms;
        let pause = Duration::from_millis(self.pause_ms / 2 + jitter / 2 + 1);
        if Instant::now() + pause > self.deadline {
            let last = self.last.take().unwrap_or_else(|| "others were always faster".to_owned());
            return Err(StoreError::Unavailable(last));
        }
        tokio::time::sleep(pause).await;
        self.pause_ms = (self.pause_ms * 2).min(PAUSE_MS_MAX);
        Ok(())
    }

    fn failed(&mut self, error: &ExecutionError) -> StoreResult<()> {
        let text = error.to_string();
        if is_lasting(error) {
            return Err(StoreError::Unavailable(text));
        }
        self.last = Some(text);
        Ok(())
    }
}

impl Access {
    pub(crate) fn new(connected: Connected, statements: Statements, options: &CqlOptions) -> Self {
        let session = connected.session;
        Self {
            nonces: Nonces::new(*session.session_id().as_bytes()),
            session,
            statements,
            health: Health::new(options.addresses()),
            batch_bytes_max: options.batch_bytes_max,
            reads: options.concurrency,
            // At most 7,300 days: it fits.
            correlation_ttl_s: (options.correlation_days * 86_400) as i32,
            writes: Semaphore::new(options.concurrency),
            total: Duration::from_millis(options.total_ms),
        }
    }

    /// The time that one operation has.
    pub(crate) fn patience(&self) -> Patience {
        Patience { deadline: Instant::now() + self.total, pause_ms: PAUSE_MS, last: None }
    }

    /// A plain write, repeated until it is acknowledged.
    pub(crate) async fn write(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> StoreResult<()> {
        // The semaphore is never closed.
        let _permit = self.writes.acquire().await;
        self.insist(statement, &values).await.map(drop)
    }

    /// Reads at most a page of rows, by the consistency of the statement.
    pub(crate) async fn read(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> StoreResult<QueryRowsResult> {
        rows_of(self.insist(statement, &values).await?)
    }

    /// Reads one row, if there is one.
    pub(crate) async fn read_one<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> StoreResult<Option<R>>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        let rows = self.read(statement, values).await?;
        rows.maybe_first_row::<R>().map_err(|error| unreadable(statement, error))
    }

    /// Reads all rows, page by page.
    pub(crate) async fn read_all<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> StoreResult<Vec<R>>
    where
        R: for<'frame> DeserializeRow<'frame, 'frame>,
    {
        let mut all = Vec::new();
        let mut state = PagingState::start();
        loop {
            let (result, next) = self.insist_page(statement, &values, &state).await?;
            let rows = rows_of(result)?;
            for row in rows.rows::<R>().map_err(|error| unreadable(statement, error))? {
                all.push(row.map_err(|error| unreadable(statement, error))?);
            }
            match next.into_paging_control_flow() {
                ControlFlow::Break(()) => return Ok(all),
                ControlFlow::Continue(next) => state = next,
            }
        }
    }

    /// A conditional write, asked once. Only what can't have been applied is an error.
    pub(crate) async fn compare(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
        patience: &mut Patience,
    ) -> StoreResult<Answer> {
        let result = self.session.execute_unpaged(statement, values).await;
        self.answer(result, patience)
    }

    /// What a conditional statement or batch answered.
    pub(crate) fn answer(
        &self,
        result: Result<QueryResult, ExecutionError>,
        patience: &mut Patience,
    ) -> StoreResult<Answer> {
        match result {
            Ok(result) => {
                self.health.works();
                Ok(applied(result))
            }
            Err(error) => {
                self.health.fails(&error);
                patience.failed(&error)?;
                Ok(Answer::Unknown)
            }
        }
    }

    async fn insist(
        &self,
        statement: &PreparedStatement,
        values: &impl SerializeRow,
    ) -> StoreResult<QueryResult> {
        let mut patience = self.patience();
        loop {
            match self.session.execute_unpaged(statement, values).await {
                Ok(result) => {
                    self.health.works();
                    return Ok(result);
                }
                Err(error) => self.after(&error, &mut patience).await?,
            }
        }
    }

    async fn insist_page(
        &self,
        statement: &PreparedStatement,
        values: &impl SerializeRow,
        state: &PagingState,
    ) -> StoreResult<(QueryResult, PagingStateResponse)> {
        let mut patience = self.patience();
        loop {
            match self.session.execute_single_page(statement, values, state.clone()).await {
                Ok(result) => {
                    self.health.works();
                    return Ok(result);
                }
                Err(error) => self.after(&error, &mut patience).await?,
            }
        }
    }

    async fn after(&self, error: &ExecutionError, patience: &mut Patience) -> StoreResult<()> {
        self.health.fails(error);
        patience.failed(error)?;
        patience.wait().await
    }
}

/// Runs all, at most `at_once` of them at a time; the answers come in the order of their ends.
pub(crate) async fn all<T, F>(at_once: usize, work: impl IntoIterator<Item = F>) -> StoreResult<Vec<T>>
where
    F: Future<Output = StoreResult<T>>,
{
    let mut work = work.into_iter();
    let mut running: FuturesUnordered<F> = work.by_ref().take(at_once.max(1)).collect();
    let mut done = Vec::new();
    while let Some(answer) = running.next().await {
        done.push(answer?);
        running.extend(work.next());
    }
    Ok(done)
}

fn rows_of(result: QueryResult) -> StoreResult<QueryRowsResult> {
    result.into_rows_result().map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// A row that has another form than the schema of this program says.
pub(crate) fn unreadable(statement: &PreparedStatement, error: impl ToString) -> StoreError {
    let what = format!("table {}", statement.get_table_name().unwrap_or("unknown"));
    StoreError::Damaged { what, reason: error.to_string() }
}
