//! The decisions of Sluice, without clock, randomness, logging or I/O: time is an argument.
//!
//! Guarantee: everything here is a pure function of its arguments, so that tests, the simulation and
//! production run the same rules.
//!
//! What this crate does not do: it neither reads nor calls anything; `sluice-runtime` holds the ports,
//! the processors hold the loops.
//!
//! - [`ids`], [`index_set`]: names of things and sets of sends inside a chunk.
//! - [`address`], [`row`], [`template`], [`launch`]: what an audience row and a launch mean.
//! - [`rate`], [`gcra`], [`pairs`], [`pace`], [`retry`], [`throttle`]: how fast calls start.
//! - [`meter`]: how fast they are told to have started.
//! - [`window`], [`moment`], [`recurrence`], [`usage`]: at which times they do, and how many in a day.
//! - [`quota`]: how many those of several pages are together.
//! - [`share`], [`forecast`]: whose calls are next, and when all are made.
//! - [`ledger`], [`lane`]: who may be called next, and never twice.
//! - [`facts`], [`chunk_state`], [`counters`], [`details`]: what is known about sends.
//! - [`campaign`], [`control`], [`schedule`]: the life of a campaign, what commands and its time do to it.

pub mod address;
pub mod campaign;
pub mod chunk_state;
pub mod control;
pub mod counters;
pub mod details;
pub mod facts;
pub mod forecast;
pub mod gate;
pub mod gcra;
pub mod ids;
pub mod index_set;

pub mod lane;
pub mod launch;
pub mod ledger;
pub mod meter;
pub mod moment;
pub mod number;
pub mod pace;
pub mod pairs;
pub mod partition;
pub mod quota;
pub mod rate;
pub mod recurrence;
pub mod retry;
pub mod row;
pub mod schedule;
pub mod share;
pub mod template;
pub mod throttle;
pub mod usage;
pub mod window;

pub use campaign::{CampaignRow, CampaignState, ChunkRow, Entered, Retried, Seal, Terms, Transition};
pub use chunk_state::{ChunkState, Stamp};
pub use counters::Counters;
pub use ids::{CampaignId, ChunkId, PageId, SendId};
pub use index_set::IndexSet;
pub use ledger::LedgerBody;
pub use quota::QuotaBody;

/// Rows of a chunk at most; indexes are 0..this.
pub const CHUNK_ROWS_MAX: u32 = 8_192;

/// Attempts of one recipient at most, over all runs: a recipient's state has a slot for each.
pub const ATTEMPTS_MAX: u8 = 13;
