//! Why the expander stops, and why one of its steps does.

use sluice_runtime::ports::log::LogError;
use sluice_runtime::ports::store::StoreError;

/// Why the whole expander stops.
#[derive(Debug, thiserror::Error)]
pub enum ExpanderError {
    /// The log can't be used any more.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store can't be written any more.
    #[error(transparent)]
    Store(StoreError),
    /// An option makes no sense.
    #[error("expander option {option}: {problem}")]
    Option {
        /// Its name in the configuration.
        option: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A defect: an expansion ended by a panic.
    #[error("an expansion panicked: {0}")]
    Panicked(String),
}

/// Why one expansion stops.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Somebody else expands the campaign now (hazard 2).
    #[error("another expander has taken over")]
    Fenced,
    /// A row of this campaign is missing or damaged: others are not concerned.
    #[error("{0}")]
    Campaign(StoreError),
    /// Nothing can be written any more.
    #[error("{0}")]
    Fatal(ExpanderError),
    /// The chunk before was not committed, so this one must not be.
    #[error("an earlier chunk was not committed")]
    OutOfTurn,
}

impl From<LogError> for StepError {
    fn from(error: LogError) -> Self {
        StepError::Fatal(error.into())
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced(_) => StepError::Fenced,
            StoreError::Missing(_) | StoreError::Damaged { .. } => StepError::Campaign(error),
            // Unavailable does not come here: `patience` asks again.
            StoreError::Unavailable(_) | StoreError::Storage(_) => {
                StepError::Fatal(ExpanderError::Store(error))
            }
        }
    }
}

/// Outside of an expansion every refusal stops the expander: the loop can't skip a launch.
pub(crate) fn fatal(error: StepError) -> ExpanderError {
    match error {
        StepError::Fatal(error) => error,
        StepError::Campaign(error) => ExpanderError::Store(error),
        other => ExpanderError::Store(StoreError::Fenced(other.to_string())),
    }
}
