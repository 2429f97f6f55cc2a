//! Avro single-object encoding of the records.

use crate::records::{
    CampaignControl, CampaignEvent, CampaignLaunch, CampaignProgress, ChunkReady, DeadLetter, Receipt,
    RetryReady, SendRequest, WebhookReceived,
};
use apache_avro::rabin::Rabin;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Schema, from_value};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::LazyLock;

const MAGIC: [u8; 2] = [0xC3, 0x01];
const HEADER: usize = 10;

/// Why a value could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Neither framing is recognised.
    #[error("not in Avro single-object encoding: it does not begin with C3 01")]
    NotFramed,
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
    fn parse(texts: &[&str]) -> Self {
        let schemas = texts
            .iter()
            .map(|text| {
                let schema = Schema::parse_str(text).expect("a bundled schema parses");
                let mut fingerprint = [0; 8];
                fingerprint.copy_from_slice(&schema.fingerprint::<Rabin>().bytes);
                (schema, fingerprint)
            })
            .collect();
        Self { schemas }
    }

    /// The schemas, oldest first.
    pub fn schemas(&self) -> impl Iterator<Item = &Schema> {
        self.schemas.iter().map(|(schema, _)| schema)
    }

    fn newest(&self) -> &(Schema, [u8; 8]) {
        &self.schemas[self.schemas.len() - 1]
    }
}

impl Newest {
    #[expect(clippy::expect_used, reason = "the schemas are part of the program; a test builds each")]
    fn build(versions: &'static Versions) -> Self {
        let (schema, fingerprint) = versions.newest();
        let mut header = [0; HEADER];
        header[..2].copy_from_slice(&MAGIC);
        header[2..].copy_from_slice(fingerprint);
        Self {
            header,
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
                    static VERSIONS: LazyLock<Versions> =
                        LazyLock::new(|| Versions::parse(&[$(include_str!(concat!("../avro/", $file))),+]));
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
    };
}

records! {
    CampaignLaunch: ["campaign_launch.v1.avsc"];
    CampaignControl: ["campaign_control.v1.avsc"];
    SendRequest: ["send_request.v1.avsc"];
    ChunkReady: ["chunk_ready.v1.avsc"];
    RetryReady: ["retry_ready.v1.avsc"];
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
    match value.first_chunk::<HEADER>() {
        Some(header) if header[..2] == MAGIC => {
            let mut fingerprint = [0; 8];
            fingerprint.copy_from_slice(&header[2..]);
            Ok(fingerprint)
        }
        _ => Err(DecodeError::NotFramed),
    }
}

/// Whether `value` was written by some version of `T`.
pub fn is<T: Record>(value: &[u8]) -> bool {
    fingerprint_of(value)
        .is_ok_and(|found| T::versions().schemas.iter().any(|(_, fingerprint)| *fingerprint == found))
}

/// Reads a framed record that any version of its schema wrote.
///
/// # Errors
/// When the frame is missing, the schema is unknown or the bytes are damaged.
#[expect(private_bounds, reason = "the set of records is closed")]
pub fn decode<T: Codec>(value: &[u8]) -> Result<T, DecodeError> {
    let found = fingerprint_of(value)?;
    let mut datum = &value[HEADER..];
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
    let reader = GenericDatumReader::builder(writer)
        .reader_schema(newest)
        .human_readable(false)
        .build()
        .map_err(damaged)?;
    from_value(&reader.read_value(&mut datum).map_err(damaged)?).map_err(damaged)
}
