//! Page ledgers.

use super::raw::{Answer, Session, TRIES_MAX};
use super::tables::{LedgerCell, Tables};
use sluice_core::{LedgerBody, PageId};
use sluice_runtime::ports::store::{Fence, Granted, LedgerRow, Predecessor, StoreError, StoreResult, Taken};
use std::sync::Arc;

fn untouched() -> LedgerRow {
    LedgerRow { fence: Fence { epoch: 0, seq: 0, control: 0 }, owner: None, body: LedgerBody::new() }
}

/// The row, made where there is none: a condition on a missing row is a trap (hazard 35).
fn cell<'a>(tables: &'a mut Tables, page: &PageId) -> &'a mut LedgerCell {
    tables.ledgers.entry(page.clone()).or_insert_with(|| LedgerCell { row: untouched(), taken_by: 0 })
}

impl Session {
    async fn look_ledger(&self, page: &PageId) -> StoreResult<(LedgerRow, u64)> {
        self.look("ledger?", |tables| {
            tables
                .ledgers
                .get(page)
                .map_or_else(|| (untouched(), 0), |cell| (cell.row.clone(), cell.taken_by))
        })
        .await
    }

    pub(super) async fn take_page(&self, page: &PageId, owner: &str) -> StoreResult<Taken> {
        let operation = self.next_operation();
        let mut former = None;
        for _ in 0..TRIES_MAX {
            let (row, taken_by) = self.look_ledger(page).await?;
            if taken_by == operation {
                let predecessor =
                    if former.is_none() { Predecessor::HandedOver } else { Predecessor::MayRun };
                return Ok(Taken { fence: row.fence, body: row.body, predecessor });
            }
            former = row.owner;
            let (target, name, epoch) = (page.clone(), owner.to_owned(), row.fence.epoch);
            let handed_over = former.is_none();
            let answer = self
                .compare_and_set(
                    "ledger take",
                    Arc::new(move |tables| {
                        let cell = cell(tables, &target);
                        // The owner is compared too: whether it handed over is part of the answer.
                        let same = cell.row.fence.epoch == epoch && cell.row.owner.is_none() == handed_over;
                        if same {
                            cell.row.fence.epoch += 1;
                            cell.row.owner = Some(name.clone());
                            cell.taken_by = operation;
                        }
                        same
                    }),
                )
                .await;
            if answer == Answer::Lost {
                self.gives_up("ledger take")?;
            }
        }
        Err(StoreError::Unavailable("ledger take".to_owned()))
    }

    pub(super) async fn grant_page(
        &self,
        page: &PageId,
        fence: Fence,
        body: &LedgerBody,
    ) -> StoreResult<Granted> {
        let next = Fence { seq: fence.seq + 1, ..fence };
        for _ in 0..TRIES_MAX {
            let (target, mine) = (page.clone(), body.clone());
            let answer = self
                .compare_and_set(
                    "ledger grant",
                    Arc::new(move |tables| {
                        let cell = cell(tables, &target);
                        let same = cell.row.fence == fence && cell.row.owner.is_some();
                        if same {
                            cell.row.fence.seq += 1;
                            cell.row.body = mine.clone();
                        }
                        same
                    }),
                )
                .await;
            if answer == Answer::Applied {
                return Ok(Granted::Yes(next));
            }
            if answer == Answer::Lost {
                self.gives_up("ledger grant")?;
            }
            let (row, _) = self.look_ledger(page).await?;
            // The owner alone raises seq under its epoch: at n + 1 with these bytes it was this grant, in this
            // call or in one before whose answer was lost. A command may have come after it.
            let at = (row.fence.epoch, row.fence.seq);
            if at == (next.epoch, next.seq) && row.owner.is_some() && row.body == *body {
                return Ok(Granted::Yes(next));
            }
            if row.fence != fence || row.owner.is_none() {
                return Ok(Granted::No(row.fence));
            }
        }
        Err(StoreError::Unavailable("ledger grant".to_owned()))
    }

    pub(super) async fn release_page(
        &self,
        page: &PageId,
        fence: Fence,
        body: &LedgerBody,
    ) -> StoreResult<()> {
        for _ in 0..TRIES_MAX {
            let (target, mine) = (page.clone(), body.clone());
            let answer = self
                .compare_and_set(
                    "ledger release",
                    Arc::new(move |tables| {
                        let cell = cell(tables, &target);
                        let held = cell.row.fence.epoch == fence.epoch && cell.row.fence.seq == fence.seq;
                        let same = held && cell.row.owner.is_some();
                        if same {
                            cell.row.fence.seq += 1;
                            cell.row.owner = None;
                            cell.row.body = mine.clone();
                        }
                        same
                    }),
                )
                .await;
            if answer == Answer::Applied {
                return Ok(());
            }
            if answer == Answer::Lost {
                self.gives_up("ledger release")?;
            }
            let (row, _) = self.look_ledger(page).await?;
            let at = (row.fence.epoch, row.fence.seq);
            if at == (fence.epoch, fence.seq + 1) && row.owner.is_none() && row.body == *body {
                return Ok(());
            }
            if at != (fence.epoch, fence.seq) || row.owner.is_none() {
                return Err(StoreError::Fenced(format!("page {page}")));
            }
        }
        Err(StoreError::Unavailable("ledger release".to_owned()))
    }

    pub(super) async fn bump(&self, page: &PageId) -> StoreResult<u64> {
        for _ in 0..TRIES_MAX {
            let (row, _) = self.look_ledger(page).await?;
            let (target, control) = (page.clone(), row.fence.control);
            let answer = self
                .compare_and_set(
                    "ledger control",
                    Arc::new(move |tables| {
                        let cell = cell(tables, &target);
                        let same = cell.row.fence.control == control;
                        if same {
                            cell.row.fence.control += 1;
                        }
                        same
                    }),
                )
                .await;
            match answer {
                Answer::Applied => return Ok(control + 1),
                Answer::Refused => {}
                Answer::Lost => self.gives_up("ledger control")?,
            }
            // Not settled: raised once more. Twice is as good as once, and a value that grew since the call
            // began, whoever raised it, would do too.
        }
        Err(StoreError::Unavailable("ledger control".to_owned()))
    }
}
