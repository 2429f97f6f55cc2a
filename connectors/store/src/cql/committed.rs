//! Committed chunks: rows of the campaign's partition, written only under its expansion epoch.

use super::access::{Access, unreadable};
use super::answer::Answer;
use super::campaigns;
use crate::embedded::codec::{from_json, json};
use scylla::errors::SerializationError;
use scylla::serialize::row::{RowSerializationContext, SerializeRow};
use scylla::serialize::writers::RowWriter;
use scylla::statement::batch::{Batch, BatchType};
use sluice_core::{CampaignId, ChunkId, ChunkRow};
use sluice_runtime::ports::store::{StoreError, StoreResult};

pub(crate) fn fenced(id: CampaignId) -> StoreError {
    StoreError::Fenced(format!("the expansion of campaign {id}"))
}

fn name(id: ChunkId) -> String {
    format!("chunk {id}")
}

/// The clustering number. It is below 2³¹: a campaign of so many chunks has 17 billion rows.
fn number(id: ChunkId) -> i32 {
    id.number() as i32
}

/// The values of the two statements of a commit.
enum Values<'a> {
    Epoch(i64, [u8; 8]),
    Chunk([u8; 8], i32, [u8; 16], &'a [u8]),
}

impl SerializeRow for Values<'_> {
    fn serialize(
        &self,
        context: &RowSerializationContext<'_>,
        writer: &mut RowWriter<'_>,
    ) -> Result<(), SerializationError> {
        match self {
            Self::Epoch(epoch, id) => (epoch, id, epoch).serialize(context, writer),
            Self::Chunk(id, number, chunk, body) => (id, number, chunk, body).serialize(context, writer),
        }
    }

    fn is_empty(&self) -> bool {
        false
    }
}

/// Commits the chunk if `epoch` still expands and no other chunk has the name.
pub(crate) async fn commit(access: &Access, epoch: u32, row: ChunkRow) -> StoreResult<()> {
    let id = row.id.campaign();
    let body = json(&name(row.id), &row)?;
    let values =
        vec![Values::Epoch(i64::from(epoch), id.0), Values::Chunk(id.0, number(row.id), row.id.0, &body)];
    let batch = commit_batch(access);
    let mut patience = access.patience();
    loop {
        let result = access.session.batch(&batch, &values).await;
        if access.answer(result, &mut patience)? == Answer::Applied {
            return Ok(());
        }
        // The epoch first: if it is still this one here, a commit that is not found below can be asked again;
        // if it is not, none can come any more after the look at the chunk.
        let statement = &access.statements.epoch_read;
        let now: Option<(i64,)> = access.read_one(statement, (id.0,)).await?;
        let Some((now,)) = now else { return Err(StoreError::Missing(campaigns::name(id))) };
        match get(access, row.id).await? {
            // The name holds the epoch, so this is the very commit that was asked for.
            Some(present) if present == row => return Ok(()),
            // Two chunks of one name would be two people of one send (hazard 1).
            Some(_) => return Err(StoreError::Fenced(name(row.id))),
            None if now != i64::from(epoch) => return Err(fenced(id)),
            None => patience.wait().await?,
        }
    }
}

fn commit_batch(access: &Access) -> Batch {
    let statements = &access.statements;
    let mut batch = Batch::new(BatchType::Unlogged);
    // One after the other in one partition: the first gives the batch its replicas.
    batch.append_statement(statements.epoch_hold.clone());
    batch.append_statement(statements.chunk_commit.clone());
    batch.set_execution_profile_handle(statements.chunk_commit.get_execution_profile_handle().cloned());
    batch.set_is_idempotent(false);
    batch
}

pub(crate) async fn get(access: &Access, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
    let values = (id.campaign().0, number(id), id.0);
    let found: Option<(Vec<u8>,)> = access.read_one(&access.statements.chunk_read, values).await?;
    found.map(|(body,)| from_json(&name(id), &body)).transpose()
}

pub(crate) async fn list(access: &Access, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
    let bodies = access.read_all::<(Vec<u8>,)>(&access.statements.chunk_list, (id.0,)).await?;
    bodies.iter().map(|(body,)| from_json(&format!("a chunk of campaign {id}"), body)).collect()
}

/// The names of the committed chunks, by number.
pub(crate) async fn names(access: &Access, id: CampaignId) -> StoreResult<Vec<ChunkId>> {
    let statement = &access.statements.chunk_names;
    let names = access.read_all::<(Vec<u8>,)>(statement, (id.0,)).await?;
    let read = |(name,): (Vec<u8>,)| {
        name.try_into().map(ChunkId).map_err(|_| unreadable(statement, "a name that is none"))
    };
    names.into_iter().map(read).collect()
}
