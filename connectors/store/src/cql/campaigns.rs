//! Campaign rows: one history, by compare-and-set on a version.

use super::access::Access;
use super::answer::Answer;
use super::settle::{Nonce, history};
use super::{committed, open};
use crate::embedded::codec::{from_json, json};
use sluice_core::{CampaignId, CampaignRow, Seal};
use sluice_runtime::ports::store::{Created, ExpansionLease, StoreError, StoreResult, Transition};

/// Of the campaign's own row; its chunks have theirs from 0.
const OWN_ROW: i32 = -1;

pub(crate) fn name(id: CampaignId) -> String {
    format!("campaign {id}")
}

/// A campaign as it is stored.
struct Stored {
    version: i64,
    nonces: Vec<u8>,
    row: CampaignRow,
}

async fn read(access: &Access, id: CampaignId) -> StoreResult<Option<Stored>> {
    let statement = &access.statements.campaign_read;
    let found: Option<(i64, Vec<u8>, Vec<u8>)> = access.read_one(statement, (id.0,)).await?;
    let stored = found
        .map(|(version, nonces, body)| Ok(Stored { version, nonces, row: from_json(&name(id), &body)? }));
    stored.transpose()
}

async fn existing(access: &Access, id: CampaignId) -> StoreResult<Stored> {
    read(access, id).await?.ok_or_else(|| StoreError::Missing(name(id)))
}

pub(crate) async fn get(access: &Access, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
    Ok(read(access, id).await?.map(|stored| stored.row))
}

pub(crate) async fn list(access: &Access) -> StoreResult<Vec<CampaignRow>> {
    let found = access.read_all::<(i32, Vec<u8>)>(&access.statements.campaign_list, ()).await?;
    let own = found.iter().filter(|(number, _)| *number == OWN_ROW);
    let mut rows =
        own.map(|(_, body)| from_json::<CampaignRow>("campaign", body)).collect::<StoreResult<Vec<_>>>()?;
    rows.sort_by_key(|row| (row.created_at_ms, row.id));
    Ok(rows)
}

pub(crate) async fn create(access: &Access, row: CampaignRow) -> StoreResult<Created> {
    let body = json(&name(row.id), &row)?;
    let nonce = access.nonces.next();
    let mut patience = access.patience();
    // Before the row, so that nobody can find the one without the other.
    open::note(access, row.id, row.run).await?;
    loop {
        let values = (row.id.0, i64::from(row.exp_epoch), nonce.as_slice(), body.as_slice());
        if access.compare(&access.statements.campaign_create, values, &mut patience).await? == Answer::Applied
        {
            return Ok(Created::New(row));
        }
        if let Some(present) = read(access, row.id).await? {
            return created(row, present, &nonce);
        }
        patience.wait().await?;
    }
}

fn created(row: CampaignRow, present: Stored, nonce: &Nonce) -> StoreResult<Created> {
    if history::has(&present.nonces, nonce) {
        return Ok(Created::New(row));
    }
    let same = (&present.row.launch.tenant, &present.row.launch.campaign)
        == (&row.launch.tenant, &row.launch.campaign);
    if !same {
        return Err(StoreError::Fenced(format!("id {} of campaign {}", row.id, row.launch.campaign)));
    }
    Ok(Created::Existing(present.row))
}

/// What is to be done with a campaign that was read.
enum Change<T> {
    /// Nothing.
    Keep(T),
    /// This row instead of it.
    Put(Box<CampaignRow>, T),
}

/// Changes the campaign as `decide` says about what stands there when the change is made.
async fn change<T>(
    access: &Access,
    id: CampaignId,
    decide: impl Fn(CampaignRow) -> StoreResult<Change<T>>,
) -> StoreResult<T> {
    let mut patience = access.patience();
    let mut stored = existing(access, id).await?;
    loop {
        let (row, answer) = match decide(stored.row)? {
            Change::Keep(answer) => return Ok(answer),
            Change::Put(row, answer) => (row, answer),
        };
        let nonce = access.nonces.next();
        let body = json(&name(id), &row)?;
        let nonces = history::with(nonce, &stored.nonces);
        let version = stored.version;
        stored = loop {
            let values =
                (version + 1, i64::from(row.exp_epoch), nonces.as_slice(), body.as_slice(), id.0, version);
            let made = access.compare(&access.statements.campaign_change, values, &mut patience).await?;
            if made == Answer::Applied {
                return Ok(answer);
            }
            let now = existing(access, id).await?;
            if history::has(&now.nonces, &nonce) {
                return Ok(answer);
            }
            patience.wait().await?;
            if now.version != version {
                break now;
            }
            // Nobody wrote: what hangs in the network is this very write, and asking again is the same one.
        };
    }
}

/// The row, if `epoch` is still the one that expands.
fn under_epoch(row: CampaignRow, epoch: u32) -> StoreResult<CampaignRow> {
    if row.exp_epoch != epoch {
        return Err(committed::fenced(row.id));
    }
    Ok(row)
}

pub(crate) async fn lease(access: &Access, id: CampaignId) -> StoreResult<ExpansionLease> {
    let raise = |mut row: CampaignRow| {
        row.exp_epoch += 1;
        Ok(Change::Put(Box::new(row.clone()), row))
    };
    let row = change(access, id, raise).await?;
    // After the epoch: nobody of before commits another one now (hazard 2).
    let chunks = committed::list(access, id).await?;
    Ok(ExpansionLease { row, chunks })
}

pub(crate) async fn pin(access: &Access, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String> {
    let bind = |row| {
        let mut row = under_epoch(row, epoch)?;
        if let Some(first) = row.source_pin {
            return Ok(Change::Keep(first));
        }
        row.source_pin = Some(pin.to_owned());
        Ok(Change::Put(Box::new(row), pin.to_owned()))
    };
    change(access, id, bind).await
}

pub(crate) async fn seal(access: &Access, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
    let close = |row| {
        let mut row = under_epoch(row, epoch)?;
        match row.seal {
            Some(first) if first == seal => Ok(Change::Keep(())),
            Some(_) => Err(StoreError::Fenced(format!("the seal of campaign {id}"))),
            None => {
                row.seal = Some(seal);
                Ok(Change::Put(Box::new(row), ()))
            }
        }
    };
    change(access, id, close).await
}

pub(crate) async fn transition(
    access: &Access,
    id: CampaignId,
    step: Transition,
) -> StoreResult<Option<CampaignRow>> {
    if step.is_new_run() {
        let present = existing(access, id).await?.row;
        if (present.state, present.run) != (step.from, step.run) {
            return Ok(None);
        }
        open::note(access, id, step.run + 1).await?;
    }
    let take = |row: CampaignRow| {
        let Some(row) = row.after(&step) else { return Ok(Change::Keep(None)) };
        Ok(Change::Put(Box::new(row.clone()), Some(row)))
    };
    change(access, id, take).await
}

pub(crate) async fn announced(access: &Access, id: CampaignId, event: &str) -> StoreResult<()> {
    let tell = |mut row: CampaignRow| {
        if row.announced.as_deref() == Some(event) {
            return Ok(Change::Keep(row));
        }
        row.announced = Some(event.to_owned());
        Ok(Change::Put(Box::new(row.clone()), row))
    };
    let row = change(access, id, tell).await?;
    if !row.is_unfinished() {
        open::forget(access, id, row.run).await;
    }
    Ok(())
}
