//! Campaign rows and committed chunks.

use super::codec::{from_json, json};
use super::keys;
use super::tables::{Access, Tables, storage};
use serde::Deserialize;
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, Seal};
use sluice_engine::{Snapshot, Tx, Value};
use sluice_runtime::ports::store::{Created, ExpansionLease, StoreError, StoreResult, Transition};

fn name(id: CampaignId) -> String {
    format!("campaign {id}")
}

fn read(tx: &Tx, tables: &Tables, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
    let bytes = tx.get(&tables.campaigns, &keys::campaign(id)).map_err(storage)?;
    bytes.map(|bytes| from_json(&name(id), &bytes)).transpose()
}

fn existing(tx: &Tx, tables: &Tables, id: CampaignId) -> StoreResult<CampaignRow> {
    read(tx, tables, id)?.ok_or_else(|| StoreError::Missing(name(id)))
}

fn put(tx: &mut Tx, tables: &Tables, row: &CampaignRow) -> StoreResult<()> {
    let bytes = json(&name(row.id), row)?;
    tx.insert(&tables.campaigns, keys::campaign(row.id), bytes);
    Ok(())
}

/// What a row says of its expansion. Each chunk asks for it: the rest, which may name thousands of pages, is passed
/// over.
#[derive(Debug, Deserialize)]
struct Expansion {
    exp_epoch: u32,
}

/// Whether `epoch` is still the one that expands.
fn check_epoch(tx: &Tx, tables: &Tables, id: CampaignId, epoch: u32) -> StoreResult<()> {
    let bytes = tx.get(&tables.campaigns, &keys::campaign(id)).map_err(storage)?;
    let bytes = bytes.ok_or_else(|| StoreError::Missing(name(id)))?;
    let Expansion { exp_epoch } = from_json(&name(id), &bytes)?;
    if exp_epoch != epoch {
        return Err(StoreError::Fenced(format!("the expansion of campaign {id}")));
    }
    Ok(())
}

pub(crate) async fn create(access: &Access, row: CampaignRow) -> StoreResult<Created> {
    let created = access.write(move |tx, tables| {
        let Some(present) = read(tx, tables, row.id)? else {
            put(tx, tables, &row)?;
            return Ok(Created::New(row));
        };
        let same =
            (&present.launch.tenant, &present.launch.campaign) == (&row.launch.tenant, &row.launch.campaign);
        if !same {
            return Err(StoreError::Fenced(format!("id {} of campaign {}", row.id, row.launch.campaign)));
        }
        Ok(Created::Existing(present))
    });
    created.await
}

pub(crate) fn get(access: &Access, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
    let bytes = access.tables.campaigns.get(&keys::campaign(id)).map_err(storage)?;
    bytes.map(|bytes| from_json(&name(id), &bytes)).transpose()
}

pub(crate) async fn list(access: &Access) -> StoreResult<Vec<CampaignRow>> {
    let listed = access.scan(|snapshot, tables| {
        let mut rows = Vec::new();
        for pair in snapshot.prefix(&tables.campaigns, b"") {
            let (_, bytes) = pair.map_err(storage)?;
            rows.push(from_json::<CampaignRow>("campaign", &bytes)?);
        }
        rows.sort_by_key(|row| (row.created_at_ms, row.id));
        Ok(rows)
    });
    listed.await
}

pub(crate) async fn lease(access: &Access, id: CampaignId) -> StoreResult<ExpansionLease> {
    let raised = access.write(move |tx, tables| {
        let mut row = existing(tx, tables, id)?;
        row.exp_epoch += 1;
        put(tx, tables, &row)?;
        Ok(row)
    });
    let row = raised.await?;
    // After the epoch: nobody of before commits another one now (hazard 2).
    let chunks = chunks(access, id).await?;
    Ok(ExpansionLease { row, chunks })
}

pub(crate) async fn pin(access: &Access, id: CampaignId, epoch: u32, pin: String) -> StoreResult<String> {
    let pinned = access.write(move |tx, tables| {
        check_epoch(tx, tables, id, epoch)?;
        let mut row = existing(tx, tables, id)?;
        if let Some(first) = row.source_pin {
            return Ok(first);
        }
        row.source_pin = Some(pin.clone());
        put(tx, tables, &row)?;
        Ok(pin)
    });
    pinned.await
}

pub(crate) async fn commit_chunk(access: &Access, epoch: u32, row: ChunkRow) -> StoreResult<()> {
    let what = format!("chunk {}", row.id);
    let bytes = json(&what, &row)?;
    let committed = access.write(move |tx, tables| {
        check_epoch(tx, tables, row.id.campaign(), epoch)?;
        let key = keys::chunk(row.id);
        match tx.get(&tables.chunks, &key).map_err(storage)? {
            // Two chunks of one name would be two people of one send (hazard 1).
            Some(present) if from_json::<ChunkRow>(&what, &present)? != row => Err(StoreError::Fenced(what)),
            Some(_) => Ok(()),
            None => {
                tx.insert(&tables.chunks, key, bytes);
                Ok(())
            }
        }
    });
    committed.await
}

pub(crate) async fn seal(access: &Access, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
    let sealed = access.write(move |tx, tables| {
        check_epoch(tx, tables, id, epoch)?;
        let mut row = existing(tx, tables, id)?;
        match row.seal {
            Some(first) if first == seal => Ok(()),
            Some(_) => Err(StoreError::Fenced(format!("the seal of campaign {id}"))),
            None => {
                row.seal = Some(seal);
                put(tx, tables, &row)
            }
        }
    });
    sealed.await
}

pub(crate) async fn chunks(access: &Access, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
    let listed = access.scan(move |snapshot: &Snapshot, tables| {
        let pairs = snapshot.prefix(&tables.chunks, &keys::campaign(id));
        pairs.map(|pair| decode_chunk(&pair.map_err(storage)?)).collect()
    });
    listed.await
}

fn decode_chunk((key, bytes): &(Value, Value)) -> StoreResult<ChunkRow> {
    let what = keys::chunk_of(key).map_or_else(|| "chunk".to_owned(), |id| format!("chunk {id}"));
    from_json(&what, bytes)
}

pub(crate) fn chunk(access: &Access, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
    let bytes = access.tables.chunks.get(&keys::chunk(id)).map_err(storage)?;
    bytes.map(|bytes| from_json(&format!("chunk {id}"), &bytes)).transpose()
}

pub(crate) async fn transition(
    access: &Access,
    id: CampaignId,
    step: Transition,
) -> StoreResult<Option<CampaignRow>> {
    let taken = access.write(move |tx, tables| {
        let row = existing(tx, tables, id)?;
        let Some(row) = row.after(&step) else { return Ok(None) };
        put(tx, tables, &row)?;
        Ok(Some(row))
    });
    taken.await
}

pub(crate) async fn announced(access: &Access, id: CampaignId, event: String) -> StoreResult<()> {
    let noted = access.write(move |tx, tables| {
        let mut row = existing(tx, tables, id)?;
        if row.announced.as_deref() != Some(&event) {
            row.announced = Some(event);
            put(tx, tables, &row)?;
        }
        Ok(())
    });
    noted.await
}
