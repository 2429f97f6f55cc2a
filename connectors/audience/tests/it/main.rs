//! Audiences as they come: the sample files, the edge cases of the formats, broken sources.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod check;
#[cfg(feature = "object-store")]
mod clouds;
mod csv;
#[cfg(feature = "object-store")]
mod identity;
#[cfg(feature = "object-store")]
mod moto;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod port;
mod rejected;
mod roots;
#[cfg(feature = "object-store")]
mod s3;
#[cfg(feature = "object-store")]
mod server;
mod sources;
mod speed;
mod support;
#[cfg(feature = "object-store")]
mod web;
