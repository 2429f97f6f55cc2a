//! Avro single-object encoding of the records.

use crate::framing::{Framed, HEADER, header, read_resolved};
use crate::records::{
    CampaignControl, CampaignEvent, CampaignLaunch, CampaignProgress, ChunkReady, DeadLetter, PageRefused,
    Receipt, RetryReady, SendRequest, WebhookReceived,
};
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, from_value};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::LazyLock;

/// Why a value could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Neither framing is recognised.
    #[error("not in Avro single-object encoding: it does not begin with C3 01")]
    NotFramed,
    /// Schema registry framing that nobody has translated: the connector of the log does it where a registry is
    /// configured and knows the schema.
    #[error(
        "it names schema {id} of a schema registry, and that could not be translated to {record}: either no registry \
         is configured here, or it has no such schema, or the schema or the bytes do not fit {record}; configure \
         the registry that the producer uses and look into the log, which says what is wrong with schema {id}"
    )]
    Registry {
        /// The id that the value carries.
        id: u32,
        /// The record that was expected.
        record: &'static str,
    },
    /// The fingerprint belongs to no version of the record.
    #[error("schema fingerprint {fingerprint} is none of the known versions of {record}")]
    UnknownSchema {
        /// As hexadecimal digits in wire order.
        fingerprint: String,
        /// The record that was expected.
        record: &'static str,
    },
    /// The bytes do not fit the schema they name.
    #[error("damaged {record}: {reason}")]
    Damaged {
        /// The record that was expected.
        record: &'static str,
        /// What the decoder says.
        reason: String,
    },
}

/// A record with its schemas, the newest last.
pub trait Record: Serialize + DeserializeOwned + 'static {
    /// The schema's name.
    const NAME: &'static str;
    /// Parsed schemas and codecs, built once.
    fn versions() -> &'static Versions;
}

/// All versions of one record's schema with what is derived from them.
#[derive(Debug)]
pub struct Versions {
    texts: &'static [&'static str],
    schemas: Vec<(Schema, [u8; 8])>,
}

/// Reader and writer of the newest version.
struct Newest {
    header: [u8; HEADER],
    writer: GenericDatumWriter<'static>,
    reader: GenericDatumReader<'static>,
}

impl Versions {
    #[expect(clippy::expect_used, reason = "the schemas are part of the program; a test parses each")]
    fn parse(texts: &'static [&'static str]) -> Self {
        let schemas = texts
            .iter()
            .map(|text| {
                let schema = Schema::parse_str(text).expect("a bundled schema parses");
                let fingerprint = rabin(&schema);
                (schema, fingerprint)
            })
            .collect();
        Self { texts, schemas }
    }

    /// The schemas, oldest first.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.iter().map(|(schema, _)| schema)
    }

    /// Their documents with the fingerprint of each, oldest first.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, [u8; 8])> {
        self.texts.iter().zip(&self.schemas).map(|(text, (_, fingerprint))| (*text, *fingerprint))
    }

    /// Whether one of them has this fingerprint.
    pub(crate) fn has(&self, fingerprint: [u8; 8]) -> bool {
        self.schemas.iter().any(|(_, known)| *known == fingerprint)
    }

    pub(crate) fn newest(&self) -> &(Schema, [u8; 8]) {
        &self.schemas[self.schemas.len() - 1]
    }
}

/// The fingerprint of a schema's canonical form, in the order of the wire. Schemas that share it write the same
/// bytes: documentation, defaults and the order of attributes are not part of it.
pub(crate) fn rabin(schema: &Schema) -> [u8; 8] {
    let mut fingerprint = [0; 8];
    fingerprint.copy_from_slice(&schema.fingerprint::<Rabin>().bytes);
    fingerprint
}

impl Newest {
    #[expect(clippy::expect_used, reason = "the schemas are part of the program; a test builds each")]
    fn build(versions: &'static Versions) -> Self {
        let (schema, fingerprint) = versions.newest();
        Self {
            header: header(*fingerprint),
            writer: GenericDatumWriter::builder(schema)
                .human_readable(false)
                .build()
                .expect("a bundled schema resolves"),
            reader: GenericDatumReader::builder(schema)
                .human_readable(false)
                .build()
                .expect("a bundled schema resolves"),
        }
    }
}

/// Access to the codec of the newest version; private so that [`Record`] stays free of apache-avro's types.
trait Codec: Record {
    fn newest() -> &'static Newest;
}

macro_rules! records {
    ($($record:ident: [$($file:literal),+];)+) => {
        $(
            impl Record for $record {
                const NAME: &'static str = stringify!($record);
                fn versions() -> &'static Versions {
                    const TEXTS: &[&str] = &[$(include_str!(concat!("../avro/", $file))),+];
                    static VERSIONS: LazyLock<Versions> = LazyLock::new(|| Versions::parse(TEXTS));
                    &VERSIONS
                }
            }
            impl Codec for $record {
                fn newest() -> &'static Newest {
                    static NEWEST: LazyLock<Newest> = LazyLock::new(|| Newest::build($record::versions()));
                    &NEWEST
                }
            }
        )+

        /// The records, for what is decided by name at run time.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RecordKind {
            $(#[doc = concat!("[`", stringify!($record), "`].")] $record,)+
        }

        impl RecordKind {
            /// Every record.
            pub const ALL: &'static [RecordKind] = &[$(RecordKind::$record),+];

            /// The schema's name, without its namespace.
            pub fn name(self) -> &'static str {
                match self { $(RecordKind::$record => $record::NAME),+ }
            }

            /// All versions of its schema.
            pub fn versions(self) -> &'static Versions {
                match self { $(RecordKind::$record => $record::versions()),+ }
            }

            /// Appends a value of the newest schema, framed.
            pub(crate) fn encode_value(self, value: &Value, out: &mut Vec<u8>) -> Result<(), apache_avro::Error> {
                match self {
                    $(RecordKind::$record => encode_into(&from_value::<$record>(value)?, out)),+
                }
                Ok(())
            }
        }
    };
}

records! {
    CampaignLaunch: ["campaign_launch.v1.avsc", "campaign_launch.v2.avsc"];
    CampaignControl: ["campaign_control.v1.avsc"];
    SendRequest: ["send_request.v1.avsc"];
    ChunkReady: ["chunk_ready.v1.avsc", "chunk_ready.v2.avsc"];
    RetryReady: ["retry_ready.v1.avsc", "retry_ready.v2.avsc"];
    PageRefused: ["page_refused.v1.avsc"];
    WebhookReceived: ["webhook_received.v1.avsc"];
    Receipt: ["receipt.v1.avsc"];
    CampaignProgress: ["campaign_progress.v1.avsc"];
    CampaignEvent: ["campaign_event.v1.avsc"];
    DeadLetter: ["dead_letter.v1.avsc"];
}

/// Appends the framed record to `out`.
///
/// # Panics
/// When the type and its schema disagree, which `tests/compatibility.rs` excludes.
#[expect(private_bounds, reason = "the set of records is closed")]
#[expect(clippy::expect_used, reason = "writing to memory fails only if type and schema disagree")]
pub fn encode_into<T: Codec>(record: &T, out: &mut Vec<u8>) {
    let newest = T::newest();
    out.extend_from_slice(&newest.header);
    newest.writer.write_ser(out, record).expect("the type fits its schema");
}

/// The framed record.
#[expect(private_bounds, reason = "the set of records is closed")]
pub fn encode<T: Codec>(record: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    encode_into(record, &mut out);
    out
}

/// The fingerprint that a framed value carries, in wire order.
///
/// # Errors
/// [`DecodeError::NotFramed`].
pub fn fingerprint_of(value: &[u8]) -> Result<[u8; 8], DecodeError> {
    match Framed::of(value) {
        Framed::SingleObject { fingerprint, .. } => Ok(fingerprint),
        Framed::Registry { .. } | Framed::Neither => Err(DecodeError::NotFramed),
    }
}

/// Whether `value` was written by some version of `T`.
pub fn is<T: Record>(value: &[u8]) -> bool {
    fingerprint_of(value).is_ok_and(|found| T::versions().has(found))
}

/// Reads a framed record that any version of its schema wrote.
///
/// # Errors
/// When the frame is missing, the schema is unknown or the bytes are damaged.
#[expect(private_bounds, reason = "the set of records is closed")]
pub fn decode<T: Codec>(value: &[u8]) -> Result<T, DecodeError> {
    let (found, mut datum) = match Framed::of(value) {
        Framed::SingleObject { fingerprint, datum } => (fingerprint, datum),
        Framed::Registry { id, .. } => return Err(DecodeError::Registry { id, record: T::NAME }),
        Framed::Neither => return Err(DecodeError::NotFramed),
    };
    let damaged =
        |error: apache_avro::Error| DecodeError::Damaged { record: T::NAME, reason: error.to_string() };
    let (newest, fingerprint) = T::versions().newest();
    if found == *fingerprint {
        return T::newest().reader.read_deser(&mut datum).map_err(damaged);
    }
    let (writer, _) =
        T::versions().schemas.iter().find(|(_, fingerprint)| *fingerprint == found).ok_or_else(|| {
            DecodeError::UnknownSchema {
                fingerprint: found.iter().map(|byte| format!("{byte:02x}")).collect(),
                record: T::NAME,
            }
        })?;
    let value = read_resolved(writer, newest, datum)
        .map_err(|reason| DecodeError::Damaged { record: T::NAME, reason })?;
    from_value(&value).map_err(damaged)
}
