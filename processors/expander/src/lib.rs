//! Launch → chunks of sends.
//!
//! Guarantee: every row of an audience ends in exactly one committed chunk, at an index that depends on the
//! audience's bytes and the launch alone, whatever crashes, second expanders and late suppressions happen in
//! between (hazards 1, 2); nothing of a chunk is visible to anybody before its commit point, and everything that
//! follows from the commit point is said again after a crash. A campaign that can't be expanded fails with a
//! reason; one that can is sealed with its exact number of rows (G2, G8). Memory does not grow with the audience
//! (G9, hazard 28).
//!
//! What this crate does not do: it reads no files and no formats (the port
//! [`Audiences`] does), sends nothing, merges no receipts, and writes
//! no `rejected.csv`: the recipient rows say why somebody was skipped.
//!
//! A campaign is expanded by the process that has the partition of `campaign.launches` to which its id hashes; the
//! epoch of its lease fences whoever believes so wrongly.
//!
//! - `launches`: the consumer of `campaign.launches`: who works on what.
//! - `intake`, `sweep`: campaigns from launch records, and from the store; `positions`: what is committed.
//! - `jobs`: the campaigns that this process works on; `waiting`: those whose time has not come.
//! - `at_its_time`: a scheduled campaign starts, a recurring one launches its occurrence.
//! - `job`, `expansion`: one campaign, from the lease to the seal; what all steps of one lease share.
//! - `reading`: from the first row to the last commit, with a few chunks in flight.
//! - `chunker`, `class`: which rows make a chunk; pure.
//! - [`ClassCounts`]: what an expansion would make, for previews.
//! - `commit`, `encode`, `emit`: a closed chunk becomes durable, then known.
//! - `announce`: campaign events and wake-ups.
//! - `patience`: asking a store again that gave no answer.

mod announce;
mod at_its_time;
pub mod chunker;
mod class;
mod commit;
mod counts;
mod emit;
mod encode;
mod error;
mod expansion;
mod intake;
mod job;
mod jobs;
mod launches;
mod options;
mod patience;
mod positions;
mod reading;
mod sweep;
mod waiting;

pub use counts::ClassCounts;
pub use error::ExpanderError;
pub use options::ExpanderOptions;

use sluice_runtime::ports::audience::Audiences;
use sluice_runtime::ports::log::Log;
use sluice_runtime::ports::store::Store;
use sluice_runtime::{Clock, Shutdown};
use std::sync::Arc;

/// What the expander stands on.
#[derive(Clone)]
pub struct ExpanderPorts {
    /// Launches are read from it, everything else is appended to it.
    pub log: Arc<dyn Log>,
    /// Campaigns, chunks, recipients, suppressions.
    pub store: Arc<dyn Store>,
    /// Rows of audiences.
    pub audiences: Arc<dyn Audiences>,
    /// Time of receipts and lingers.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for ExpanderPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExpanderPorts")
    }
}

/// The processor.
#[derive(Debug)]
pub struct Expander {
    ports: ExpanderPorts,
    options: ExpanderOptions,
}

impl Expander {
    /// Nothing happens before [`Expander::run`].
    pub fn new(ports: ExpanderPorts, options: ExpanderOptions) -> Self {
        Self { ports, options }
    }

    /// Starts campaigns as their launches come and resumes what other processes left, as far as they belong to this
    /// one, until `shutdown`. Stopping at any moment is safe: what was not committed is expanded again.
    ///
    /// # Errors
    /// When the log or the store can't go on without a restart; a fault of one campaign is no error.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), ExpanderError> {
        self.options.validate()?;
        launches::run(self.ports, self.options, shutdown).await
    }
}
