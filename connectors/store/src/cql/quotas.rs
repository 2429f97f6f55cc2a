//! Quotas: what is leased of a limit above pages, in one row under LWT.

use super::access::Access;
use super::answer::Answer;
use super::settle::{self, Verdict};
use crate::embedded::codec::damaged;
use sluice_core::QuotaBody;
use sluice_runtime::ports::store::{Leased, QuotaRow, StoreError, StoreResult};

struct Stored {
    row: QuotaRow,
    writer: String,
}

async fn read(access: &Access, scope: &str) -> StoreResult<Option<Stored>> {
    let found: Option<(i64, String, Vec<u8>)> =
        access.read_one(&access.statements.quota_read, (scope,)).await?;
    let stored = |(version, writer, body): (i64, String, Vec<u8>)| {
        let body = QuotaBody::decode(&body).map_err(|error| damaged(format!("quota {scope}"), error))?;
        Ok(Stored { row: QuotaRow { version: version as u64, body }, writer })
    };
    found.map(stored).transpose()
}

pub(crate) async fn get(access: &Access, scope: &str) -> StoreResult<Option<QuotaRow>> {
    Ok(read(access, scope).await?.map(|stored| stored.row))
}

pub(crate) async fn lease(
    access: &Access,
    scope: &str,
    expected_version: u64,
    writer: &str,
    body: &QuotaBody,
) -> StoreResult<Leased> {
    let body = body.encode();
    let next = expected_version + 1;
    let mut patience = access.patience();
    let (mut was_lost, mut is_missing) = (false, expected_version == 0);
    loop {
        if is_missing {
            // A row must exist before it is compared (hazard 35). What became of this one the next read shows.
            let values = (scope, QuotaBody::new().encode());
            access.compare(&access.statements.quota_create, values, &mut patience).await?;
        }
        let values = (next as i64, writer, body.as_slice(), scope, expected_version as i64);
        match access.compare(&access.statements.quota_lease, values, &mut patience).await? {
            Answer::Applied => return Ok(Leased::Yes(next)),
            Answer::Refused => {}
            Answer::Unknown => was_lost = true,
        }
        let now = read(access, scope).await?;
        is_missing = now.is_none();
        let (version, last) = now.as_ref().map_or((0, ""), |now| (now.row.version, now.writer.as_str()));
        let row =
            || now.as_ref().map_or(QuotaRow { version: 0, body: QuotaBody::new() }, |now| now.row.clone());
        match settle::lease(version, last, expected_version, writer) {
            Verdict::Applied => return Ok(Leased::Yes(next)),
            Verdict::Refused if was_lost && version > next => {
                let reason = format!("others wrote quota {scope} since");
                return Err(StoreError::Unavailable(reason));
            }
            Verdict::Refused => return Ok(Leased::No(row())),
            Verdict::Open => patience.wait().await?,
        }
    }
}
