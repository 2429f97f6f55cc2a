//! What has to be asked for is looked at again and again.

use crate::Shutdown;
use std::fmt::Display;
use std::time::Duration;

/// How often a sampler looks unless told otherwise.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// Exports what it finds.
pub trait Sampler: Send {
    /// What it looks at, for the log.
    const WHAT: &'static str;
    /// Why it could not look.
    type Error: Display + Send;

    /// Looks once. What was found before an error is exported.
    fn sample(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Looks every `every` until it is stopped. An engine that does not answer is waited for; what it refuses is asked again.
pub async fn sample_every<S: Sampler>(every: Duration, mut sampler: S, mut shutdown: Shutdown) {
    loop {
        tokio::select! {
           biased;
            () = shutdown.stopping() => return,
            sampled = sampler.sample() => {
                if let Err(error) = sampled {
                    tracing::debug!(%error, "{} can't be read", S::WHAT);
                }
            }
        }
        tokio::select! {
           biased;
            () = shutdown.stopping() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}
