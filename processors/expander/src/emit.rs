//! A committed chunk becomes known: to the sender, and to the receipt processor.
//!
//! Both take the same chunk twice for one, so it is emitted again whenever nobody can tell whether it was.

use crate::ExpanderPorts;
use crate::encode::skip_entries;
use crate::error::StepError;
use crate::expansion::Expansion;
use crate::patience::until_answered;
use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::chunk_state::entry;
use sluice_core::{ChunkRow, IndexSet};
use sluice_runtime::ports::log::{AppendTicket, NewRecord, Partition, Topic};
use sluice_schemas::{Fact, Receipt, ReceiptEntry, encode};
use std::collections::VecDeque;

/// Emissions on their way at a time, after a crash.
const PENDING_MAX: usize = 64;

/// Records that are enqueued and not yet durable.
#[derive(Debug)]
pub(crate) struct Emission {
    ready: Option<AppendTicket>,
    receipt: AppendTicket,
}

impl Emission {
    pub(crate) async fn durable(self) -> Result<(), StepError> {
        if let Some(ready) = self.ready {
            ready.await?;
        }
        self.receipt.await?;
        Ok(())
    }
}

/// Says that `chunk` is committed and which of its rows are never sent. A chunk of skipped rows alone has
/// nothing for the sender.
pub(crate) fn emit(ports: &ExpanderPorts, chunk: &ChunkRow, skips: Vec<ReceiptEntry>) -> Emission {
    let ready = (chunk.skipped < chunk.size).then(|| {
        let key = Bytes::copy_from_slice(chunk.page.as_str().as_bytes());
        let record = NewRecord { key, value: encode(&chunk.first_attempt()).into() };
        ports.log.append(Topic::Chunks, Partition(chunk.shard), vec![record])
    });
    let last = chunk.size.saturating_sub(1) as u16;
    let mut entries = vec![entry(Fact::Closed, 0, last, 0, ports.clock.wall_ms())];
    entries.extend(skips);
    let receipt = Receipt { chunk: ByteArray::new(chunk.id.0), entries };
    let record = NewRecord { key: Bytes::copy_from_slice(&chunk.id.0), value: encode(&receipt).into() };
    let partition = Partition(u32::from(chunk.id.receipts_partition()));
    Emission { ready, receipt: ports.log.append(Topic::Receipts, partition, vec![record]) }
}

/// Emits everything that former expansions of the campaign committed: one of them may have ended between a
/// commit and its emission.
pub(crate) async fn emit_again(expansion: &Expansion, chunks: &[ChunkRow]) -> Result<(), StepError> {
    let mut pending = VecDeque::new();
    for chunk in chunks {
        if pending.len() >= PENDING_MAX
            && let Some(oldest) = pending.pop_front()
        {
            Emission::durable(oldest).await?;
        }
        let skips = stored_skips(expansion, chunk).await?;
        pending.push_back(emit(&expansion.ports, chunk, skips));
    }
    for emission in pending {
        emission.durable().await?;
    }
    Ok(())
}

/// The recipient rows remember who was skipped; suppressions of today would say something else.
async fn stored_skips(expansion: &Expansion, chunk: &ChunkRow) -> Result<Vec<ReceiptEntry>, StepError> {
    if chunk.skipped == 0 {
        return Ok(Vec::new());
    }
    let (store, all) = (&expansion.ports.store, IndexSet::full(chunk.size));
    let rows = until_answered("recipients", || store.recipients(chunk.id, &all)).await?;
    let skipped = rows.iter().filter_map(|row| Some((row.index, row.skipped.as_deref()?)));
    Ok(skip_entries(skipped, expansion.ports.clock.wall_ms()))
}
