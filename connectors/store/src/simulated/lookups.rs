//! Recipients, correlation, suppressions: rows that are written once or only added to.

use super::raw::Session;
use super::tables::Tables;
use sluice_core::{ChunkId, IndexSet};
use sluice_runtime::ports::store::{CorrelatedSend, CorrelationKey, EarlyFact, RecipientRow, StoreResult};
use sluice_schemas::Channel;

impl Session {
    pub(super) async fn put_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
        self.put("recipients put", rows, |tables, row| {
            tables.recipients.entry(chunk).or_default().insert(row.index, row.clone());
        })
        .await
    }

    pub(super) async fn get_recipients(
        &self,
        chunk: ChunkId,
        indexes: &IndexSet,
    ) -> StoreResult<Vec<RecipientRow>> {
        self.look("recipients?", |tables| {
            let Some(rows) = tables.recipients.get(&chunk) else { return Vec::new() };
            indexes.iter().filter_map(|index| rows.get(&index).cloned()).collect()
        })
        .await
    }

    pub(super) async fn put_sends(&self, sends: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()> {
        self.put("sends put", sends, |tables, (key, send)| {
            tables.sends.entry(key.clone()).or_default().insert(*send);
        })
        .await
    }

    pub(super) async fn put_facts(&self, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
        self.put("facts put", facts, |tables, (key, fact)| {
            let noted = tables.facts.entry(key.clone()).or_default();
            if !noted.contains(fact) {
                noted.push(fact.clone());
            }
        })
        .await
    }

    pub(super) async fn expire(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
        self.look("facts expire?", |_| ()).await?;
        let expired = expire(&mut self.store.tables(), before_ms, limit);
        self.store.world.effect(self.process, "facts expired").await;
        Ok(expired)
    }

    pub(super) async fn put_suppressed(
        &self,
        tenant: &str,
        channel: Channel,
        addresses: Vec<(String, String)>,
    ) -> StoreResult<()> {
        self.put("suppressed put", addresses, |tables, (address, why)| {
            tables.suppressed.insert((tenant.to_owned(), channel, address.clone()), why.clone());
        })
        .await
    }
}

/// Removes message facts that waited long enough; gives those that found no send.
fn expire(tables: &mut Tables, before_ms: i64, limit: usize) -> Vec<(CorrelationKey, EarlyFact)> {
    let mut expired = Vec::new();
    for (key, facts) in &mut tables.facts {
        if !matches!(key, CorrelationKey::Message(..)) {
            continue;
        }
        let matched = tables.sends.contains_key(key);
        facts.retain(|fact| {
            let over = fact.received_at_ms < before_ms;
            if over && !matched {
                if expired.len() == limit {
                    return true;
                }
                expired.push((key.clone(), fact.clone()));
            }
            !over
        });
    }
    tables.facts.retain(|_, facts| !facts.is_empty());
    expired
}
