//! Chunk states, and what readers want beside them.

use super::codec::{self, damaged, open, stamp_of};
use super::keys;
use super::tables::{Access, Tables, storage};
use sluice_core::chunk_state::Stamp;
use sluice_core::{CampaignId, ChunkId, ChunkState, Counters};
use sluice_engine::Tx;
use sluice_runtime::ports::store::{ChunkSave, StoreResult};
use sluice_schemas::{Receipt, ReceiptEntry};
use std::sync::atomic::{AtomicU64, Ordering};

/// A save in its stored form, made by the caller's thread.
struct Encoded {
    chunk: ChunkId,
    stamp: Stamp,
    state: Vec<u8>,
    counters: Vec<u8>,
    details: Option<Vec<u8>>,
    details_to: Stamp,
}

fn what(chunk: ChunkId) -> String {
    format!("state of chunk {chunk}")
}

fn encode(save: ChunkSave) -> Encoded {
    let details = (!save.details.is_empty()).then(|| {
        // The framed record after the format byte says which version of its schema it has.
        let receipt = Receipt { chunk: save.chunk.0.into(), entries: save.details };
        let mut out = vec![codec::FORMAT];
        out.extend_from_slice(&sluice_schemas::encode(&receipt));
        out
    });
    Encoded {
        chunk: save.chunk,
        stamp: save.stamp,
        state: codec::state(save.stamp, &save.state),
        counters: codec::counters(&save.counters),
        details,
        details_to: save.details_to,
    }
}

/// Saves of one stamp with different bytes: somebody breaks hazard 16's rule. The first one stays.
#[derive(Debug, Default)]
pub(crate) struct Conflicts(AtomicU64);

impl Conflicts {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

pub(crate) async fn save(
    access: &Access,
    conflicts: &std::sync::Arc<Conflicts>,
    saves: Vec<ChunkSave>,
) -> StoreResult<()> {
    let saves: Vec<Encoded> = saves.into_iter().map(encode).collect();
    let conflicts = conflicts.clone();
    let saved = access.write(move |tx, tables| {
        for save in saves {
            if is_newer(tx, tables, &save, &conflicts)? {
                put(tx, tables, save);
            }
        }
        Ok(())
    });
    saved.await
}

/// Whether the save knows more than what is stored.
fn is_newer(tx: &Tx, tables: &Tables, save: &Encoded, conflicts: &Conflicts) -> StoreResult<bool> {
    let Some(present) = tx.get(&tables.states, &keys::chunk(save.chunk)).map_err(storage)? else {
        return Ok(true);
    };
    let (stamp, _) = stamp_of(&what(save.chunk), &present)?;
    if stamp == save.stamp && *present != *save.state {
        conflicts.0.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(chunk = %save.chunk, stamp = stamp.0, "another state of the same stamp is kept");
    }
    Ok(stamp < save.stamp)
}

fn put(tx: &mut Tx, tables: &Tables, save: Encoded) {
    let key = keys::chunk(save.chunk);
    tx.insert(&tables.states, key, save.state);
    tx.insert(&tables.counters, key, save.counters);
    if let Some(details) = save.details {
        tx.insert(&tables.details, keys::chunk_part(save.chunk, &save.details_to.0.to_be_bytes()), details);
    }
}

pub(crate) fn load(access: &Access, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
    let bytes = access.tables.states.get(&keys::chunk(chunk)).map_err(storage)?;
    bytes.map(|bytes| codec::from_state(&what(chunk), &bytes)).transpose()
}

pub(crate) async fn counters(access: &Access, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
    let counted = access.scan(move |snapshot, tables| {
        let mut all = Vec::new();
        for pair in snapshot.prefix(&tables.counters, &keys::campaign(id)) {
            let (key, bytes) = pair.map_err(storage)?;
            let chunk = keys::chunk_of(&key).ok_or_else(|| damaged("counters", "a key that is no chunk"))?;
            all.push((chunk, codec::from_counters(&format!("counters of chunk {chunk}"), &bytes)?));
        }
        Ok(all)
    });
    counted.await
}

pub(crate) async fn details(access: &Access, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
    let read = access.scan(move |snapshot, tables| {
        let what = format!("details of chunk {chunk}");
        let mut all = Vec::new();
        for pair in snapshot.prefix(&tables.details, &keys::chunk(chunk)) {
            let (_, bytes) = pair.map_err(storage)?;
            let receipt: Receipt =
                sluice_schemas::decode(open(&what, &bytes)?).map_err(|error| damaged(&what, error))?;
            all.extend(receipt.entries);
        }
        Ok(all)
    });
    read.await
}
