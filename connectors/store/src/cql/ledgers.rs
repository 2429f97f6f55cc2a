//! Page ledgers: the fence, the claims and the commands of a page in one row under LWT.

use super::access::Access;
use super::answer::Answer;
use super::settle::{self, LedgerHead, Verdict};
use crate::embedded::codec::damaged;
use sluice_core::{LedgerBody, PageId};
use sluice_runtime::ports::store::{Fence, Granted, LedgerRow, Predecessor, StoreError, StoreResult, Taken};

struct Stored {
    head: LedgerHead,
    owner: String,
    body: Vec<u8>,
}

type Columns = (i64, i64, i64, bool, String, Vec<u8>, Vec<u8>, Vec<u8>);

const NOBODY: Fence = Fence { epoch: 0, seq: 0, control: 0 };

async fn read(access: &Access, page: &PageId) -> StoreResult<Option<Stored>> {
    let found: Option<Columns> = access.read_one(&access.statements.ledger_read, (page.as_str(),)).await?;
    Ok(found.map(|(epoch, seq, control, is_owned, owner, nonce, former, body)| {
        let fence = Fence { epoch: epoch as u64, seq: seq as u64, control: control as u64 };
        Stored { head: LedgerHead { fence, is_owned, nonce, former }, owner, body }
    }))
}

/// The ledger; a page that has none gets one, for a row must exist before it is compared (hazard 35).
async fn read_or_create(access: &Access, page: &PageId) -> StoreResult<Stored> {
    let mut patience = access.patience();
    loop {
        if let Some(stored) = read(access, page).await? {
            return Ok(stored);
        }
        let values = (page.as_str(), LedgerBody::new().encode());
        let made = access.compare(&access.statements.ledger_create, values, &mut patience).await?;
        if made == Answer::Unknown {
            patience.wait().await?;
        }
    }
}

fn decode(page: &PageId, body: &[u8]) -> StoreResult<LedgerBody> {
    LedgerBody::decode(body).map_err(|error| damaged(format!("ledger of page {page}"), error))
}

fn fenced(page: &PageId) -> StoreError {
    StoreError::Fenced(format!("the ledger of page {page}"))
}

pub(crate) async fn take(access: &Access, page: &PageId, owner: &str) -> StoreResult<Taken> {
    let mut patience = access.patience();
    let mut stored = read_or_create(access, page).await?;
    loop {
        let body = decode(page, &stored.body)?;
        let before = stored.head.fence;
        let nonce = access.nonces.next();
        stored = loop {
            let values = (
                (before.epoch + 1) as i64,
                (before.seq + 1) as i64,
                owner,
                nonce.as_slice(),
                stored.head.nonce.as_slice(),
                page.as_str(),
                before.epoch as i64,
                before.seq as i64,
                before.control as i64,
            );
            let answer = access.compare(&access.statements.ledger_take, values, &mut patience).await?;
            let now = match answer {
                Answer::Applied => None,
                Answer::Refused | Answer::Unknown => Some(read_or_create(access, page).await?),
            };
            let verdict =
                now.as_ref().map_or(Verdict::Applied, |now| settle::take(&now.head, before, &nonce));
            match (verdict, now) {
                (Verdict::Refused, Some(now)) => {
                    patience.wait().await?;
                    break now;
                }
                (Verdict::Open, _) => patience.wait().await?,
                _ => {
                    let is_free = !stored.head.is_owned;
                    let predecessor = if is_free { Predecessor::HandedOver } else { Predecessor::MayRun };
                    let fence = Fence { epoch: before.epoch + 1, seq: before.seq + 1, ..before };
                    return Ok(Taken { fence, body, predecessor });
                }
            }
        };
    }
}

pub(crate) async fn grant(
    access: &Access,
    page: &PageId,
    fence: Fence,
    body: &LedgerBody,
) -> StoreResult<Granted> {
    let body = body.encode();
    let nonce = access.nonces.next();
    // Of the control value that was asked for, not of the present one: a command in between must be looked at.
    let next = Fence { seq: fence.seq + 1, ..fence };
    let mut patience = access.patience();
    loop {
        let values = (
            next.seq as i64,
            nonce.as_slice(),
            body.as_slice(),
            page.as_str(),
            fence.epoch as i64,
            fence.seq as i64,
            fence.control as i64,
        );
        if access.compare(&access.statements.ledger_grant, values, &mut patience).await? == Answer::Applied {
            return Ok(Granted::Yes(next));
        }
        let Some(now) = read(access, page).await? else { return Ok(Granted::No(NOBODY)) };
        match settle::owners_write(&now.head, fence, &nonce, true) {
            Verdict::Applied => return Ok(Granted::Yes(next)),
            Verdict::Refused => return Ok(Granted::No(now.head.fence)),
            Verdict::Open => patience.wait().await?,
        }
    }
}

pub(crate) async fn release(
    access: &Access,
    page: &PageId,
    fence: Fence,
    body: &LedgerBody,
) -> StoreResult<()> {
    let body = body.encode();
    let nonce = access.nonces.next();
    let mut patience = access.patience();
    loop {
        let values = (
            (fence.seq + 1) as i64,
            nonce.as_slice(),
            body.as_slice(),
            page.as_str(),
            fence.epoch as i64,
            fence.seq as i64,
        );
        if access.compare(&access.statements.ledger_release, values, &mut patience).await? == Answer::Applied
        {
            return Ok(());
        }
        let Some(now) = read(access, page).await? else { return Err(fenced(page)) };
        match settle::owners_write(&now.head, fence, &nonce, false) {
            Verdict::Applied => return Ok(()),
            Verdict::Refused => return Err(fenced(page)),
            Verdict::Open => patience.wait().await?,
        }
    }
}

pub(crate) async fn bump_control(access: &Access, page: &PageId) -> StoreResult<u64> {
    let mut patience = access.patience();
    let before = read_or_create(access, page).await?.head.fence.control;
    loop {
        let values = ((before + 1) as i64, page.as_str(), before as i64);
        let answer = access.compare(&access.statements.ledger_command, values, &mut patience).await?;
        if answer == Answer::Applied {
            return Ok(before + 1);
        }
        // Whoever raised it after the read above did so after this command's campaign was written: whoever
        // grants looks at it again, which is all that is asked for.
        let now = read_or_create(access, page).await?.head.fence.control;
        if now > before {
            return Ok(now);
        }
        patience.wait().await?;
    }
}

pub(crate) async fn get(access: &Access, page: &PageId) -> StoreResult<Option<LedgerRow>> {
    let Some(stored) = read(access, page).await? else { return Ok(None) };
    let body = decode(page, &stored.body)?;
    let owner = stored.head.is_owned.then_some(stored.owner);
    Ok(Some(LedgerRow { fence: stored.head.fence, owner, body }))
}
