//! Quotas.

use super::raw::{Answer, Session, TRIES_MAX};
use super::tables::QuotaCell;
use sluice_core::QuotaBody;
use sluice_runtime::ports::store::{Leased, QuotaRow, StoreError, StoreResult};
use std::sync::Arc;

impl Session {
    pub(super) async fn lease_quota(
        &self,
        scope: &str,
        expected_version: u64,
        writer: &str,
        body: &QuotaBody,
    ) -> StoreResult<Leased> {
        let next = expected_version + 1;
        let mut was_lost = false;
        for _ in 0..TRIES_MAX {
            let (target, name, mine) = (scope.to_owned(), writer.to_owned(), body.clone());
            let answer = self
                .compare_and_set(
                    "quota lease",
                    Arc::new(move |tables| {
                        let version = tables.quotas.get(&target).map_or(0, |cell| cell.row.version);
                        let same = version == expected_version;
                        if same {
                            let row = QuotaRow { version: next, body: mine.clone() };
                            tables.quotas.insert(target.clone(), QuotaCell { row, writer: name.clone() });
                        }
                        same
                    }),
                )
                .await;
            if answer == Answer::Applied {
                return Ok(Leased::Yes(next));
            }
            if answer == Answer::Lost {
                was_lost = true;
                self.gives_up("quota lease")?;
            }
            let found = self.look("quota?", |tables| {
                let cell = tables.quotas.get(scope)?;
                Some((cell.row.clone(), cell.writer.clone()))
            });
            let (row, last) =
                found.await?.unwrap_or((QuotaRow { version: 0, body: QuotaBody::new() }, String::new()));
            if row.version == next && last == writer {
                return Ok(Leased::Yes(next));
            }
            if row.version > next && was_lost {
                return Err(StoreError::Unavailable("quota lease: others wrote since".to_owned()));
            }
            if row.version != expected_version {
                return Ok(Leased::No(row));
            }
        }
        Err(StoreError::Unavailable("quota lease".to_owned()))
    }
}
