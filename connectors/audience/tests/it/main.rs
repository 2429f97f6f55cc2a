//! Audiences as they come: the sample files, the edge cases of the formats, broken sources.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod check;
mod csv;
mod ndjson;
mod port;
mod rejected;
mod sources;
mod speed;
mod support;
