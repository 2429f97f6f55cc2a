//! The lock of the one who changes the schema. It frees itself if its holder is gone; every migration may be
//! repeated, so that two holders do no harm.

use super::error::CqlError;
use super::session::Connected;
use scylla::serialize::row::SerializeRow;
use scylla::statement::Statement;
use scylla::value::{CqlValue, Row};
use std::time::Duration;
use tokio::time::Instant;

/// Seconds after which a holder that was not heard of is gone.
const HELD_S: u32 = 60;

const POLL: Duration = Duration::from_millis(250);

/// Held from [`acquire`] to [`Lock::release`].
pub(crate) struct Lock<'a> {
    connected: &'a Connected,
    keyspace: &'a str,
    holder: String,
}

/// Runs a conditional statement; whether it was applied.
pub(crate) async fn is_applied(
    connected: &Connected,
    text: String,
    values: impl SerializeRow,
) -> Result<bool, CqlError> {
    let mut statement = Statement::new(text.clone());
    statement.set_execution_profile_handle(Some(connected.conditional.clone()));
    let failed = |reason: String| CqlError::failed(&text, reason);
    let result = connected.session.query_unpaged(statement, values).await;
    let rows = result.map_err(|error| failed(error.to_string()))?.into_rows_result();
    let rows = rows.map_err(|error| failed(error.to_string()))?;
    let Some((column, _)) = rows.column_specs().get_by_name("[applied]") else { return Ok(false) };
    let row = rows.first_row::<Row>().map_err(|error| failed(error.to_string()))?;
    Ok(matches!(row.columns.get(column), Some(Some(CqlValue::Boolean(true)))))
}

/// Waits until nobody else changes the schema.
pub(crate) async fn acquire<'a>(connected: &'a Connected, keyspace: &'a str) -> Result<Lock<'a>, CqlError> {
    let holder = connected.session.session_id().to_string();
    let lock = Lock { connected, keyspace, holder };
    let deadline = Instant::now() + Duration::from_secs(u64::from(HELD_S) * 3);
    loop {
        let text = format!(
            "INSERT INTO \"{keyspace}\".schema_migrations (name, holder) VALUES ('lock', ?) IF NOT EXISTS USING TTL {HELD_S}"
        );
        // A lost answer: if it was applied, the renewal says so.
        let is_mine =
            is_applied(connected, text, (&lock.holder,)).await.unwrap_or(false) || lock.renew().await?;
        if is_mine {
            return Ok(lock);
        }
        if Instant::now() > deadline {
            return Err(CqlError::failed("waiting for another `sluice store migrate`", "it does not end"));
        }
        tokio::time::sleep(POLL).await;
    }
}

impl Lock<'_> {
    /// Holds it for another [`HELD_S`]; whether it is still held.
    pub(crate) async fn renew(&self) -> Result<bool, CqlError> {
        let text = format!(
            "UPDATE \"{}\".schema_migrations USING TTL {HELD_S} SET holder = ? WHERE name = 'lock' IF holder = ?",
            self.keyspace
        );
        is_applied(self.connected, text, (&self.holder, &self.holder)).await
    }

    /// Lets the next one go on. If it fails, time does it.
    pub(crate) async fn release(self) {
        let text =
            format!("DELETE FROM \"{}\".schema_migrations WHERE name = 'lock' IF holder = ?", self.keyspace);
        if let Err(error) = is_applied(self.connected, text, (&self.holder,)).await {
            tracing::debug!(%error, "the lock of the schema frees itself in {HELD_S} s");
        }
    }
}
