//! Reads what is stored about a campaign, chunk by chunk: memory is bounded by one chunk and a set on disk.

use super::compare::{ChunkFacts, Claim, Recount, RowFacts};
use crate::error::{Outcome, storage};
use sluice_audience::SeenSet;
use sluice_core::address::recipient_key;
use sluice_core::{CampaignRow, ChunkId, ChunkRow, Counters, IndexSet, LedgerBody, PageId};
use sluice_runtime::ports::store::Store;
use sluice_schemas::{Channel, SendRequest, decode};
use std::collections::BTreeMap;
use std::path::Path;

/// Recounts a campaign. `progress` hears the number of recipients after each chunk.
pub async fn recount(
    store: &dyn Store,
    campaign: &CampaignRow,
    temporary: &Path,
    mut progress: impl FnMut(u64),
) -> Outcome<Recount> {
    let mut ledgers: Vec<(PageId, LedgerBody)> = Vec::new();
    for page in &campaign.launch.pages {
        let page = PageId::from(page.as_str());
        if let Some(ledger) = store.ledger(&page).await? {
            ledgers.push((page, ledger.body));
        }
    }
    let counters: BTreeMap<ChunkId, Counters> = store.counters(campaign.id).await?.into_iter().collect();
    let mut seen = SeenSet::new(temporary);
    let mut recount = Recount::default();
    for chunk in store.chunks(campaign.id).await? {
        let facts = ChunkFacts {
            rows: rows(store, &chunk, campaign.launch.channel, &mut seen).await?,
            state: store.load_chunk(chunk.id).await?.map(|(_, state)| state),
            counters: counters.get(&chunk.id).copied(),
            claims: claims(&ledgers, chunk.id),
            row: chunk,
        };
        recount.add(&facts, campaign.state.is_ended());
        progress(recount.recipients);
    }
    recount.finish(campaign);
    Ok(recount)
}

async fn rows(
    store: &dyn Store,
    chunk: &ChunkRow,
    channel: Channel,
    seen: &mut SeenSet,
) -> Outcome<Vec<RowFacts>> {
    let mut rows = Vec::with_capacity(chunk.size as usize);
    for row in store.recipients(chunk.id, &IndexSet::full(sluice_core::CHUNK_ROWS_MAX)).await? {
        let mut address_seen = false;
        if row.skipped.is_none() {
            let send: SendRequest = decode(&row.payload).map_err(|error| {
                storage(format!("damaged recipient {} of chunk {}: {error}", row.index, chunk.id))
            })?;
            let new = seen.insert(recipient_key(channel, &send.address));
            address_seen =
                !new.map_err(|error| storage(format!("cannot keep the addresses seen: {error}")))?;
        }
        rows.push(RowFacts { index: row.index, skipped: row.skipped.is_some(), address_seen });
    }
    Ok(rows)
}

fn claims(ledgers: &[(PageId, LedgerBody)], chunk: ChunkId) -> Vec<Claim> {
    let of_chunk = |(page, body): &(PageId, LedgerBody)| {
        let claims = body.claims().filter(|(claimed, _, _)| *claimed == chunk);
        let page = page.to_string();
        claims
            .map(|(_, attempt, indexes)| Claim { page: page.clone(), attempt, indexes: indexes.clone() })
            .collect::<Vec<_>>()
    };
    ledgers.iter().flat_map(of_chunk).collect()
}
