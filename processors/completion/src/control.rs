//! Telling everybody that a campaign row has changed.

use crate::error::CompletionError;
use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::log::{AppendTicket, Log, NewRecord, Partition, Topic};
use sluice_runtime::ports::store::Store;
use sluice_schemas::{CampaignControl, encode};

/// Raises `control` of each page of the campaign: a grant that was decided on the old row is refused (G7).
pub(crate) async fn bump_pages(store: &dyn Store, row: &CampaignRow) -> Result<(), CompletionError> {
    Ok(store.bump_controls(&row.page_ids()).await?)
}

/// Wakes up whoever holds state of the campaign. Only a hint: the truth is the row.
pub(crate) fn enqueue_wake(log: &dyn Log, campaign: CampaignId, at_ms: i64) -> AppendTicket {
    let value = encode(&CampaignControl { campaign: ByteArray::new(campaign.0), at_ms });
    let record = NewRecord { key: Bytes::copy_from_slice(&campaign.0), value: Bytes::from(value) };
    let partition = Partition(partition_of(&campaign.0, log.partitions(Topic::Control)));
    log.append(Topic::Control, partition, vec![record])
}
