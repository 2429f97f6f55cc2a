//! What is known about pages and what waits on them, as people ask for it.
//!
//! - [`sight`]: what one looks with: the engines, and what this process does itself.
//! - [`claims`]: what is claimed and has no outcome.
//! - [`facts`]: a page's owner, claims and limits. Pure.
//! - [`lag`], [`retries`]: what waits in the log.
//! - [`told`]: what a page waits for that another process has. Pure.
//! - [`lift`]: a person ends what one waits for.
//! - [`report`]: one page with the campaigns on it; [`order`]: who of them goes first. Pure.
//! - [`queue`]: every unfinished campaign: waiting, active, deferred, and why.

pub mod claims;
pub mod facts;
pub mod lag;
pub mod lift;
pub mod order;
pub mod queue;
pub mod report;
pub mod retries;
pub mod sight;
pub mod told;
pub mod working;
