//! Page ledgers.
//!
//! ```text
//! row = format u8 | epoch u64 LE | seq u64 LE | control u64 LE | owner length + 1, 0 for none | owner | body
//! ```

use super::codec::{FORMAT, damaged, open, put_number, take_bytes, take_number};
use super::tables::{Access, Tables, storage};
use sluice_core::{LedgerBody, PageId};
use sluice_engine::Tx;
use sluice_runtime::ports::store::{Fence, Granted, LedgerRow, Predecessor, StoreError, StoreResult, Taken};
use std::sync::PoisonError;

/// A stored ledger whose body was not looked at: most writes replace it.
struct Stored {
    fence: Fence,
    owner: Option<String>,
    body: Vec<u8>,
}

impl Stored {
    /// Of a page that nobody took yet.
    fn fresh() -> Self {
        let body = LedgerBody::new().encode();
        Self { fence: Fence { epoch: 0, seq: 0, control: 0 }, owner: None, body }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        for number in [self.fence.epoch, self.fence.seq, self.fence.control] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        put_number(&mut out, self.owner.as_ref().map_or(0, |owner| owner.len() as u64 + 1));
        out.extend_from_slice(self.owner.as_deref().unwrap_or_default().as_bytes());
        out.extend_from_slice(&self.body);
        out
    }

    fn decode(page: &PageId, bytes: &[u8]) -> StoreResult<Self> {
        let what = format!("ledger of page {page}");
        let cut = || damaged(&what, "cut short");
        let mut rest = open(&what, bytes)?;
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
            rest = after;
            Ok(u64::from_le_bytes(*number))
        };
        let fence = Fence { epoch: number()?, seq: number()?, control: number()? };
        let owner = match take_number(&mut rest).ok_or_else(cut)? {
            0 => None,
            length => {
                let owner = take_bytes(&mut rest, length - 1).ok_or_else(cut)?;
                Some(String::from_utf8(owner.to_vec()).map_err(|error| damaged(&what, error))?)
            }
        };
        Ok(Self { fence, owner, body: rest.to_vec() })
    }

    fn body(&self, page: &PageId) -> StoreResult<LedgerBody> {
        LedgerBody::decode(&self.body).map_err(|error| damaged(format!("ledger of page {page}"), error))
    }
}

fn read(tx: &Tx, tables: &Tables, page: &PageId) -> StoreResult<Stored> {
    let bytes = tx.get(&tables.ledgers, page.as_str().as_bytes()).map_err(storage)?;
    bytes.map_or_else(|| Ok(Stored::fresh()), |bytes| Stored::decode(page, &bytes))
}

fn put(tx: &mut Tx, tables: &Tables, page: &PageId, row: &Stored) {
    tx.insert(&tables.ledgers, page.as_str().as_bytes(), row.encode());
}

pub(crate) async fn take(access: &Access, page: PageId, owner: String) -> StoreResult<Taken> {
    let taken = access.write(move |tx, tables| {
        let mut row = read(tx, tables, &page)?;
        let body = row.body(&page)?;
        let mut here = tables.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let predecessor = match &row.owner {
            None => Predecessor::HandedOver,
            Some(former) if here.contains(former) => Predecessor::MayRun,
            Some(_) => Predecessor::Gone,
        };
        here.insert(owner.clone());
        drop(here);
        row.fence.epoch += 1;
        row.fence.seq += 1;
        row.owner = Some(owner);
        put(tx, tables, &page, &row);
        Ok(Taken { fence: row.fence, body, predecessor })
    });
    taken.await
}

pub(crate) async fn grant(
    access: &Access,
    page: PageId,
    fence: Fence,
    body: Vec<u8>,
) -> StoreResult<Granted> {
    let granted = access.write(move |tx, tables| {
        let mut row = read(tx, tables, &page)?;
        if row.fence != fence || row.owner.is_none() {
            return Ok(Granted::No(row.fence));
        }
        row.fence.seq += 1;
        row.body = body;
        put(tx, tables, &page, &row);
        Ok(Granted::Yes(row.fence))
    });
    granted.await
}

pub(crate) async fn release(access: &Access, page: PageId, fence: Fence, body: Vec<u8>) -> StoreResult<()> {
    let released = access.write(move |tx, tables| {
        let mut row = read(tx, tables, &page)?;
        // A command in between does not matter: giving back is right whatever it says.
        if (row.fence.epoch, row.fence.seq) != (fence.epoch, fence.seq) || row.owner.is_none() {
            return Err(StoreError::Fenced(format!("the ledger of page {page}")));
        }
        row.fence.seq += 1;
        row.owner = None;
        row.body = body;
        put(tx, tables, &page, &row);
        Ok(())
    });
    released.await
}

pub(crate) async fn bump_control(access: &Access, page: PageId) -> StoreResult<u64> {
    let bumped = access.write(move |tx, tables| {
        let mut row = read(tx, tables, &page)?;
        row.fence.control += 1;
        put(tx, tables, &page, &row);
        Ok(row.fence.control)
    });
    bumped.await
}

pub(crate) fn get(access: &Access, page: &PageId) -> StoreResult<Option<LedgerRow>> {
    let Some(bytes) = access.tables.ledgers.get(page.as_str().as_bytes()).map_err(storage)? else {
        return Ok(None);
    };
    let row = Stored::decode(page, &bytes)?;
    let body = row.body(page)?;
    Ok(Some(LedgerRow { fence: row.fence, owner: row.owner, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_comes_back_and_a_damaged_one_is_named() {
        let page = PageId::from("page-1");
        for owner in [None, Some(String::new()), Some("host-1 ü".to_owned())] {
            let fence = Fence { epoch: 1, seq: 2, control: u64::MAX };
            let bytes = Stored { owner: owner.clone(), fence, ..Stored::fresh() }.encode();
            let back = Stored::decode(&page, &bytes).unwrap();
            assert_eq!((back.fence, back.owner), (fence, owner));
            assert_eq!(back.body, LedgerBody::new().encode());
            for length in 0..bytes.len() - 1 {
                let damaged = Stored::decode(&page, &bytes[..length]);
                let named = |error: &StoreError| error.to_string().contains("ledger of page page-1");
                assert!(damaged.as_ref().err().is_some_and(named), "{length}");
            }
        }
    }
}
