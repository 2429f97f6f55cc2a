//! Reads audiences: the rows of a CSV, NDJSON or Parquet file, on this machine or by URL, or of the launch itself,
//! decided one by one.
//!
//! Guarantees: the same bytes and the same launch give the same rows with the same decisions (hazard 1);
//! memory is bounded whatever the file's size and whatever it holds (G9); a file that changes while it is read is
//! noticed before the end. A launch decides neither which networks and directories are reached nor with which
//! credentials: [`AudienceOptions`] does.
//!
//! What this crate does not do: no suppressions, no chunks; no nested columns, no archives, no folders of files.
//!
//! - [`AudienceReader`]: rows in source order, in batches of borrowed cells.
//! - [`DecidedRows`]: the same, decided and deduplicated by a [`SeenSet`].
//! - [`check()`]: who can receive, without sending (A6).
//! - [`RejectedWriter`]: the rows that get no message, as a file.
//! - [`FileAudiences`]: the port of the runtime.
//!
//! Cargo features: `parquet` reads Parquet, `object-store` reads URLs; both are on by default. Without them such an
//! audience is refused, and the feature named.
//!
//! Why not the `csv` crate: it holds a record of any size in memory (one unclosed quote is the whole file) and
//! counts lines differently; it is the oracle of the parser's tests.

mod batch;
mod check;
#[cfg(feature = "parquet")]
mod columnar;
mod content;
mod csv;
mod decided;
mod error;
mod inline;
mod ndjson;
mod options;
mod pin;
mod port;
mod reader;
mod rejected;
#[cfg(feature = "object-store")]
mod remote;
mod seen;
mod source;
mod unavailable;
mod window;

pub use batch::{Batch, Row, RowContent};
pub use check::{CheckReport, Finding, LINES_SHOWN, check, check_each};
pub use decided::{Decided, DecidedRows};
pub use error::AudienceError;
pub use options::AudienceOptions;
pub use pin::{NotAPin, SourcePin, Version, pin};
pub use port::FileAudiences;
pub use reader::AudienceReader;
pub use rejected::RejectedWriter;
pub use seen::SeenSet;
pub use source::{AudienceSource, absolute};
pub use unavailable::RemoteProblem;
