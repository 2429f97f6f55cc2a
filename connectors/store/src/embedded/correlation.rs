//! Sends by what webhooks name them by, and facts that came before their sends.
//!
//! Both sides store, then look (hazard 19): a write is durable and visible when it returns, so of two that
//! cross at least one sees the other.

use super::codec::{FORMAT, damaged, from_json, json};
use super::keys;
use super::tables::{Access, Tables, storage};
use serde::{Deserialize, Serialize};
use sluice_engine::Tx;
use sluice_runtime::ports::store::{CorrelatedSend, CorrelationKey, EarlyFact, StoreResult};
use sluice_schemas::Fact;
use std::ops::Bound;

/// The stored form of an early fact.
#[derive(Serialize, Deserialize)]
struct StoredFact {
    fact: Fact,
    at_ms: i64,
    reason: Option<String>,
    message: Option<String>,
    received_at_ms: i64,
}

const WHAT: &str = "early fact";

/// Facts looked at in one write when they expire.
const EXPIRED_PER_WRITE: usize = 256;

pub(crate) async fn correlate(
    access: &Access,
    sends: Vec<(CorrelationKey, CorrelatedSend)>,
) -> StoreResult<()> {
    let rows: Vec<Vec<u8>> = sends
        .into_iter()
        .map(|(key, send)| {
            let mut row = keys::correlation(&key);
            row.extend_from_slice(&keys::time(send.sent_at_ms));
            row.extend_from_slice(&keys::send(send.send, send.attempt));
            row
        })
        .collect();
    let noted = access.write(move |tx, tables| {
        rows.into_iter().for_each(|row| tx.insert(&tables.sends, row, [FORMAT]));
        Ok(())
    });
    noted.await
}

pub(crate) fn correlated(access: &Access, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
    let prefix = keys::correlation(key);
    let pairs = access.engine.snapshot().prefix(&access.tables.sends, &prefix);
    pairs.map(|pair| decode_send(&pair.map_err(storage)?.0, prefix.len())).collect()
}

fn decode_send(key: &[u8], prefix: usize) -> StoreResult<CorrelatedSend> {
    let read = || {
        let (time, send) = key.get(prefix..)?.split_first_chunk::<8>()?;
        let (send, attempt) = keys::send_of(send.try_into().ok()?)?;
        Some(CorrelatedSend { send, attempt, sent_at_ms: keys::time_of(*time) })
    };
    read().ok_or_else(|| damaged("correlated send", "its key has another form"))
}

pub(crate) async fn note_facts(access: &Access, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
    let rows =
        facts.into_iter().map(|(key, fact)| FactRow::new(&key, fact)).collect::<StoreResult<Vec<_>>>()?;
    let noted = access.write(move |tx, tables| {
        for row in rows {
            if row.expires {
                tx.insert(&tables.facts_by_time, row.by_time(), [FORMAT]);
            }
            tx.insert(&tables.facts, row.by_key(), row.value);
        }
        Ok(())
    });
    noted.await
}

/// An early fact in its stored form. The same fact noted twice is one row.
struct FactRow {
    key: Vec<u8>,
    time: [u8; 8],
    digest: [u8; 8],
    value: Vec<u8>,
    /// A watermark stays: it is about sends of the future, too.
    expires: bool,
}

impl FactRow {
    fn new(key: &CorrelationKey, fact: EarlyFact) -> StoreResult<Self> {
        let time = keys::time(fact.received_at_ms);
        let value = encode_fact(fact)?;
        Ok(Self {
            key: keys::correlation(key),
            time,
            digest: xxhash_rust::xxh3::xxh3_64(&value).to_be_bytes(),
            value,
            expires: matches!(key, CorrelationKey::Message(..)),
        })
    }

    fn by_key(&self) -> Vec<u8> {
        [self.key.as_slice(), &self.time, &self.digest].concat()
    }

    fn by_time(&self) -> Vec<u8> {
        [self.time.as_slice(), &self.key, &self.digest].concat()
    }
}

pub(crate) fn encode_fact(fact: EarlyFact) -> StoreResult<Vec<u8>> {
    let EarlyFact { fact, at_ms, reason, message, received_at_ms } = fact;
    json(WHAT, &StoredFact { fact, at_ms, reason, message, received_at_ms })
}

pub(crate) fn decode_fact(bytes: &[u8]) -> StoreResult<EarlyFact> {
    let StoredFact { fact, at_ms, reason, message, received_at_ms } = from_json(WHAT, bytes)?;
    Ok(EarlyFact { fact, at_ms, reason, message, received_at_ms })
}

pub(crate) fn noted(access: &Access, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
    let pairs = access.engine.snapshot().prefix(&access.tables.facts, &keys::correlation(key));
    pairs.map(|pair| decode_fact(&pair.map_err(storage)?.1)).collect()
}

pub(crate) async fn expire(
    access: &Access,
    before_ms: i64,
    limit: usize,
) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
    let mut expired = Vec::new();
    while expired.len() < limit {
        let count = (limit - expired.len()).min(EXPIRED_PER_WRITE);
        let part = access.write(move |tx, tables| expire_some(tx, tables, before_ms, count)).await?;
        expired.extend(part.unmatched);
        if part.is_last {
            break;
        }
    }
    Ok(expired)
}

struct Expired {
    unmatched: Vec<(CorrelationKey, EarlyFact)>,
    /// Nothing older than the time is left.
    is_last: bool,
}

/// Removes the `count` oldest facts.
fn expire_some(tx: &mut Tx, tables: &Tables, before_ms: i64, count: usize) -> StoreResult<Expired> {
    let end = keys::time(before_ms);
    let oldest = tx.range(&tables.facts_by_time, &[], Bound::Excluded(&end), count).map_err(storage)?;
    let mut unmatched = Vec::new();
    let mut gone = Vec::new();
    for (by_time, _) in &oldest {
        let (key, prefix, row) =
            fact_place(by_time).ok_or_else(|| damaged(WHAT, "its key by time has another form"))?;
        if let Some(bytes) = tx.get(&tables.facts, &row).map_err(storage)?
            && tx.prefix(&tables.sends, &prefix, 1).map_err(storage)?.is_empty()
        {
            unmatched.push((key, decode_fact(&bytes)?));
        }
        gone.push((by_time.clone(), row));
    }
    // All is read: what follows can't fail half way.
    for (by_time, row) in gone {
        tx.remove(&tables.facts_by_time, by_time);
        tx.remove(&tables.facts, row);
    }
    Ok(Expired { unmatched, is_last: oldest.len() < count })
}

/// From the key by time: the correlation key, its bytes, and the key of the fact's row.
fn fact_place(by_time: &[u8]) -> Option<(CorrelationKey, Vec<u8>, Vec<u8>)> {
    let (time, key_and_digest) = by_time.split_first_chunk::<8>()?;
    let mut digest = key_and_digest;
    let key = keys::correlation_of(&mut digest)?;
    let prefix = keys::correlation(&key);
    (digest.len() == 8).then(|| {
        let row = [prefix.as_slice(), time, digest].concat();
        (key, prefix, row)
    })
}
