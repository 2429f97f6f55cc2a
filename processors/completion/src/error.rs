//! Why something was refused.

use sluice_core::{CampaignId, CampaignState};
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
    /// It is not where the command applies.
    #[error("campaign {campaign} is {}, run {run}: {needs}", state.as_str())]
    WrongState {
        /// The campaign.
        campaign: CampaignId,
        /// Where it is.
        state: CampaignState,
        /// In which run.
        run: u32,
        /// What the command needs.
        needs: &'static str,
    },
    /// No recipient failed in a way that can be tried again.
    #[error("campaign {0} has no failed recipients to try again; unknown ones are not failed")]
    NothingFailed(CampaignId),
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
    /// Whether the same command may succeed later. What was done of it is done again harmlessly.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Store(StoreError::Unavailable(_)))
    }
}
