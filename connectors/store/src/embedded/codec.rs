//! The values of the tables: a format byte, then JSON for rows that are few, bytes for those that are many.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_core::chunk_state::Stamp;
pub(crate) use sluice_core::number::put_number;
use sluice_core::{ChunkState, Counters, number};
use sluice_runtime::ports::store::{StoreError, StoreResult};

/// Of every value; another one where its form changes.
pub(crate) const FORMAT: u8 = 1;

/// The error for a value that can't be read.
pub(crate) fn damaged(what: impl Into<String>, reason: impl ToString) -> StoreError {
    StoreError::Damaged { what: what.into(), reason: reason.to_string() }
}

/// What comes after the format byte.
pub(crate) fn open<'a>(what: &str, bytes: &'a [u8]) -> StoreResult<&'a [u8]> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => Ok(rest),
        Some((format, _)) => Err(damaged(what, format!("format {format}, expected {FORMAT}"))),
        None => Err(damaged(what, "empty")),
    }
}

/// A row as JSON.
pub(crate) fn json(what: &str, row: &impl Serialize) -> StoreResult<Vec<u8>> {
    let mut out = vec![FORMAT];
    serde_json::to_writer(&mut out, row).map_err(|error| damaged(what, error))?;
    Ok(out)
}

/// Reads a row that was written as JSON.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> StoreResult<T> {
    serde_json::from_slice(open(what, bytes)?).map_err(|error| damaged(what, error))
}

/// A chunk state under its stamp.
pub(crate) fn state(stamp: Stamp, state: &ChunkState) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.extend_from_slice(&stamp.0.to_le_bytes());
    out.extend_from_slice(&state.encode());
    out
}

/// The stamp of a stored chunk state, and the rest.
pub(crate) fn stamp_of<'a>(what: &str, bytes: &'a [u8]) -> StoreResult<(Stamp, &'a [u8])> {
    let rest = open(what, bytes)?;
    let (stamp, rest) = rest.split_first_chunk::<8>().ok_or_else(|| damaged(what, "cut short"))?;
    Ok((Stamp(u64::from_le_bytes(*stamp)), rest))
}

pub(crate) fn from_state(what: &str, bytes: &[u8]) -> StoreResult<(Stamp, ChunkState)> {
    let (stamp, rest) = stamp_of(what, bytes)?;
    Ok((stamp, ChunkState::decode(rest).map_err(|error| damaged(what, error))?))
}

/// Counters in the order of [`Counters::named`].
pub(crate) fn counters(counters: &Counters) -> Vec<u8> {
    let mut out = vec![FORMAT];
    for (_, count) in counters.named() {
        out.extend_from_slice(&count.to_le_bytes());
    }
    out
}

pub(crate) fn from_counters(what: &str, bytes: &[u8]) -> StoreResult<Counters> {
    let rest = open(what, bytes)?;
    let (numbers, after) = rest.as_chunks::<8>();
    let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
    let mut next = || numbers.next().ok_or_else(|| damaged(what, "cut short"));
    let read = Counters {
        total: next()?,
        pending: next()?,
        sent: next()?,
        delivered: next()?,
        read: next()?,
        responded: next()?,
        clicked: next()?,
        ordered: next()?,
        failed: next()?,
        opted_out: next()?,
        skipped: next()?,
        cancelled: next()?,
        unknown: next()?,
        retries: next()?,
    };
    if numbers.next().is_some() || !after.is_empty() {
        return Err(damaged(what, "longer than its counters"));
    }
    Ok(read)
}

/// Bytes under LZ4, with their size.
pub(crate) fn compress(raw: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 5 + lz4_flex::block::get_maximum_output_size(raw.len())];
    out[0] = FORMAT;
    out[1..5].copy_from_slice(&(raw.len() as u32).to_le_bytes());
    // The output is large enough by its definition.
    let length = lz4_flex::block::compress_into(raw, &mut out[5..]).unwrap_or(0);
    out.truncate(5 + length);
    out
}

/// LZ4 can't compress better than this, so a size that says more is damaged.
const RATIO_MAX: usize = 256;

pub(crate) fn decompress(what: &str, bytes: &[u8]) -> StoreResult<Vec<u8>> {
    let rest = open(what, bytes)?;
    let (size, packed) = rest.split_first_chunk::<4>().ok_or_else(|| damaged(what, "cut short"))?;
    let size = u32::from_le_bytes(*size) as usize;
    if size > (packed.len() + 1) * RATIO_MAX {
        return Err(damaged(what, "a size that can't be"));
    }
    let raw = lz4_flex::block::decompress(packed, size).map_err(|error| damaged(what, error))?;
    if raw.len() != size {
        return Err(damaged(what, "does not decompress to its size"));
    }
    Ok(raw)
}

pub(crate) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    number::take_number(rest).ok()
}

pub(crate) fn take_bytes<'a>(rest: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (bytes, after) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counters_keep_each_its_place() {
        let mut row = vec![FORMAT];
        (1..=14u64).for_each(|number| row.extend_from_slice(&number.to_le_bytes()));
        let read = from_counters("row", &row).unwrap();
        assert_eq!(counters(&read), row);
        assert_eq!((read.total, read.sent, read.retries), (1, 3, 14));
        assert!(from_counters("row", &row[..50]).is_err());
        row.push(0);
        assert!(from_counters("row", &row).is_err());
    }

    proptest! {
        #[test]
        fn numbers_come_back(number in any::<u64>()) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            prop_assert_eq!(take_number(&mut out.as_slice()), Some(number));
            prop_assert_eq!(take_number(&mut &out[..out.len() - 1]), None);
        }

        #[test]
        fn compressed_bytes_come_back_and_damaged_ones_are_an_error(
            raw in prop::collection::vec(0u8..4, 0..2_000), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut packed = compress(&raw);
            prop_assert_eq!(decompress("row", &packed), Ok(raw));
            let at = at.index(packed.len());
            packed[at] = byte;
            let _either = decompress("row", &packed);
        }
    }
}
