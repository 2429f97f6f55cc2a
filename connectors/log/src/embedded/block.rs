//! Blocks: records that were appended together, compressed together.
//!
//! ```text
//! block  = format u8 (1) | records u32 LE | raw bytes u32 LE | LZ4 of the raw bytes
//! raw    = (key length | value length | key | value)*     lengths: 7 bits a byte, lowest first
//! ```

use bytes::Bytes;
use sluice_runtime::ports::log::{NewRecord, Offset, ReadLimit, StoredRecord};

const FORMAT: u8 = 1;
const HEADER: usize = 9;

/// Records of a block at most.
pub(crate) const RECORDS_MAX: usize = 512;

/// A block is closed when its raw bytes reach this. One large record makes a larger block.
pub(crate) const RAW_BYTES_MAX: usize = 256 << 10;

/// LZ4 can't compress better than this, so a header that says more is damaged.
const RATIO_MAX: usize = 256;

/// Records ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) records: u32,
    pub(crate) bytes: Vec<u8>,
}

/// Cuts a batch into blocks.
pub(crate) fn encode(batch: &[NewRecord]) -> Vec<Encoded> {
    let mut blocks = Vec::new();
    let mut raw = Vec::with_capacity(RAW_BYTES_MAX.min(batch.len() * 192));
    let mut records = 0;
    for record in batch {
        put_number(&mut raw, record.key.len());
        put_number(&mut raw, record.value.len());
        raw.extend_from_slice(&record.key);
        raw.extend_from_slice(&record.value);
        records += 1;
        if records == RECORDS_MAX || raw.len() >= RAW_BYTES_MAX {
            blocks.push(compress(records, &raw));
            raw.clear();
            records = 0;
        }
    }
    if records > 0 {
        blocks.push(compress(records, &raw));
    }
    blocks
}

fn compress(records: usize, raw: &[u8]) -> Encoded {
    let mut bytes = vec![0; HEADER + lz4_flex::block::get_maximum_output_size(raw.len())];
    bytes[0] = FORMAT;
    bytes[1..5].copy_from_slice(&(records as u32).to_le_bytes());
    bytes[5..HEADER].copy_from_slice(&(raw.len() as u32).to_le_bytes());
    // The output is large enough by its definition.
    let length = lz4_flex::block::compress_into(raw, &mut bytes[HEADER..]).unwrap_or(0);
    bytes.truncate(HEADER + length);
    Encoded { records: records as u32, bytes }
}

/// How many records a stored block has.
pub(crate) fn count(bytes: &[u8]) -> Result<u32, &'static str> {
    let header = bytes.first_chunk::<HEADER>().ok_or("cut short")?;
    if header[0] != FORMAT {
        return Err("unknown format");
    }
    match u32::from_le_bytes([header[1], header[2], header[3], header[4]]) {
        0 => Err("no records"),
        records => Ok(records),
    }
}

/// A block whose records can be read.
#[derive(Debug)]
pub(crate) struct Block {
    base: u64,
    raw: Bytes,
    /// Where each record's key begins in `raw`, and the lengths of key and value.
    places: Vec<(u32, u32, u32)>,
}

impl Block {
    /// Reads a stored block whose first record has the offset `base`.
    pub(crate) fn decode(base: u64, bytes: &[u8]) -> Result<Self, &'static str> {
        let records = count(bytes)?;
        let (header, packed) = bytes.split_at(HEADER);
        let length = u32::from_le_bytes([header[5], header[6], header[7], header[8]]) as usize;
        if length > (packed.len() + 1) * RATIO_MAX || (records as usize) > length {
            return Err("a size that can't be");
        }
        let raw = lz4_flex::block::decompress(packed, length).map_err(|_| "does not decompress")?;
        if raw.len() != length {
            return Err("does not decompress to its size");
        }
        let mut places = Vec::with_capacity(records as usize);
        let mut at = 0;
        for _ in 0..records {
            let key = take_number(&raw, &mut at)?;
            let value = take_number(&raw, &mut at)?;
            let end = at.checked_add(key).and_then(|end| end.checked_add(value)).ok_or("lengths overflow")?;
            if end > length {
                return Err("a record beyond its end");
            }
            places.push((at as u32, key as u32, value as u32));
            at = end;
        }
        if at != length {
            return Err("bytes after its last record");
        }
        Ok(Self { base, raw: raw.into(), places })
    }

    /// The offset after the last record.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.places.len() as u64
    }

    /// Whether it has a record with this offset.
    pub(crate) fn contains(&self, offset: u64) -> bool {
        (self.base..self.end()).contains(&offset)
    }

    /// Adds records from `from` on until the limit; says whether it is reached.
    pub(crate) fn read_into(&self, from: u64, limit: ReadLimit, read: &mut Read) -> bool {
        let skip = from.saturating_sub(self.base) as usize;
        for (index, &(at, key, value)) in self.places.iter().enumerate().skip(skip) {
            let size = key as usize + value as usize;
            let is_first = read.records.is_empty();
            if !is_first && (read.records.len() >= limit.records_max || read.bytes >= limit.bytes_max) {
                return true;
            }
            let (at, key, value) = (at as usize, key as usize, value as usize);
            read.records.push(StoredRecord {
                offset: Offset(self.base + index as u64),
                key: self.raw.slice(at..at + key),
                value: self.raw.slice(at + key..at + key + value),
                appended_ms: None,
            });
            read.bytes += size;
        }
        read.records.len() >= limit.records_max || read.bytes >= limit.bytes_max
    }
}

/// What a read has found so far.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) records: Vec<StoredRecord>,
    bytes: usize,
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(raw: &[u8], at: &mut usize) -> Result<usize, &'static str> {
    let mut number = 0usize;
    for shift in [0, 7, 14, 21, 28] {
        let &byte = raw.get(*at).ok_or("a length beyond its end")?;
        *at += 1;
        number |= usize::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a length that can't be")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: ReadLimit = ReadLimit { records_max: usize::MAX, bytes_max: usize::MAX };

    fn record() -> impl Strategy<Value = NewRecord> {
        (prop::collection::vec(any::<u8>(), 0..20), prop::collection::vec(any::<u8>(), 0..300))
            .prop_map(|(key, value)| NewRecord { key: key.into(), value: value.into() })
    }

    proptest! {
        #[test]
        fn blocks_hold_every_record_in_order(batch in prop::collection::vec(record(), 0..700)) {
            let mut back = Read::default();
            let mut base = 7;
            for encoded in encode(&batch) {
                let block = Block::decode(base, &encoded.bytes).unwrap();
                prop_assert_eq!(count(&encoded.bytes), Ok(encoded.records));
                prop_assert_eq!(block.end(), base + u64::from(encoded.records));
                block.read_into(0, ALL, &mut back);
                base = block.end();
            }
            prop_assert!(back.records.iter().zip(7..).all(|(record, offset)| record.offset.0 == offset));
            let back: Vec<_> =
                back.records.into_iter().map(|record| NewRecord { key: record.key, value: record.value }).collect();
            prop_assert_eq!(back, batch);
        }

        #[test]
        fn damaged_bytes_are_an_error_and_never_a_panic(
            batch in prop::collection::vec(record(), 1..20), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = encode(&batch).remove(0).bytes;
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
            let _either = Block::decode(0, &bytes);
            let _either = Block::decode(0, &bytes[..at]);
        }
    }

    #[test]
    fn a_block_is_bounded_by_records_and_by_bytes() {
        let batch = |count: usize, size: usize| {
            vec![NewRecord { key: Bytes::new(), value: vec![1; size].into() }; count]
        };
        let sizes =
            |batch: Vec<NewRecord>| encode(&batch).iter().map(|block| block.records).collect::<Vec<_>>();
        assert_eq!(sizes(batch(1_100, 10)), [512, 512, 76]);
        assert_eq!(sizes(batch(5, 100 << 10)), [3, 2]);
        assert_eq!(sizes(batch(2, 5 << 20)), [1, 1]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }
}
