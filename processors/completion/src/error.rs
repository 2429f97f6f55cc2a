//! Why something was refused.

use sluice_core::launch::LaunchProblem;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_runtime::ports::log::LogError;
use sluice_runtime::ports::store::StoreError;

/// Why the processor stopped.
#[derive(Debug, thiserror::Error)]
pub enum CompletionError {
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CompletionError {
    /// Whether trying again later can help.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_)))
    }

    /// Whether nothing works any more, in contrast to one row that can't be read.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Store(StoreError::Storage(_)))
    }
}

/// Why a command of a person was refused.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Nobody launched it.
    #[error("no campaign {0}")]
    NoCampaign(CampaignId),
    /// The command does not apply where the campaign is.
    #[error("{name} {why}")]
    WrongState {
        /// The campaign.
        name: String,
        /// Where it is.
        state: CampaignState,
        /// In which run.
        run: u32,
        /// Goes on after the name.
        why: &'static str,
    },
    /// No recipient failed in a way that can be tried again.
    #[error("{name} has no failed recipients to try again")]
    NothingFailed {
        /// The campaign.
        name: String,
        /// Recipients of whom nobody knows whether they got the message: they are not failed.
        unknown: u64,
    },
    /// Its end leaves no time for another run. Nothing was changed.
    #[error("{name} can't try anybody again before its end: {why}")]
    NoTime {
        /// The campaign.
        name: String,
        /// Names the end.
        why: String,
    },
    /// The campaign can't go on under such terms. Nothing was changed.
    #[error("{name} can't be changed like this")]
    Terms {
        /// The campaign.
        name: String,
        /// All that is wrong.
        problems: Vec<LaunchProblem>,
    },
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CompletionError> for CommandError {
    fn from(error: CompletionError) -> Self {
        match error {
            CompletionError::Log(error) => Self::Log(error),
            CompletionError::Store(error) => Self::Store(error),
        }
    }
}

impl CommandError {
    pub(crate) fn wrong_state(row: &CampaignRow, why: &'static str) -> Self {
        Self::WrongState { name: row.launch.campaign.clone(), state: row.state, run: row.run, why }
    }

    /// Whether the same command may succeed later. What was done of it is done again harmlessly.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_)))
    }
}
