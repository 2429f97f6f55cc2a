//! How a value says which schema it was written with, and how one written with a foreign schema becomes ours.
//!
//! Two framings are known:
//! - Avro's [single-object encoding](https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding):
//!   `C3 01`, the Rabin fingerprint of the schema in little-endian order, the datum. Inside Sluice every value
//!   has it.
//! - The framing of [Confluent's schema registry](https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format):
//!   `00`, the id of the schema as four bytes in big-endian order, the datum. The id means something to that
//!   registry alone.
//!
//! The first byte tells them apart.

use crate::codec::{DecodeError, RecordKind, rabin};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::types::Value;
use std::io::Read;

const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];
const REGISTRY: u8 = 0x00;

/// Bytes before the datum in single-object encoding.
pub(crate) const HEADER: usize = 10;
/// Bytes before the datum in a registry's framing.
const REGISTRY_HEADER: usize = 5;

/// The frame of single-object encoding.
pub(crate) fn header(fingerprint: [u8; 8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&SINGLE_OBJECT);
    header[2..].copy_from_slice(&fingerprint);
    header
}

/// A value with its framing recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed<'v> {
    /// Avro single-object encoding.
    SingleObject {
        /// Of the writer's schema, in the order of the wire.
        fingerprint: [u8; 8],
        /// What follows.
        datum: &'v [u8],
    },
    /// A schema registry's framing.
    Registry {
        /// Of the writer's schema.
        id: u32,
        /// What follows.
        datum: &'v [u8],
    },
    /// None of these.
    Neither,
}

impl<'v> Framed<'v> {
    /// Looks at the first bytes only: neither the schema nor the datum is checked.
    pub fn of(value: &'v [u8]) -> Self {
        if let Some((frame, datum)) = value.split_first_chunk::<HEADER>()
            && let Some((magic, fingerprint)) = frame.split_first_chunk::<2>()
            && *magic == SINGLE_OBJECT
            && let Ok(fingerprint) = fingerprint.try_into()
        {
            return Framed::SingleObject { fingerprint, datum };
        }
        match value.split_first_chunk::<REGISTRY_HEADER>() {
            Some(([REGISTRY, a, b, c, d], datum)) => {
                Framed::Registry { id: u32::from_be_bytes([*a, *b, *c, *d]), datum }
            }
            _ => Framed::Neither,
        }
    }
}

/// Writes a datum in a registry's framing into `out`, whose former content is gone.
pub fn frame_for_registry(id: u32, datum: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(REGISTRY_HEADER + datum.len());
    out.push(REGISTRY);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(datum);
}

/// Why values of a foreign schema can't be used where they were found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignSchemaError {
    /// It is no Avro schema that stands alone.
    #[error("it can't be read as an Avro schema: {0}")]
    Unreadable(String),
    /// It describes something else.
    #[error("it describes {found}; expected here: {}", expected.join(", "))]
    OtherRecord {
        /// The name of its record, or its type.
        found: String,
        /// The names that would do.
        expected: Vec<&'static str>,
    },
    /// Same record, but the rules of schema resolution do not allow it.
    #[error("it does not fit {record}: {reason}")]
    Incompatible {
        /// The record that was expected.
        record: &'static str,
        /// What differs.
        reason: String,
    },
}

/// The way from one writer's schema to our encoding of a record.
#[derive(Debug)]
pub struct Translation {
    record: RecordKind,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// A version of our own: the datum stays as it is.
    Same([u8; HEADER]),
    /// Another one: each value is resolved to our newest version and written again.
    Resolved(Box<Schema>),
}

impl Translation {
    /// From the document of a writer's schema to one of the records that are `expected`, by the record's name
    /// without its namespace, as Avro's schema resolution has it.
    ///
    /// # Errors
    /// When no value of it could be used.
    pub fn new(writer: &str, expected: &[RecordKind]) -> Result<Self, ForeignSchemaError> {
        let schema =
            Schema::parse_str(writer).map_err(|error| ForeignSchemaError::Unreadable(error.to_string()))?;
        let fingerprint = rabin(&schema);
        if let Some(&record) = expected.iter().find(|kind| kind.versions().has(fingerprint)) {
            return Ok(Self { record, way: Way::Same(header(fingerprint)) });
        }
        let (found, short) = match &schema {
            Schema::Record(record) => (record.name.fullname(None), Some(record.name.name().to_owned())),
            other => (format!("no record but {}", type_name(other)), None),
        };
        let Some(&record) = expected.iter().find(|kind| short.as_deref() == Some(kind.name())) else {
            let expected = expected.iter().map(|kind| kind.name()).collect();
            return Err(ForeignSchemaError::OtherRecord { found, expected });
        };
        let (newest, _) = record.versions().newest();
        match SchemaCompatibility::can_read(&schema, newest) {
            Ok(_) => Ok(Self { record, way: Way::Resolved(Box::new(schema)) }),
            Err(error) => {
                Err(ForeignSchemaError::Incompatible { record: record.name(), reason: error.to_string() })
            }
        }
    }

    /// The record that comes out.
    pub fn record(&self) -> RecordKind {
        self.record
    }

    /// Whether the datum stays as it is, because the schema is one of ours.
    pub fn is_trivial(&self) -> bool {
        matches!(self.way, Way::Same(_))
    }

    /// Writes a datum of the foreign schema in single-object encoding of ours into `out`, whose former content is
    /// gone. One of our own schemas gets a new frame only and is not looked at.
    ///
    /// # Errors
    /// [`DecodeError::Damaged`] when the datum does not fit its schema, or holds a value that ours has no place
    /// for: an enum's symbol, a variant of a union.
    pub fn apply(&self, datum: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        out.clear();
        match &self.way {
            Way::Same(header) => {
                out.reserve(HEADER + datum.len());
                out.extend_from_slice(header);
                out.extend_from_slice(datum);
                Ok(())
            }
            Way::Resolved(writer) => {
                let (newest, _) = self.record.versions().newest();
                let value = read_resolved(writer, newest, datum);
                value
                    .and_then(|value| {
                        self.record.encode_value(&value, out).map_err(|error| error.to_string())
                    })
                    .map_err(|reason| DecodeError::Damaged { record: self.record.name(), reason })
            }
        }
    }
}

/// Reads all of a datum that `writer` wrote as a value of `reader`.
pub(crate) fn read_resolved(writer: &Schema, reader: &Schema, datum: &[u8]) -> Result<Value, String> {
    let mut bytes = Whole { rest: datum, is_short: false };
    // Built for each value, as it borrows the schemas: foreign schemas write launches, not sends.
    let value = GenericDatumReader::builder(writer)
        .reader_schema(reader)
        .human_readable(false)
        .build()
        .and_then(|reader| reader.read_value(&mut bytes))
        .map_err(|error| error.to_string())?;
    match (bytes.is_short, bytes.rest.len()) {
        (true, _) => Err("it ends too early".to_owned()),
        (false, 0) => Ok(value),
        (false, more) => Err(format!("{more} bytes follow it")),
    }
}

/// Notes that more was asked for than there is: the generic reader takes a string that is cut off for null.
struct Whole<'d> {
    rest: &'d [u8],
    is_short: bool,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.is_short |= self.rest.len() < buffer.len();
        self.rest.read(buffer)
    }
}

/// What a schema that is no record is, in a word or two.
fn type_name(schema: &Schema) -> &'static str {
    match schema {
        Schema::Union(_) => "a union",
        Schema::Array(_) => "an array",
        Schema::Map(_) => "a map",
        Schema::Enum(_) => "an enum",
        Schema::String => "a string",
        Schema::Bytes => "bytes",
        _ => "a single value",
    }
}
