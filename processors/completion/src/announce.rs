//! The event that tells downstream systems of a campaign's end.

use crate::check::total_of;
use crate::error::CompletionError;
use crate::processor::CompletionPorts;
use bytes::Bytes;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignRow, Counters};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{CampaignEvent, encode};

/// Whether the event of the present state may not be in the log yet (hazard 22).
pub(crate) fn is_due(row: &CampaignRow) -> bool {
    row.state.is_ended() && row.announced.as_deref() != Some(&row.event_id())
}

/// Produces the event, then notes that it is durable. A crash in between produces it again, with the same id.
pub(crate) async fn announce(
    ports: &CompletionPorts,
    row: &CampaignRow,
    counters: &Counters,
) -> Result<(), CompletionError> {
    let Some(kind) = row.state.event() else { return Ok(()) };
    let id = row.event_id();
    let named = counters.named();
    let event = CampaignEvent {
        id: id.clone(),
        campaign: row.launch.campaign.clone(),
        tenant: row.launch.tenant.clone(),
        kind,
        run: i32::try_from(row.run).unwrap_or(i32::MAX),
        at_ms: row.ended_at_ms.unwrap_or_else(|| ports.clock.wall_ms()),
        counters: named
            .into_iter()
            .map(|(name, count)| (name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX)))
            .collect(),
        reason: row.reason.clone(),
    };
    let partition = Partition(partition_of(&row.id.0, ports.log.partitions(Topic::Events)));
    let record = NewRecord { key: Bytes::copy_from_slice(&row.id.0), value: Bytes::from(encode(&event)) };
    ports.log.append(Topic::Events, partition, vec![record]).await?;
    ports.store.announced(row.id, &id).await?;
    tracing::info!(
        campaign = %row.launch.campaign,
        state = row.state.as_str(),
        run = row.run,
        total = counters.total,
        sent = counters.sent,
        failed = counters.failed,
        "campaign ended"
    );
    Ok(())
}

/// Produces the event of a campaign that has ended, as far as it is due.
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
