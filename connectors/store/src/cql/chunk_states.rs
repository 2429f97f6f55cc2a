//! Chunk states, the counters beside them, and the details, all under the stamp of the log.

use super::access::{Access, all};
use super::committed;
use crate::embedded::codec::{FORMAT, damaged, open};
use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::value::SerializeValue;
use scylla::serialize::writers::RowWriter;
use sluice_core::chunk_state::Stamp;
use sluice_core::{CampaignId, ChunkId, ChunkState, Counters};
use sluice_runtime::ports::store::{ChunkSave, StoreError, StoreResult};
use sluice_schemas::{Receipt, ReceiptEntry};

fn name(chunk: ChunkId) -> String {
    format!("state of chunk {chunk}")
}

/// The values of a save: the same save, the same bytes (hazard 16).
struct Values {
    chunk: [u8; 16],
    stamp: i64,
    state: Vec<u8>,
    counters: [i64; 14],
    details: Option<Vec<u8>>,
    details_to: i64,
}

impl Values {
    fn new(save: ChunkSave) -> Self {
        let details = (!save.details.is_empty()).then(|| {
            // The framed record after the format byte says which version of its schema it has.
            let receipt = Receipt { chunk: save.chunk.0.into(), entries: save.details };
            [&[FORMAT], sluice_schemas::encode(&receipt).as_slice()].concat()
        });
        let counters = save.counters.named().map(|(_, count)| count as i64);
        let state = [&[FORMAT], save.state.encode().as_slice()].concat();
        let (stamp, details_to) = (save.stamp.0 as i64, save.details_to.0 as i64);
        Self { chunk: save.chunk.0, stamp, state, counters, details, details_to }
    }
}

impl SerializeRow for Values {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        let mut values: Vec<&dyn SerializeValue> = vec![&self.chunk, &self.stamp, &self.state];
        values.extend(self.counters.iter().map(|count| count as &dyn SerializeValue));
        if let Some(details) = &self.details {
            values.extend([&self.details_to as &dyn SerializeValue, details]);
        }
        values.push(&self.stamp);
        for (column, value) in context.columns().iter().zip(values) {
            value.serialize(column.typ(), writer.make_cell_writer())?;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// Saves that are encoded together, apart from the threads that serve others: one takes some 0.1 ms.
const ENCODED_TOGETHER: usize = 16;

/// Nothing is read before: a lower stamp writes, and is never seen.
pub(crate) async fn save(access: &Access, saves: Vec<ChunkSave>) -> StoreResult<()> {
    let mut saves = saves.into_iter();
    let slices = std::iter::from_fn(|| {
        let slice: Vec<ChunkSave> = saves.by_ref().take(ENCODED_TOGETHER).collect();
        (!slice.is_empty()).then_some(slice)
    });
    let slices: Vec<Vec<ChunkSave>> = slices.collect();
    let at_once = access.reads.div_ceil(ENCODED_TOGETHER);
    all(at_once, slices.into_iter().map(|slice| save_slice(access, slice))).await.map(drop)
}

async fn save_slice(access: &Access, saves: Vec<ChunkSave>) -> StoreResult<()> {
    let encode = move || saves.into_iter().map(Values::new).collect::<Vec<_>>();
    let encoded = tokio::task::spawn_blocking(encode).await;
    let encoded = encoded.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let writes = encoded.into_iter().map(|values| async move {
        let statements = &access.statements;
        let statement =
            if values.details.is_some() { &statements.state_save_details } else { &statements.state_save };
        access.write(statement, values).await
    });
    all(ENCODED_TOGETHER, writes).await.map(drop)
}

pub(crate) async fn load(access: &Access, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
    type Columns = (Vec<u8>, Option<i64>, Option<Vec<u8>>);
    let found: Option<Columns> = access.read_one(&access.statements.state_load, (chunk.0,)).await?;
    let Some((_, Some(stamp), Some(state))) = found else { return Ok(None) };
    let state =
        ChunkState::decode(open(&name(chunk), &state)?).map_err(|error| damaged(name(chunk), error))?;
    Ok(Some((Stamp(stamp as u64), state)))
}

/// Counters in the order of [`Counters::named`]; nulls where there is no state.
type Columns = (
    Vec<u8>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// Of the committed chunks: what a crashed expansion left behind counts nowhere.
pub(crate) async fn counters(access: &Access, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
    let names = committed::names(access, id).await?;
    let reads = names.into_iter().map(|chunk| async move {
        let found: Option<Columns> = access.read_one(&access.statements.state_counters, (chunk.0,)).await?;
        Ok(found.and_then(counters_of).map(|counters| (chunk, counters)))
    });
    let mut counted: Vec<_> = all(access.reads, reads).await?.into_iter().flatten().collect();
    counted.sort_by_key(|(chunk, _)| (chunk.number(), *chunk));
    Ok(counted)
}

fn counters_of(columns: Columns) -> Option<Counters> {
    Some(Counters {
        total: columns.1? as u64,
        pending: columns.2? as u64,
        sent: columns.3? as u64,
        delivered: columns.4? as u64,
        read: columns.5? as u64,
        responded: columns.6? as u64,
        clicked: columns.7? as u64,
        ordered: columns.8? as u64,
        failed: columns.9? as u64,
        opted_out: columns.10? as u64,
        skipped: columns.11? as u64,
        cancelled: columns.12? as u64,
        unknown: columns.13? as u64,
        retries: columns.14? as u64,
    })
}

pub(crate) async fn details(access: &Access, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
    type Columns = (Option<i64>, Option<Vec<u8>>);
    let what = format!("details of chunk {chunk}");
    let mut entries = Vec::new();
    // By `at`, which is the stamp. Without any there is one row of nulls beside the static columns.
    for (_, details) in access.read_all::<Columns>(&access.statements.state_details, (chunk.0,)).await? {
        let Some(details) = details else { continue };
        let receipt: Receipt =
            sluice_schemas::decode(open(&what, &details)?).map_err(|error| damaged(&what, error))?;
        entries.extend(receipt.entries);
    }
    Ok(entries)
}
