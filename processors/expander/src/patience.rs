//! Asking again a store that gave no answer.

use crate::error::StepError;
use sluice_runtime::ports::store::{StoreError, StoreResult};
use std::time::Duration;

const WAIT_FIRST: Duration = Duration::from_millis(50);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Waits that double from `first` to `max`.
#[derive(Debug, Clone)]
pub(crate) struct Waits {
    next: Duration,
    max: Duration,
}

impl Waits {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { next: first, max }
    }

    /// How long to wait now.
    pub(crate) fn pass(&mut self) -> Duration {
        let wait = self.next.min(self.max);
        self.next = self.next.saturating_mul(2).min(self.max);
        wait
    }
}

/// Asks until there is an answer: "unavailable" means that nothing is known and that asking again is safe, so
/// a row is never given up because of it (G2).
pub(crate) async fn until_answered<T, A>(what: &str, mut ask: impl FnMut() -> A) -> Result<T, StepError>
where
    A: Future<Output = StoreResult<T>>,
{
    let mut waits = Waits::new(WAIT_FIRST, WAIT_MAX);
    loop {
        match ask().await {
            Err(StoreError::Unavailable(reason)) => {
                let wait = waits.pass();
                tracing::warn!(
                    what,
                    reason,
                    wait_ms = wait.as_millis() as u64,
                    "the store gave no answer, asking again"
                );
                tokio::time::sleep(wait).await;
            }
            answer => return Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit() {
        let mut waits = Waits::new(Duration::from_secs(1), Duration::from_secs(5));
        let passed: Vec<u64> = (0..5).map(|_| waits.pass().as_secs()).collect();
        assert_eq!(passed, [1, 2, 4, 5, 5]);
    }
}
