//! Recounts a campaign from recipient rows, ledgers and chunk states, and compares it with its counters (G2, G3).
//!
//! - [`compare`]: what has to hold. Pure.
//! - [`gather`]: reads what is stored, chunk by chunk.

pub mod compare;
pub mod gather;

pub use compare::{ChunkFacts, Claim, Difference, Recount, RowFacts};
