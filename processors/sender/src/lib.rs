//! From chunks to provider calls: each recipient at most once, at the pace each page is allowed.
//!
//! Guarantee: a call starts only under a grant that is durable in the page's ledger, within the grant's life
//! (G1); a claim leaves the ledger only when the chunk state shows its outcome, or when nothing was called; a
//! record of `chunks` counts as done only when the outcome of each of its recipients shows (G2).
//!
//! What this crate does not do: it merges no receipts, decides no retries and ends no campaign; its one output is
//! receipts.
//!
//! - [`Sender`]: the consumer of `chunks`; hands descriptors to pages.
//! - `page`: the actor of one page: lanes → grant → calls → receipts.
//! - `watermark`: which prefix of `chunks` is done; `backlog`: which unfinished records are in memory;
//!   `handle`: both for one partition.
//! - `campaigns`: campaigns as one page needs them; `rows`: their rows, shared by all pages; `watch`: whether rows
//!   have changed.
//! - `quotas`: tokens of limits above pages; [`metrics`]: what is told of them.
//! - [`board`]: what each page is doing, for people.
//! - [`options`]: every limit.

mod backlog;
pub mod board;
mod campaigns;
mod handle;
mod limits;
pub mod metrics;
pub mod options;
mod page;
mod quotas;
mod rows;
mod shard;
mod watch;
mod watermark;

pub use board::{Board, CampaignUse, HeldTemplate, PageDay, PageStatus};
pub use limits::SenderLimits;
pub use options::SenderOptions;
pub use shard::{Sender, SenderError, SenderPorts};
