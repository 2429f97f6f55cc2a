//! Quotas.
//!
//! ```text
//! row = format u8 | version u64 LE | writer length | writer | body
//! ```

use super::codec::{FORMAT, damaged, open, put_number, take_bytes, take_number};
use super::tables::{Access, storage};
use sluice_core::QuotaBody;
use sluice_runtime::ports::store::{Leased, QuotaRow, StoreResult};

/// A stored quota.
struct Stored {
    row: QuotaRow,
    /// Names the last write.
    writer: String,
}

fn encode(version: u64, writer: &str, body: &[u8]) -> Vec<u8> {
    let mut out = vec![FORMAT];
    out.extend_from_slice(&version.to_le_bytes());
    put_number(&mut out, writer.len() as u64);
    out.extend_from_slice(writer.as_bytes());
    out.extend_from_slice(body);
    out
}

fn decode(scope: &str, bytes: &[u8]) -> StoreResult<Stored> {
    let what = format!("quota {scope}");
    let cut = || damaged(&what, "cut short");
    let (version, mut rest) = open(&what, bytes)?.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = take_number(&mut rest).ok_or_else(cut)?;
    let writer = take_bytes(&mut rest, length).ok_or_else(cut)?;
    let writer = String::from_utf8(writer.to_vec()).map_err(|error| damaged(&what, error))?;
    let body = QuotaBody::decode(rest).map_err(|error| damaged(&what, error))?;
    Ok(Stored { row: QuotaRow { version: u64::from_le_bytes(*version), body }, writer })
}

pub(crate) fn get(access: &Access, scope: &str) -> StoreResult<Option<QuotaRow>> {
    let bytes = access.tables.quotas.get(scope.as_bytes()).map_err(storage)?;
    bytes.map(|bytes| Ok(decode(scope, &bytes)?.row)).transpose()
}

pub(crate) async fn lease(
    access: &Access,
    scope: String,
    expected_version: u64,
    writer: String,
    body: Vec<u8>,
) -> StoreResult<Leased> {
    let leased = access.write(move |tx, tables| {
        let bytes = tx.get(&tables.quotas, scope.as_bytes()).map_err(storage)?;
        let stored = match bytes {
            Some(bytes) => decode(&scope, &bytes)?,
            None => Stored { row: QuotaRow { version: 0, body: QuotaBody::new() }, writer: String::new() },
        };
        let next = expected_version + 1;
        if stored.row.version == expected_version {
            tx.insert(&tables.quotas, scope.as_bytes(), encode(next, &writer, &body));
            return Ok(Leased::Yes(next));
        }
        // The same write again: its answer did not get through.
        let is_mine = stored.row.version == next && stored.writer == writer;
        Ok(if is_mine { Leased::Yes(next) } else { Leased::No(stored.row) })
    });
    leased.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_comes_back_and_a_damaged_one_is_named() {
        for writer in ["", "host-1 ü/7"] {
            let bytes = encode(u64::MAX, writer, &QuotaBody::new().encode());
            let stored = decode("acme", &bytes).unwrap();
            assert_eq!((stored.row.version, stored.writer.as_str()), (u64::MAX, writer));
            assert_eq!(stored.row.body, QuotaBody::new());
            for length in 0..bytes.len() - 3 {
                let damaged = decode("acme", &bytes[..length]);
                assert!(
                    damaged.err().is_some_and(|error| error.to_string().contains("quota acme")),
                    "{length}"
                );
            }
        }
    }
}
