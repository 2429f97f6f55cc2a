//! Reads audiences: the rows of a CSV or NDJSON file, or of the launch itself, decided one by one.
//!
//! Guarantees: the same bytes and the same launch give the same rows with the same decisions (hazard 1);
//! memory is bounded whatever the file's size and whatever it holds (G9); a file that changes while it is read is
//! noticed before the end.
//!
//! What this crate does not do: no suppressions, no chunks, no object stores, no Parquet.
//!
//! - [`AudienceReader`]: rows in source order, in batches of borrowed cells.
//! - [`DecidedRows`]: the same, decided and deduplicated by a [`SeenSet`].
//! - [`check()`]: who can receive, without sending (A6).
//! - [`RejectedWriter`]: the rows that get no message, as a file.
//! - [`FileAudiences`]: the port of the runtime.
//!
//! Why not the `csv` crate: it holds a record of any size in memory (one unclosed quote is the whole file) and
//! counts lines differently; it is the oracle of the parser's tests.

mod batch;
mod check;
mod csv;
mod decided;
mod error;
mod inline;
mod ndjson;
mod pin;
mod port;
mod reader;
mod rejected;
mod seen;
mod source;
mod window;

pub use batch::{Batch, Row, RowContent};
pub use check::{CheckReport, Finding, LINES_SHOWN, check};
pub use decided::{Decided, DecidedRows};
pub use error::AudienceError;
pub use pin::{NotAPin, SourcePin, pin};
pub use port::FileAudiences;
pub use reader::AudienceReader;
pub use rejected::RejectedWriter;
pub use seen::SeenSet;
pub use source::AudienceSource;
