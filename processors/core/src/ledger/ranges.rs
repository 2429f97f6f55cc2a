//! Claims in their stored form: chunk, attempt, and ranges of indexes as variable-length numbers.

use super::{Damaged, take_small};
use crate::ids::ChunkId;
use crate::index_set::IndexSet;
use crate::number::put_number;
use crate::{ATTEMPTS_MAX, CHUNK_ROWS_MAX};

pub(super) fn put_claim(chunk: ChunkId, attempt: u8, indexes: &IndexSet, out: &mut Vec<u8>) {
    out.extend_from_slice(&chunk.0);
    out.push(attempt);
    let ranges = indexes.ranges();
    put_number(out, ranges.len() as u64);
    let mut next = 0;
    for (first, last) in ranges {
        put_number(out, u64::from(first) - next);
        put_number(out, u64::from(last - first));
        next = u64::from(last) + 1;
    }
}

pub(super) fn take_claim(rest: &mut &[u8]) -> Result<(ChunkId, u8, IndexSet), Damaged> {
    let (chunk, after) = rest.split_first_chunk::<16>().ok_or(Damaged("cut short"))?;
    let (&attempt, after) = after.split_first().ok_or(Damaged("cut short"))?;
    *rest = after;
    if attempt == 0 || attempt > ATTEMPTS_MAX {
        return Err(Damaged("attempt out of range"));
    }
    let mut indexes = IndexSet::new();
    let mut next = 0u32;
    for _ in 0..take_small(rest)? {
        let first = next.checked_add(take_small(rest)?).ok_or(Damaged("index out of range"))?;
        let last = first.checked_add(take_small(rest)?).ok_or(Damaged("index out of range"))?;
        if last >= CHUNK_ROWS_MAX {
            return Err(Damaged("index out of range"));
        }
        indexes.insert_range(first as u16, last as u16);
        next = last + 1;
    }
    Ok((ChunkId(*chunk), attempt, indexes))
}
