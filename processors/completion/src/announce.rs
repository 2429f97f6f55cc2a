//! The events that tell downstream systems of pauses, resumptions and ends.

use crate::check::total_of;
use crate::error::CompletionError;
use crate::processor::CompletionPorts;
use bytes::Bytes;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignRow, Counters};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{CampaignEventKind, encode};

/// Whether the event of the present state may not be in the log yet (hazard 22). Its start is told by the expander.
pub(crate) fn is_due(row: &CampaignRow) -> bool {
    let tells = row.event().is_some_and(|kind| kind != CampaignEventKind::Started);
    tells && row.announced.as_deref() != Some(&row.event_id())
}

/// Produces the event, then notes that it is durable. A crash in between produces it again, with the same id.
pub(crate) async fn announce(
    ports: &CompletionPorts,
    row: &CampaignRow,
    counters: &Counters,
) -> Result<(), CompletionError> {
    let Some(event) = row.to_tell(Some(counters)) else { return Ok(()) };
    let (id, kind) = (event.id.clone(), event.kind);
    let mut events = vec![event];
    if row.announced.is_none() && !row.awaits_start {
        // Paused, or ended, before the expander came to tell of its start: nobody would do so later.
        events.insert(0, row.start_to_tell());
    }
    let key = Bytes::copy_from_slice(&row.id.0);
    let record = |event| NewRecord { key: key.clone(), value: Bytes::from(encode(event)) };
    let partition = Partition(partition_of(&row.id.0, ports.log.partitions(Topic::Events)));
    ports.log.append(Topic::Events, partition, events.iter().map(record).collect()).await?;
    ports.store.announced(row.id, &id).await?;
    tracing::info!(
        campaign = %row.launch.campaign,
        state = row.state.as_str(),
        run = row.run,
        total = counters.total,
        sent = counters.sent,
        failed = counters.failed,
        "campaign {}", word(kind)
    );
    Ok(())
}

fn word(kind: CampaignEventKind) -> &'static str {
    match kind {
        CampaignEventKind::Started => "started",
        CampaignEventKind::Paused => "paused",
        CampaignEventKind::Resumed => "resumed",
        CampaignEventKind::Completed | CampaignEventKind::Cancelled | CampaignEventKind::Failed => "ended",
    }
}

/// Produces the event of the present state, as far as it is due.
pub(crate) async fn announce_if_due(
    ports: &CompletionPorts,
    row: &CampaignRow,
) -> Result<(), CompletionError> {
    if !is_due(row) {
        return Ok(());
    }
    let chunks = ports.store.chunks(row.id).await?;
    let mut counters = total_of(&chunks, &ports.store.counters(row.id).await?);
    if let Some(seal) = row.seal {
        counters.total += seal.not_expanded;
        counters.cancelled += seal.not_expanded;
    }
    announce(ports, row, &counters).await
}
