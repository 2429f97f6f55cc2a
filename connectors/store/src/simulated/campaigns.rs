//! Campaign rows and committed chunks.

use super::raw::{Answer, Session, TRIES_MAX, Write};
use super::tables::{CampaignCell, OperationId};
use sluice_core::{CampaignId, CampaignRow, ChunkRow, Seal};
use sluice_runtime::ports::store::{Created, ExpansionLease, StoreError, StoreResult, Transition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a change finds.
enum Found {
    Missing,
    /// This call has changed the row already.
    Done(CampaignRow),
    Row(CampaignRow, u64),
}

/// What a change makes of a row.
enum Next<T> {
    Row(Box<CampaignRow>),
    /// No change: the call ends like this.
    End(StoreResult<T>),
}

fn to<T>(row: CampaignRow) -> Next<T> {
    Next::Row(Box::new(row))
}

fn missing(id: CampaignId) -> StoreError {
    StoreError::Missing(format!("campaign {id}"))
}

fn fenced(id: CampaignId) -> StoreError {
    StoreError::Fenced(format!("campaign {id}"))
}

impl Session {
    async fn find(&self, id: CampaignId, operation: OperationId) -> StoreResult<Found> {
        self.look("campaign?", |tables| match tables.campaigns.get(&id) {
            None => Found::Missing,
            Some(cell) => match cell.done.get(&operation) {
                Some(row) => Found::Done(row.clone()),
                None => Found::Row(cell.row.clone(), cell.version),
            },
        })
        .await
    }

    /// Changes a row once: `change` says what it becomes, or how the call ends without a change.
    async fn change<T>(
        &self,
        what: &'static str,
        id: CampaignId,
        change: impl Fn(CampaignRow) -> Next<T>,
        done: impl Fn(CampaignRow) -> T,
    ) -> StoreResult<T> {
        let operation = self.next_operation();
        for _ in 0..TRIES_MAX {
            let (row, version) = match self.find(id, operation).await? {
                Found::Missing => return Err(missing(id)),
                Found::Done(row) => return Ok(done(row)),
                Found::Row(row, version) => (row, version),
            };
            let next = match change(row) {
                Next::Row(next) => *next,
                Next::End(end) => return end,
            };
            let written = next.clone();
            let write: Write = Arc::new(move |tables| {
                tables.campaigns.get_mut(&id).is_some_and(|cell| cell.replace(version, operation, &written))
            });
            match self.compare_and_set(what, write).await {
                Answer::Applied => return Ok(done(next)),
                Answer::Refused => {}
                Answer::Lost => self.gives_up(what)?,
            }
        }
        Err(StoreError::Unavailable(what.to_owned()))
    }

    pub(super) async fn create(&self, row: CampaignRow) -> StoreResult<Created> {
        let (id, operation) = (row.id, self.next_operation());
        for _ in 0..TRIES_MAX {
            match self.find(id, operation).await? {
                Found::Done(row) => return Ok(Created::New(row)),
                Found::Row(stands, _) => {
                    let names = |row: &CampaignRow| (row.launch.tenant.clone(), row.launch.campaign.clone());
                    return if names(&stands) == names(&row) {
                        Ok(Created::Existing(stands))
                    } else {
                        Err(fenced(id))
                    };
                }
                Found::Missing => {}
            }
            let new = row.clone();
            let write: Write = Arc::new(move |tables| {
                let free = !tables.campaigns.contains_key(&id);
                if free {
                    let done = BTreeMap::from([(operation, new.clone())]);
                    let cell = CampaignCell { row: new.clone(), version: 1, done, chunks: BTreeMap::new() };
                    tables.campaigns.insert(id, cell);
                }
                free
            });
            if self.compare_and_set("campaign create", write).await == Answer::Lost {
                self.gives_up("campaign create")?;
            }
        }
        Err(StoreError::Unavailable("campaign create".to_owned()))
    }

    pub(super) async fn list(&self) -> StoreResult<Vec<CampaignRow>> {
        let mut rows = self
            .look("campaigns?", |tables| {
                tables.campaigns.values().map(|cell| cell.row.clone()).collect::<Vec<CampaignRow>>()
            })
            .await?;
        rows.sort_by_key(|row| (row.created_at_ms, row.id));
        Ok(rows)
    }

    pub(super) async fn lease(&self, id: CampaignId) -> StoreResult<ExpansionLease> {
        let raise = |row: CampaignRow| to(CampaignRow { exp_epoch: row.exp_epoch + 1, ..row });
        let row = self.change("campaign lease", id, raise, |row| row).await?;
        // Read after the epoch was raised: whatever a former expander committed is in it (hazard 2).
        let chunks = self.look("chunks?", |tables| tables.chunks_of(id)).await?;
        Ok(ExpansionLease { row, chunks })
    }

    pub(super) async fn pin(&self, id: CampaignId, epoch: u32, pin: String) -> StoreResult<String> {
        let set = |row: CampaignRow| {
            if row.exp_epoch != epoch {
                return Next::End(Err(fenced(id)));
            }
            match row.source_pin {
                Some(stands) => Next::End(Ok(stands)),
                None => to(CampaignRow { source_pin: Some(pin.clone()), ..row }),
            }
        };
        self.change("campaign pin", id, set, |_| pin.clone()).await
    }

    pub(super) async fn set_seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
        let set = |row: CampaignRow| match row.seal {
            _ if row.exp_epoch != epoch => Next::End(Err(fenced(id))),
            Some(stands) if stands == seal => Next::End(Ok(())),
            Some(_) => Next::End(Err(fenced(id))),
            None => to(CampaignRow { seal: Some(seal), ..row }),
        };
        self.change("campaign seal", id, set, |_| ()).await
    }

    pub(super) async fn commit(&self, epoch: u32, row: ChunkRow) -> StoreResult<()> {
        let (id, number) = (row.id.campaign(), row.id.number());
        for _ in 0..TRIES_MAX {
            let stands = self
                .look("chunk?", |tables| {
                    let cell = tables.campaigns.get(&id)?;
                    Some((cell.row.exp_epoch, cell.chunks.get(&number).cloned()))
                })
                .await?;
            match stands {
                None => return Err(missing(id)),
                // By this call or by one before.
                Some((_, Some(stands))) if stands == row => return Ok(()),
                Some((now, stands)) if now != epoch || stands.is_some() => return Err(fenced(id)),
                Some(_) => {}
            }
            let new = row.clone();
            let write: Write = Arc::new(move |tables| {
                let Some(cell) = tables.campaigns.get_mut(&id) else { return false };
                let free = cell.row.exp_epoch == epoch && !cell.chunks.contains_key(&number);
                if free {
                    cell.chunks.insert(number, new.clone());
                }
                free
            });
            match self.compare_and_set("chunk commit", write).await {
                Answer::Applied => return Ok(()),
                Answer::Refused => {}
                Answer::Lost => self.gives_up("chunk commit")?,
            }
        }
        Err(StoreError::Unavailable("chunk commit".to_owned()))
    }

    pub(super) async fn step(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>> {
        let take = |row: CampaignRow| row.after(&step).map_or(Next::End(Ok(None)), to);
        self.change("campaign step", id, take, Some).await
    }

    pub(super) async fn announce(&self, id: CampaignId, event_id: String) -> StoreResult<()> {
        let set = |row: CampaignRow| {
            // The event of a state that is over says nothing about the present one.
            if row.event_id() != event_id || row.announced.as_ref() == Some(&event_id) {
                return Next::End(Ok(()));
            }
            to(CampaignRow { announced: Some(event_id.clone()), ..row })
        };
        self.change("campaign announced", id, set, |_| ()).await
    }
}
