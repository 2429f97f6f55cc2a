//! Asking again a store that gave no answer.

use crate::error::ReceiptError;
use sluice_runtime::ports::store::{StoreError, StoreResult};
use std::time::Duration;

const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Asks until there is an answer. Meanwhile nothing more is taken in, so what waits is bounded (G9); whoever
/// stops the process or takes the partition away drops the future.
pub(crate) async fn until_answered<T, A>(what: &str, mut ask: impl FnMut() -> A) -> Result<T, ReceiptError>
where
    A: Future<Output = StoreResult<T>>,
{
    let mut wait = WAIT_FIRST;
    loop {
        match ask().await {
            Err(StoreError::Unavailable(reason)) => {
                tracing::warn!(
                    what,
                    reason,
                    wait_ms = wait.as_millis() as u64,
                    "the store gave no answer, asking again"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(WAIT_MAX);
            }
            answer => return Ok(answer?),
        }
    }
}
