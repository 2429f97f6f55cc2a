//! Sends by what webhooks name them by, and facts that came before their sends.
//!
//! Both sides store, then look (hazard 19): writes and reads reach a quorum, so of two that cross at least one
//! sees the other.

use super::access::{Access, all};
use super::expiry;
use crate::embedded::codec::damaged;
use crate::embedded::correlation::{decode_fact, encode_fact};
use crate::embedded::keys;
use sluice_runtime::ports::store::{CorrelatedSend, CorrelationKey, EarlyFact, StoreResult};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) async fn correlate(
    access: &Access,
    sends: Vec<(CorrelationKey, CorrelatedSend)>,
) -> StoreResult<()> {
    let writes = sends.into_iter().map(|(key, send)| async move {
        let values = (
            keys::correlation(&key),
            send.sent_at_ms,
            keys::send(send.send, send.attempt),
            access.correlation_ttl_s,
        );
        access.write(&access.statements.send_note, values).await
    });
    all(access.reads, writes).await.map(drop)
}

pub(crate) async fn correlated(access: &Access, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
    let list = &access.statements.send_list;
    let rows = access.read_all::<(i64, Vec<u8>)>(list, (keys::correlation(key),)).await?;
    rows.iter().map(|(at, send)| decode_send(*at, send)).collect()
}

fn decode_send(sent_at_ms: i64, send: &[u8]) -> StoreResult<CorrelatedSend> {
    let read = || keys::send_of(send.try_into().ok()?);
    let (send, attempt) = read().ok_or_else(|| damaged("correlated send", "its key has another form"))?;
    Ok(CorrelatedSend { send, attempt, sent_at_ms })
}

/// An early fact's place in its tables. The same fact noted twice is one row.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) key: Vec<u8>,
    pub(crate) received: i64,
    pub(crate) digest: i64,
}

pub(crate) async fn note_facts(access: &Access, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
    let mut rows = Vec::new();
    let mut expiring = Vec::new();
    for (key, fact) in facts {
        let received = fact.received_at_ms;
        let value = encode_fact(fact)?;
        let place = Place { key: keys::correlation(&key), received, digest: xxh3_64(&value) as i64 };
        // A watermark stays: it is about sends of the future, too.
        if matches!(key, CorrelationKey::Message(..)) {
            expiring.push(place.clone());
        }
        rows.push((place, value));
    }
    // The fact before its entry by hour: an entry whose fact is not there is taken for done and removed.
    let writes = rows.into_iter().map(|(place, value)| async move {
        let values = (place.key, place.received, place.digest, value, access.correlation_ttl_s);
        access.write(&access.statements.fact_note, values).await
    });
    all(access.reads, writes).await?;
    expiry::note(access, expiring).await
}

pub(crate) async fn noted(access: &Access, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
    let list = &access.statements.fact_list;
    let rows = access.read_all::<(Vec<u8>,)>(list, (keys::correlation(key),)).await?;
    rows.iter().map(|(fact,)| decode_fact(fact)).collect()
}
