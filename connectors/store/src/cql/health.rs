//! What keeps the database from answering, for people.

use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// Set by each failed request, cleared by the first one that works.
#[derive(Debug)]
pub(crate) struct Health {
    addresses: String,
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    reason: String,
}

impl Health {
    pub(crate) fn new(addresses: String) -> Self {
        Self { addresses, failing: Mutex::new(None) }
    }

    pub(crate) fn works(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.take().is_some() {
            tracing::info!(addresses = self.addresses, "the CQL database answers again");
        }
    }

    pub(crate) fn fails(&self, error: &impl ToString) {
        let reason = error.to_string();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *failing {
            Some(known) => known.reason = reason,
            None => {
                tracing::warn!(addresses = self.addresses, reason, "the CQL database does not answer");
                *failing = Some(Failing { since: Instant::now(), reason });
            }
        }
    }

    /// A sentence, or `None` while the last request worked.
    pub(crate) fn trouble(&self) -> Option<String> {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.as_ref().map(|failing| {
            let seconds = failing.since.elapsed().as_secs();
            format!(
                "no good answer from the database at {} since {seconds} s: {}",
                self.addresses, failing.reason
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn trouble_tells_since_when_and_why_until_something_works() {
        let health = Health::new("db-1:9042".to_owned());
        assert_eq!(health.trouble(), None);
        health.fails(&"connection refused");
        tokio::time::advance(Duration::from_secs(12)).await;
        health.fails(&"timed out");
        let expected = "no good answer from the database at db-1:9042 since 12 s: timed out";
        assert_eq!(health.trouble().as_deref(), Some(expected));
        health.works();
        assert_eq!(health.trouble(), None);
    }
}
