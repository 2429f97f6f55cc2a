//! Recipients of a chunk, in compressed parts of at most 256.
//!
//! A part is named by its block of 256 indexes, its first index and a digest of its bytes: written again it is
//! the same row, and a late repetition of one part overwrites no other one.

use super::access::{Access, all};
use crate::embedded::codec::damaged;
use crate::embedded::recipients::{BLOCKS_INLINE, INDEXES, Packed, pack, unpack};
use sluice_core::{ChunkId, IndexSet};
use sluice_runtime::ports::store::{RecipientRow, StoreError, StoreResult};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a row beside its payload and reason, at most.
const ROW_OVERHEAD: usize = 16;

/// Blocks asked for in one statement. ScyllaDB refuses more than 100 values of a clustering column.
const BLOCKS_PER_READ: usize = 32;

struct Part {
    first: u16,
    packed: Packed,
}

/// Cuts at the blocks, and within them where a part would get more than `bytes_max` before compression. A
/// single row that is larger makes a part of its own.
fn cut(mut rows: Vec<RecipientRow>, bytes_max: usize) -> Vec<Part> {
    rows.sort_by_key(|row| row.index);
    let mut parts = Vec::new();
    let mut run: Vec<RecipientRow> = Vec::new();
    let mut bytes = 0;
    for row in rows {
        let size = ROW_OVERHEAD + row.payload.len() + row.skipped.as_ref().map_or(0, String::len);
        let is_other_block = run.first().is_some_and(|first| first.index / INDEXES != row.index / INDEXES);
        if is_other_block || (bytes + size > bytes_max && !run.is_empty()) {
            parts.extend(part(std::mem::take(&mut run)));
            bytes = 0;
        }
        bytes += size;
        run.push(row);
    }
    parts.extend(part(run));
    parts
}

/// The rows of one block, packed.
fn part(run: Vec<RecipientRow>) -> Option<Part> {
    let first = run.first()?.index;
    let packed = pack(run).pop()?;
    Some(Part { first, packed })
}

pub(crate) async fn write(access: &Access, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
    let bytes_max = access.batch_bytes_max;
    let parts = if rows.len() <= BLOCKS_INLINE * usize::from(INDEXES) {
        cut(rows, bytes_max)
    } else {
        let cutting = tokio::task::spawn_blocking(move || cut(rows, bytes_max)).await;
        cutting.map_err(|error| StoreError::Unavailable(error.to_string()))?
    };
    let writes = parts.into_iter().map(|part| async move {
        let Packed { block, bytes } = part.packed;
        let digest = xxh3_64(&bytes) as i64;
        let values = (chunk.0, i32::from(block), i32::from(part.first), digest, bytes);
        access.write(&access.statements.recipients_write, values).await
    });
    all(access.reads, writes).await.map(drop)
}

pub(crate) async fn read(
    access: &Access,
    chunk: ChunkId,
    indexes: &IndexSet,
) -> StoreResult<Vec<RecipientRow>> {
    let mut blocks: Vec<i32> = indexes.iter().map(|index| i32::from(index / INDEXES)).collect();
    blocks.dedup();
    let mut parts = Vec::new();
    for some in blocks.chunks(BLOCKS_PER_READ) {
        let read = access.read_all::<(i32, Vec<u8>)>(&access.statements.recipients_read, (chunk.0, some));
        parts.extend(read.await?);
    }
    if parts.len() <= BLOCKS_INLINE {
        return merge(chunk, parts, indexes);
    }
    // The threads that serve others don't wait for it: a whole chunk is 8,192 rows.
    let indexes = indexes.clone();
    let merging = tokio::task::spawn_blocking(move || merge(chunk, parts, &indexes)).await;
    merging.map_err(|error| StoreError::Unavailable(error.to_string()))?
}

fn merge(chunk: ChunkId, parts: Vec<(i32, Vec<u8>)>, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>> {
    let mut rows = BTreeMap::new();
    for (block, bytes) in parts {
        let block = u8::try_from(block).map_err(|error| damaged(format!("recipients {chunk}"), error))?;
        let found = unpack(chunk, block, &bytes, |index| indexes.contains(index))?;
        rows.extend(found.into_iter().map(|row| (row.index, row)));
    }
    Ok(rows.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(index: u16, bytes: usize) -> RecipientRow {
        // Not compressible to nothing, and different for each index.
        let payload: Vec<u8> = (0..bytes).map(|at| (at as u16 ^ index.wrapping_mul(31)) as u8).collect();
        RecipientRow { index, line: 1, skipped: None, payload: payload.into() }
    }

    #[test]
    fn parts_end_at_blocks_and_at_their_size() {
        let firsts = |rows: Vec<RecipientRow>, max| -> Vec<u16> {
            cut(rows, max).into_iter().map(|part| part.first).collect()
        };
        assert_eq!(firsts((0..600).map(|index| row(index, 10)).collect(), 1 << 20), [0, 256, 512]);
        assert_eq!(firsts((0..6).map(|index| row(index, 400)).collect(), 1_000), [0, 2, 4]);
        assert_eq!(firsts(vec![row(1, 5_000), row(2, 5_000), row(3, 10)], 1_000), [1, 2, 3]);
        assert!(firsts(Vec::new(), 1_000).is_empty());
    }

    proptest! {
        #[test]
        fn however_they_are_cut_all_rows_come_back_once(
            rows in prop::collection::btree_map(0u16..8_192, 0usize..3_000, 0..60), max in 1_024usize..20_000,
        ) {
            let rows: Vec<RecipientRow> = rows.into_iter().map(|(index, bytes)| row(index, bytes)).collect();
            let chunk = ChunkId([7; 16]);
            let mut back = Vec::new();
            for part in cut(rows.clone(), max) {
                back.extend(unpack(chunk, part.packed.block, &part.packed.bytes, |_| true).unwrap());
            }
            prop_assert_eq!(back, rows);
        }
    }
}
