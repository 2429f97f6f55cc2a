//! A closed chunk becomes durable, in three steps:
//!
//! 1. recipient rows and sends are written; nobody refers to them yet;
//! 2. the chunk row is committed under the lease's epoch, in turn: *the commit point*;
//! 3. the chunk is emitted.
//!
//! Several chunks are in step 1 or 3 at a time; step 2 is taken in the order of their numbers, so that committed
//! chunks cover a prefix of every class and their numbers have no gaps.

use crate::chunker::ClosedChunk;
use crate::emit::emit;
use crate::encode::{EncodedChunk, Encoder};
use crate::error::StepError;
use crate::expansion::Expansion;
use crate::patience::until_answered;
use sluice_core::row::RowDecision;
use sluice_core::{ChunkId, ChunkRow};
use sluice_runtime::ports::audience::DecidedRow;
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_schemas::{GateClass, Span};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Rows that are encoded without letting others run.
const ROWS_AT_A_STRETCH: usize = 1_024;

/// The place of a chunk in the order of commits.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Resolves when the chunk before is committed; `None` for the first. An error: it never will be.
    pub(crate) before: Option<oneshot::Receiver<()>>,
    /// Tells the next chunk.
    pub(crate) after: oneshot::Sender<()>,
}

/// Takes a closed chunk of a class (the place of its page, and its gate) through all three steps; gives its committed
/// row.
pub(crate) async fn commit(
    expansion: Arc<Expansion>,
    number: u32,
    (page, class): (usize, GateClass),
    chunk: ClosedChunk<DecidedRow>,
    turn: Turn,
) -> Result<ChunkRow, StepError> {
    let id = expansion.chunk_id(number);
    let page = expansion.pages.page(page);
    let suppressed = suppressed(&expansion, &chunk.rows).await?;
    let encoded = encode(id, chunk.rows, suppressed).await;
    let spans = write(&expansion, id, page.shard, &page.key, &encoded).await?;
    let row = ChunkRow {
        id,
        page: page.id.clone(),
        size: encoded.size(),
        first_in_class: chunk.first_in_class,
        shard: page.shard,
        spans,
        skipped: encoded.skipped(),
        class,
    };

    if let Some(before) = turn.before {
        before.await.map_err(|_| StepError::OutOfTurn)?;
    }
    let store = &expansion.ports.store;
    until_answered("commit_chunk", || store.commit_chunk(expansion.epoch(), row.clone())).await?;
    // Nobody waits when this is the last chunk.
    turn.after.send(()).ok();

    let skips = encoded.skips(expansion.ports.clock.wall_ms());
    emit(&expansion.ports, &row, skips).durable().await?;
    Ok(row)
}

/// Which rows are suppressed now. They keep their index, so a second expansion before the commit point may find
/// more of them and still make the same chunk (hazard 1).
async fn suppressed(expansion: &Expansion, rows: &[DecidedRow]) -> Result<Vec<bool>, StepError> {
    let address = |row| match row {
        &DecidedRow { decision: RowDecision::Valid { ref address, .. }, .. } => Some(address.as_str()),
        _ => None,
    };
    let addresses: Vec<&str> = rows.iter().filter_map(address).collect();
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let (store, launch) = (&expansion.ports.store, &expansion.row.launch);
    until_answered("suppressed", || store.suppressed(&launch.tenant, launch.channel, &addresses)).await
}

async fn encode(id: ChunkId, rows: Vec<DecidedRow>, suppressed: Vec<bool>) -> EncodedChunk {
    let mut encoder = Encoder::new(id, rows.len());
    let mut suppressed = suppressed.into_iter();
    for (index, row) in rows.into_iter().enumerate() {
        if index % ROWS_AT_A_STRETCH == ROWS_AT_A_STRETCH - 1 {
            tokio::task::yield_now().await;
        }
        let is_valid = matches!(row.decision, RowDecision::Valid { .. });
        let is_suppressed = is_valid && suppressed.next().unwrap_or(false);
        encoder.push(row, is_suppressed);
    }
    encoder.finish()
}

/// Step 1: both writes at the same time; the offsets of the sends.
async fn write(
    expansion: &Expansion,
    id: ChunkId,
    shard: u32,
    key: &bytes::Bytes,
    encoded: &EncodedChunk,
) -> Result<Vec<Span>, StepError> {
    let (log, store) = (&expansion.ports.log, &expansion.ports.store);
    let recipients = until_answered("write_recipients", || store.write_recipients(id, encoded.recipients()));
    let sends = encoded.sends(key);
    if sends.is_empty() {
        recipients.await?;
        return Ok(Vec::new());
    }
    let ticket = log.append(Topic::Sends, Partition(shard), sends);
    let (offsets, ()) = tokio::try_join!(async { ticket.await.map_err(StepError::from) }, recipients)?;
    let offset = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
    Ok(vec![Span { first: offset(offsets.start), end: offset(offsets.end) }])
}
