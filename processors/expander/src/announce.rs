//! What others are told about a campaign as a whole.

use crate::ExpanderPorts;
use crate::error::StepError;
use crate::patience::until_answered;
use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_schemas::{CampaignControl, CampaignEventKind, encode};

/// Whether the expander has to tell of the row's state, and may not have done so: its start, and that it failed.
pub(crate) fn is_untold(row: &CampaignRow) -> bool {
    let tells = matches!(row.event(), Some(CampaignEventKind::Started | CampaignEventKind::Failed));
    tells && row.announced.as_deref() != Some(row.event_id().as_str())
}

/// Produces the event of the row's present state, then notes that it is there. Doing it twice gives two
/// records with one id (hazard 22).
pub(crate) async fn announce(ports: &ExpanderPorts, row: &CampaignRow) -> Result<(), StepError> {
    let Some(event) = row.to_tell(None) else { return Ok(()) };
    append(ports, Topic::Events, row.id, encode(&event)).await?;
    until_answered("announced", || ports.store.announced(row.id, &event.id)).await
}

/// Makes whoever holds state of the campaign read its row again.
pub(crate) async fn wake(ports: &ExpanderPorts, id: CampaignId) -> Result<(), StepError> {
    let control = CampaignControl { campaign: ByteArray::new(id.0), at_ms: ports.clock.wall_ms() };
    append(ports, Topic::Control, id, encode(&control)).await
}

async fn append(
    ports: &ExpanderPorts,
    topic: Topic,
    id: CampaignId,
    value: Vec<u8>,
) -> Result<(), StepError> {
    let partition = Partition(partition_of(&id.0, ports.log.partitions(topic)));
    let record = NewRecord { key: Bytes::copy_from_slice(&id.0), value: value.into() };
    ports.log.append(topic, partition, vec![record]).await?;
    Ok(())
}
