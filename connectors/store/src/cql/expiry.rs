//! Early facts by the hour of their receipt, and how those that found no send in time are given up.
//!
//! The hours that were ever written to are a short list. Each note changes its hour's mark, after the entry:
//! an hour that was found empty is looked at again only under another mark. Hours leave the list a week after
//! the webhooks that could still name them are gone from the log.

use super::access::{Access, all};
use super::correlation::Place;
use crate::embedded::codec::damaged;
use crate::embedded::correlation::decode_fact;
use crate::embedded::keys;
use sluice_runtime::ports::store::{CorrelationKey, EarlyFact, StoreResult};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

const HOUR_MS: i64 = 3_600_000;

/// Longer than `webhooks.raw` is kept and a backlog of it may take.
const LISTED_MS: i64 = 14 * 24 * HOUR_MS;

/// Entries read at once.
const ENTRIES_PER_READ: usize = 256;

/// After so many rounds everything is looked at again, whatever is remembered.
const ROUNDS: u32 = 200;

fn hour(received_ms: i64) -> i64 {
    received_ms.div_euclid(HOUR_MS)
}

/// Hours that were found empty, with the mark they had before.
#[derive(Debug, Default)]
pub(crate) struct EmptyHours(Mutex<(BTreeMap<i64, Vec<u8>>, u32)>);

impl EmptyHours {
    fn begin_round(&self) -> BTreeMap<i64, Vec<u8>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.1 += 1;
        if known.1 >= ROUNDS {
            *known = Default::default();
        }
        known.0.clone()
    }

    fn found(&self, hour: i64, mark: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.insert(hour, mark);
    }

    fn forget(&self, hour: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.remove(&hour);
    }
}

/// Enters facts that expire.
pub(crate) async fn note(access: &Access, places: Vec<Place>) -> StoreResult<()> {
    let hours: BTreeSet<i64> = places.iter().map(|place| hour(place.received)).collect();
    let entries = places.into_iter().map(|place| async move {
        let values =
            (hour(place.received), place.received, place.key, place.digest, access.correlation_ttl_s);
        access.write(&access.statements.by_hour_note, values).await
    });
    all(access.reads, entries).await?;
    let marks = hours.into_iter().map(|hour| async move {
        let mark = access.nonces.next();
        access.write(&access.statements.hour_note, (hour, mark.as_slice())).await
    });
    all(access.reads, marks).await.map(drop)
}

/// Removes what is older than `before_ms`, oldest first, and gives at most `limit` that found no send.
pub(crate) async fn expire(
    access: &Access,
    empty: &EmptyHours,
    before_ms: i64,
    limit: usize,
) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
    let known = empty.begin_round();
    let listed = access.read_all::<(i64, Vec<u8>)>(&access.statements.hour_list, ()).await?;
    let mut expired = Vec::new();
    for (hour, mark) in listed {
        if hour * HOUR_MS >= before_ms || expired.len() >= limit {
            break;
        }
        if known.get(&hour) == Some(&mark) {
            continue;
        }
        let is_empty = match expire_hour(access, hour, before_ms, limit, &mut expired).await {
            Ok(is_empty) => is_empty,
            // What was removed already has to be handed out; the rest is found again.
            Err(error) if !expired.is_empty() => {
                tracing::debug!(%error, "the other early facts expire later");
                break;
            }
            Err(error) => return Err(error),
        };
        let is_past = (hour + 1) * HOUR_MS <= before_ms;
        if !is_empty || !is_past {
            continue;
        }
        if (hour + 1) * HOUR_MS <= before_ms - LISTED_MS {
            // If it stays, the next round removes it.
            let _stays = access.write(&access.statements.hour_remove, (hour,)).await;
            empty.forget(hour);
        } else {
            empty.found(hour, mark);
        }
    }
    Ok(expired)
}

/// Works an hour off up to the limit; whether nothing older than the time is left.
async fn expire_hour(
    access: &Access,
    hour: i64,
    before_ms: i64,
    limit: usize,
    expired: &mut Vec<(CorrelationKey, EarlyFact)>,
) -> StoreResult<bool> {
    loop {
        let count = (limit - expired.len()).min(ENTRIES_PER_READ);
        if count == 0 {
            return Ok(false);
        }
        let list = &access.statements.by_hour_list;
        let entries = access.read_all::<(i64, Vec<u8>, i64)>(list, (hour, before_ms, count as i32)).await?;
        let is_last = entries.len() < count;
        let places = entries.into_iter().map(|(received, key, digest)| Place { key, received, digest });
        let places: Vec<Place> = places.collect();
        // All is read before anything is removed: what can't be read is not lost.
        let mut found =
            all(access.reads, places.iter().cloned().map(|place| unmatched(access, place))).await?;
        found.sort_by_key(|found| found.as_ref().map(|(_, fact)| fact.received_at_ms));
        expired.extend(found.into_iter().flatten());
        all(access.reads, places.into_iter().map(|place| remove(access, hour, place))).await?;
        if is_last {
            return Ok(true);
        }
    }
}

/// The fact, if it is still there and no send was noted for it.
async fn unmatched(access: &Access, place: Place) -> StoreResult<Option<(CorrelationKey, EarlyFact)>> {
    let statements = &access.statements;
    let Place { key, received, digest } = &place;
    let correlation = keys::correlation_of(&mut key.as_slice())
        .ok_or_else(|| damaged("early fact", "its key has another form"))?;
    let fact: Option<(Vec<u8>,)> = access.read_one(&statements.fact_read, (key, received, digest)).await?;
    let Some((fact,)) = fact else { return Ok(None) };
    let send: Option<(i64,)> = access.read_one(&statements.send_any, (key,)).await?;
    if send.is_some() {
        return Ok(None);
    }
    Ok(Some((correlation, decode_fact(&fact)?)))
}

/// Removes the fact, then its entry: an entry without its fact is harmless.
async fn remove(access: &Access, hour: i64, place: Place) -> StoreResult<()> {
    let statements = &access.statements;
    let Place { key, received, digest } = &place;
    access.write(&statements.fact_remove, (key, received, digest)).await?;
    access.write(&statements.by_hour_remove, (hour, received, key, digest)).await
}
