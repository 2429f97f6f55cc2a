//! The records that travel through the topics, and their Avro encoding.
//!
//! Guarantee: every record written by an earlier version of a schema can be read by this one
//! (`tests/compatibility.rs` holds the files). Values are framed by Avro's single-object encoding:
//! `C3 01`, the schema's Rabin fingerprint in little-endian order, the datum. What others wrote with a compatible
//! schema of their own is translated to that at the edge ([`framing::Translation`]).
//!
//! What this crate does not do: no I/O, no topics, no validation of what the fields mean.
//!
//! - [`records`]: the Rust types, one a schema; [`rules`]: the part of a launch that says when.
//! - [`codec`]: encode and decode; which schema a value was written with.
//! - [`framing`]: how a value says its schema; values of foreign, compatible schemas.

pub mod codec;
pub mod framing;
pub mod records;
pub mod rules;

pub use codec::{DecodeError, Record, RecordKind, Versions, decode, encode, encode_into, fingerprint_of, is};
pub use framing::{ForeignSchemaError, Framed, Translation};
pub use records::*;
pub use rules::*;
