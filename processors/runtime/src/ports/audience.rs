//! Audiences: the rows of a campaign, decided one by one.
//!
//! Guarantees every implementation gives:
//! - The same bytes and the same launch give the same rows in the same order with the same decisions,
//!   whatever happened in between (hazard 1): nothing that can change meanwhile, such as suppressions, is looked at.
//! - Every record of the source is one row, also a malformed one; the first of equal addresses wins.
//! - Memory is bounded whatever the audience's size.

use async_trait::async_trait;
use sluice_core::row::RowDecision;
use sluice_schemas::CampaignLaunch;

/// Why an audience can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AudienceProblem {
    /// A word for programs: `audience_unreadable`, `audience_changed`, `no_address_column`, …
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it, for people.
    pub actionable: String,
}

/// One row in source order.
#[derive(Debug, Clone)]
pub struct DecidedRow {
    /// Line in the source, from 1; 0 where there is none.
    pub line: u64,
    /// Who it is, or why it is never sent.
    pub decision: RowDecision,
}

/// An audience that is being read.
pub struct OpenAudience {
    /// Names the source's content (size and digest): the same content, the same pin.
    pub pin: String,
    /// Its rows from the first on.
    pub rows: Box<dyn Rows>,
}

impl std::fmt::Debug for OpenAudience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenAudience").field("pin", &self.pin).finish_non_exhaustive()
    }
}

/// A stream of rows.
#[async_trait]
pub trait Rows: Send {
    /// The next rows, some hundreds to thousands; `None` at the end. Cancel-safe. At the end an audience that
    /// changed while it was read is a problem with code `audience_changed`.
    async fn next(&mut self) -> Result<Option<Vec<DecidedRow>>, AudienceProblem>;
}

/// Opens audiences.
#[async_trait]
pub trait Audiences: Send + Sync + 'static {
    /// Opens the audience of a launch from its first row.
    async fn open(&self, launch: &CampaignLaunch) -> Result<OpenAudience, AudienceProblem>;
}
