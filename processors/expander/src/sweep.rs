//! A look at the store: which campaigns of the assigned partitions nobody works on.
//!
//! It finds what a former owner left, and campaigns whose launch was read by a process that does not expand them.

use crate::ExpanderPorts;
use crate::announce::is_untold;
use crate::error::{ExpanderError, fatal};
use crate::intake::home_of;
use crate::patience::until_answered;
use crate::positions::Positions;
use sluice_core::CampaignRow;
use sluice_runtime::ports::log::Partition;
use std::collections::{BTreeMap, BTreeSet};

/// What a look found, by partition; all of these partitions were this member's after it.
pub(crate) struct Looked {
    pub(crate) found: Vec<(Partition, CampaignRow)>,
    /// Partitions whose sealed campaigns are among them.
    pub(crate) fresh: BTreeSet<Partition>,
}

/// Looks. Sealed campaigns are told only for `fresh` partitions, which were assigned since the last look: their
/// former owner may have ended between the seal and the wake-up that follows it (hazard 21).
pub(crate) async fn look(
    ports: ExpanderPorts,
    positions: &Positions,
    fresh: BTreeSet<Partition>,
) -> Result<Looked, ExpanderError> {
    let store = &ports.store;
    let rows = until_answered("unfinished", || store.unfinished()).await.map_err(fatal)?;
    let mut found: BTreeMap<Partition, Vec<CampaignRow>> = BTreeMap::new();
    for row in rows {
        let home = home_of(row.id, &*ports.log);
        if positions.has(home) && needs_work(&row, fresh.contains(&home)) {
            found.entry(home).or_default().push(row);
        }
    }
    let mut ours = Vec::new();
    for (partition, rows) in found {
        if positions.is_ours(partition).await? {
            ours.extend(rows.into_iter().map(|row| (partition, row)));
        }
    }
    Ok(Looked { found: ours, fresh })
}

fn needs_work(row: &CampaignRow, is_fresh: bool) -> bool {
    is_untold(row) || !row.state.is_ended() && (row.seal.is_none() || is_fresh)
}
