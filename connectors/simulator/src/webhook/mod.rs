//! Receipts: which events follow an accepted message, when, and how they reach the receiver.
//!
//! `plan` decides (pure), `envelope` writes the providers' shapes, `sign` signs the bytes, `dispatch` waits
//! and batches, `post` does the HTTP.

mod dispatch;
mod envelope;
mod event;
mod plan;
mod post;
mod sign;

pub(crate) use dispatch::Dispatcher;
pub use sign::{SIGNATURE_HEADER, sign};
