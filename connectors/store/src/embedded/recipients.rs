//! Recipients of a chunk, in blocks of 256 indexes.
//!
//! ```text
//! block = format u8 | size u32 LE | LZ4 of rows
//! row   = index in the block | line | reason length + 1, 0 for none | payload length | reason | payload
//! ```

use super::codec::{compress, damaged, decompress, put_number, take_bytes, take_number};
use super::keys;
use super::tables::{Access, Tables, storage};
use bytes::Bytes;
use sluice_core::{ChunkId, IndexSet};
use sluice_engine::{Priority, Tx};
use sluice_runtime::ports::store::{RecipientRow, StoreResult};
use std::collections::BTreeMap;

/// Indexes of a block; blocks begin at its multiples, so that the block of an index is known.
pub(crate) const INDEXES: u16 = 256;

/// More blocks than this are packed or unpacked apart from the threads that serve others.
pub(crate) const BLOCKS_INLINE: usize = 2;

pub(crate) struct Packed {
    pub(crate) block: u8,
    pub(crate) bytes: Vec<u8>,
}

fn what(chunk: ChunkId, block: u8) -> String {
    format!("recipients {chunk} from {}", u16::from(block) * INDEXES)
}

pub(crate) fn pack(mut rows: Vec<RecipientRow>) -> Vec<Packed> {
    rows.sort_by_key(|row| row.index);
    let mut raw = Vec::new();
    let mut blocks = Vec::new();
    for part in rows.chunk_by(|left, right| left.index / INDEXES == right.index / INDEXES) {
        raw.clear();
        for row in part {
            put_number(&mut raw, u64::from(row.index % INDEXES));
            put_number(&mut raw, row.line);
            let reason = row.skipped.as_deref();
            put_number(&mut raw, reason.map_or(0, |reason| reason.len() as u64 + 1));
            put_number(&mut raw, row.payload.len() as u64);
            raw.extend_from_slice(reason.unwrap_or_default().as_bytes());
            raw.extend_from_slice(&row.payload);
        }
        blocks.push(Packed { block: (part[0].index / INDEXES) as u8, bytes: compress(&raw) });
    }
    blocks
}

/// The rows of a block for which `wanted` holds.
pub(crate) fn unpack(
    chunk: ChunkId,
    block: u8,
    bytes: &[u8],
    wanted: impl Fn(u16) -> bool,
) -> StoreResult<Vec<RecipientRow>> {
    let what = what(chunk, block);
    let raw = Bytes::from(decompress(&what, bytes)?);
    let cut = || damaged(&what, "cut short");
    let mut rest: &[u8] = &raw;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let index = take_number(&mut rest).filter(|index| *index < u64::from(INDEXES)).ok_or_else(cut)?;
        let line = take_number(&mut rest).ok_or_else(cut)?;
        let reason = take_number(&mut rest).ok_or_else(cut)?;
        let payload = take_number(&mut rest).ok_or_else(cut)?;
        let text = take_bytes(&mut rest, reason.saturating_sub(1)).ok_or_else(cut)?;
        let payload = take_bytes(&mut rest, payload).ok_or_else(cut)?;
        let index = u16::from(block) * INDEXES + index as u16;
        if !wanted(index) {
            continue;
        }
        let skipped = match reason {
            0 => None,
            _ => Some(String::from_utf8(text.to_vec()).map_err(|error| damaged(&what, error))?),
        };
        rows.push(RecipientRow { index, line, skipped, payload: raw.slice_ref(payload) });
    }
    Ok(rows)
}

pub(crate) async fn write(access: &Access, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
    let blocks = if rows.len() <= BLOCKS_INLINE * usize::from(INDEXES) {
        pack(rows)
    } else {
        access.scan(move |_, _| Ok(pack(rows))).await?
    };
    let bytes = blocks.iter().map(|block| block.bytes.len()).sum();
    let reservation = access.engine.reserve(bytes).await;
    let written = access.write_as(Priority::Low { bytes }, move |tx, tables| {
        let merged = blocks
            .into_iter()
            .map(|block| merge(tx, tables, chunk, block))
            .collect::<StoreResult<Vec<_>>>()?;
        for block in merged {
            tx.insert(&tables.recipients, keys::chunk_part(chunk, &[block.block]), block.bytes);
        }
        Ok(())
    });
    let answer = written.await;
    drop(reservation);
    answer
}

/// What is there already stays beside what is new; of one index the new row counts.
fn merge(tx: &Tx, tables: &Tables, chunk: ChunkId, new: Packed) -> StoreResult<Packed> {
    let present = tx.get(&tables.recipients, &keys::chunk_part(chunk, &[new.block])).map_err(storage)?;
    let Some(present) = present.filter(|present| **present != *new.bytes) else { return Ok(new) };
    let mut rows: BTreeMap<u16, RecipientRow> = BTreeMap::new();
    for bytes in [&*present, &*new.bytes] {
        rows.extend(unpack(chunk, new.block, bytes, |_| true)?.into_iter().map(|row| (row.index, row)));
    }
    let bytes = pack(rows.into_values().collect()).pop().map_or(new.bytes, |packed| packed.bytes);
    Ok(Packed { block: new.block, bytes })
}

pub(crate) async fn read(
    access: &Access,
    chunk: ChunkId,
    indexes: &IndexSet,
) -> StoreResult<Vec<RecipientRow>> {
    let mut blocks: Vec<u8> = indexes.iter().map(|index| (index / INDEXES) as u8).collect();
    blocks.dedup();
    let is_short = blocks.len() <= BLOCKS_INLINE;
    let indexes = indexes.clone();
    let read = move |tables: &Tables| {
        let mut rows = Vec::new();
        for block in blocks {
            let key = keys::chunk_part(chunk, &[block]);
            if let Some(bytes) = tables.recipients.get(&key).map_err(storage)? {
                rows.extend(unpack(chunk, block, &bytes, |index| indexes.contains(index))?);
            }
        }
        Ok(rows)
    };
    if is_short { read(&access.tables) } else { access.scan(move |_, tables| read(tables)).await }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row() -> impl Strategy<Value = (u16, RecipientRow)> {
        let payload = prop::collection::vec(any::<u8>(), 0..40);
        (0u16..8_192, any::<u64>(), prop::option::of("[a-zü]{0,9}"), payload).prop_map(
            |(index, line, skipped, payload)| {
                (index, RecipientRow { index, line, skipped, payload: payload.into() })
            },
        )
    }

    proptest! {
        #[test]
        fn rows_come_back_whatever_they_hold(rows in prop::collection::btree_map(0u16..8_192, row(), 0..200)) {
            let rows: BTreeMap<u16, RecipientRow> = rows.into_values().collect();
            let chunk = ChunkId([7; 16]);
            let mut back = Vec::new();
            for packed in pack(rows.values().rev().cloned().collect()) {
                back.extend(unpack(chunk, packed.block, &packed.bytes, |_| true).unwrap());
            }
            prop_assert_eq!(back, rows.into_values().collect::<Vec<_>>());
        }

        #[test]
        fn damaged_blocks_are_an_error_and_never_a_panic(raw in prop::collection::vec(any::<u8>(), 0..60)) {
            let _either = unpack(ChunkId([7; 16]), 31, &compress(&raw), |_| true);
            let _either = unpack(ChunkId([7; 16]), 31, &raw, |_| true);
        }
    }
}
