//! Which campaigns may still be going on, so that finding them costs nothing for those of the past.
//!
//! A run is noted before the campaign gets there, and the note is removed once the run is over for good
//! (a later run stands in the row, or this one's end was announced). Both can't become untrue again, so a late
//! or repeated removal does no harm, and a note that comes late is found stale and removed when it is read.

use super::access::{Access, all, unreadable};
use super::campaigns;
use sluice_core::{CampaignId, CampaignRow};
use sluice_runtime::ports::store::StoreResult;
use std::collections::BTreeMap;

/// Partitions of the table.
const BUCKETS: i32 = 8;

fn bucket(id: CampaignId) -> i32 {
    i32::from(id.0[7]) % BUCKETS
}

/// Notes that `run` is about to begin.
pub(crate) async fn note(access: &Access, id: CampaignId, run: u32) -> StoreResult<()> {
    access.write(&access.statements.open_add, (bucket(id), id.0, i64::from(run))).await
}

/// Removes the note of a run that is over. If it fails, whoever reads the note next does it.
pub(crate) async fn forget(access: &Access, id: CampaignId, run: u32) {
    let removed = access.write(&access.statements.open_remove, (bucket(id), id.0, i64::from(run))).await;
    if let Err(error) = removed {
        tracing::debug!(campaign = %id, run, %error, "the note of an open campaign stays for now");
    }
}

/// Whether the run will never go on again.
fn is_over(row: &CampaignRow, run: u32) -> bool {
    run < row.run || (run == row.run && !row.is_unfinished())
}

/// The campaigns that are not ended or whose end is not announced, oldest first.
pub(crate) async fn unfinished(access: &Access) -> StoreResult<Vec<CampaignRow>> {
    let list = &access.statements.open_list;
    let buckets = (0..BUCKETS).map(|bucket| access.read_all::<(Vec<u8>, i64)>(list, (bucket,)));
    let noted = all(access.reads, buckets).await?;
    let mut runs: BTreeMap<CampaignId, Vec<u32>> = BTreeMap::new();
    for (id, run) in noted.into_iter().flatten() {
        let id = id.try_into().map_err(|_| unreadable(list, "an id that is none"))?;
        runs.entry(CampaignId(id)).or_default().push(run as u32);
    }
    let looks = runs.into_iter().map(|(id, runs)| look(access, id, runs));
    let mut rows: Vec<CampaignRow> = all(access.reads, looks).await?.into_iter().flatten().collect();
    rows.sort_by_key(|row| (row.created_at_ms, row.id));
    Ok(rows)
}

async fn look(access: &Access, id: CampaignId, runs: Vec<u32>) -> StoreResult<Option<CampaignRow>> {
    // Missing: its launch is under way, or will be read again.
    let Some(row) = campaigns::get(access, id).await? else { return Ok(None) };
    for run in runs.into_iter().filter(|run| is_over(&row, *run)) {
        forget(access, id, run).await;
    }
    Ok(row.is_unfinished().then_some(row))
}
