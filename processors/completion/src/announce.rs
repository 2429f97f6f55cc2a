//! The events that tell downstream systems of pauses, resumptions and ends.

use crate::check::total_of;
use crate::error::CompletionError;
use crate::processor::CompletionPorts;
use bytes::Bytes;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignRow, Counters};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{CampaignEvent, CampaignEventKind, encode};
use std::collections::BTreeMap;

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
    let Some(kind) = row.event() else { return Ok(()) };
    let id = row.event_id();
    let named = counters.named();
    let event = CampaignEvent {
        id: id.clone(),
        campaign: row.launch.campaign.clone(),
        tenant: row.launch.tenant.clone(),
        kind,
        run: i32::try_from(row.run).unwrap_or(i32::MAX),
        at_ms: row.entered.map_or(row.created_at_ms, |entered| entered.at_ms),
        counters: named
            .into_iter()
            .map(|(name, count)| (name.to_owned(), i64::try_from(count).unwrap_or(i64::MAX)))
            .collect(),
        reason: row.reason.clone(),
    };
    let mut events = vec![event];
    if row.announced.is_none() && matches!(kind, CampaignEventKind::Paused | CampaignEventKind::Resumed) {
        // Paused before the expander came to tell of its start: nobody would do so later.
        events.insert(0, start_of(row));
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

fn start_of(row: &CampaignRow) -> CampaignEvent {
    CampaignEvent {
        id: row.start_event_id(),
        campaign: row.launch.campaign.clone(),
        tenant: row.launch.tenant.clone(),
        kind: CampaignEventKind::Started,
        run: 1,
        at_ms: row.starts_at_ms.max(row.created_at_ms),
        counters: BTreeMap::new(),
        reason: None,
    }
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
