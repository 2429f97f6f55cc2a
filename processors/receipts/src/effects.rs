//! What follows from a receipt outside its chunk: sends are noted for webhooks, people are suppressed.

use crate::again::until_answered;
use crate::error::ReceiptError;
use crate::policies::Campaign;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sluice_core::chunk_state::entry;
use sluice_core::{ChunkId, IndexSet, PageId, SendId};
use sluice_runtime::ports::store::{CorrelatedSend, CorrelationKey, EarlyFact, Store};
use sluice_schemas::{Channel, Fact, ReceiptEntry, SendRequest, decode};
use std::collections::BTreeMap;

/// Whether a fact about a person up to a time is about this send.
pub(crate) fn is_meant(key: &CorrelationKey, fact_at_ms: i64, sent_at_ms: i64, skew_ms: i64) -> bool {
    match key {
        CorrelationKey::Message(..) => true,
        CorrelationKey::Person(..) => sent_at_ms <= fact_at_ms.saturating_add(skew_ms),
    }
}

/// The receipt entry of a webhook's fact. A failure told later is final in its run (hazard 24).
pub(crate) fn entry_of(fact: Fact, index: u16, attempt: u8, at_ms: i64) -> ReceiptEntry {
    match fact {
        Fact::Failed => entry(Fact::FailedForGood, index, index, attempt, at_ms),
        Fact::OptedOut => entry(fact, index, index, 0, at_ms),
        _ => entry(fact, index, index, attempt, at_ms),
    }
}

fn entry_of_early(send: &CorrelatedSend, early: EarlyFact) -> ReceiptEntry {
    ReceiptEntry {
        reason: early.reason,
        message: early.message,
        ..entry_of(early.fact, send.send.index, send.attempt, early.at_ms)
    }
}

/// Gathered over all chunks of a flush, so that the store is asked in batches.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    sends: Vec<(CorrelationKey, CorrelatedSend)>,
    /// With the address where the receipt told it.
    opted_out: BTreeMap<(String, Channel), Vec<(String, String)>>,
    opted_out_rows: Vec<(String, Channel, ChunkId, IndexSet, String)>,
}

impl Effects {
    /// Takes the entries of a chunk in.
    pub(crate) fn gather(
        &mut self,
        chunk: ChunkId,
        campaign: &Campaign,
        page: Option<&PageId>,
        news: &[ReceiptEntry],
    ) {
        for entry in news {
            match entry.fact {
                Fact::Accepted => self.accepted(chunk, campaign, page, entry),
                Fact::OptedOut => self.opted_out(chunk, campaign, entry),
                _ => {}
            }
        }
    }

    fn accepted(&mut self, chunk: ChunkId, campaign: &Campaign, page: Option<&PageId>, entry: &ReceiptEntry) {
        let (Ok(index), Ok(attempt)) = (u16::try_from(entry.first), u8::try_from(entry.attempt)) else {
            return;
        };
        let send = CorrelatedSend { send: SendId { chunk, index }, attempt, sent_at_ms: entry.at_ms };
        if let Some(id) = &entry.provider_id {
            self.sends.push((CorrelationKey::Message(campaign.channel, id.clone()), send));
        }
        if let (Some(address), Some(page)) = (&entry.address, page) {
            self.sends.push((CorrelationKey::Person(page.clone(), address.clone()), send));
        }
    }

    fn opted_out(&mut self, chunk: ChunkId, campaign: &Campaign, entry: &ReceiptEntry) {
        let reason = entry.reason.clone().unwrap_or_else(|| "opted_out".to_owned());
        if let Some(address) = &entry.address {
            let list = self.opted_out.entry((campaign.tenant.clone(), campaign.channel)).or_default();
            list.push((address.clone(), reason));
        } else if let (Ok(first), Ok(last)) = (u16::try_from(entry.first), u16::try_from(entry.last)) {
            let mut indexes = IndexSet::new();
            indexes.insert_range(first, last.min(sluice_core::CHUNK_ROWS_MAX as u16 - 1));
            self.opted_out_rows.push((campaign.tenant.clone(), campaign.channel, chunk, indexes, reason));
        }
    }

    /// Stores, then looks (hazard 19). Gives the facts that came before their send, by chunk.
    pub(crate) async fn apply(
        mut self,
        store: &dyn Store,
        skew_ms: i64,
        lookups_max: usize,
    ) -> Result<BTreeMap<ChunkId, Vec<ReceiptEntry>>, ReceiptError> {
        self.suppress(store).await?;
        if self.sends.is_empty() {
            return Ok(BTreeMap::new());
        }
        until_answered("correlate", || store.correlate(self.sends.clone())).await?;
        let mut lookups = Vec::with_capacity(self.sends.len());
        for (at, (key, _)) in self.sends.iter().enumerate() {
            lookups.push(async move {
                let facts = until_answered("noted facts", || store.noted_facts(key)).await?;
                Ok::<_, ReceiptError>((at, facts))
            });
        }
        let found: Vec<(usize, Vec<EarlyFact>)> = stream::iter(lookups)
            .buffered(lookups_max)
            .try_filter(|(_, facts)| std::future::ready(!facts.is_empty()))
            .try_collect()
            .await?;
        let mut early: BTreeMap<ChunkId, Vec<ReceiptEntry>> = BTreeMap::new();
        for (at, facts) in found {
            let (key, send) = &self.sends[at];
            let meant = facts.into_iter().filter(|fact| is_meant(key, fact.at_ms, send.sent_at_ms, skew_ms));
            early.entry(send.send.chunk).or_default().extend(meant.map(|fact| entry_of_early(send, fact)));
        }
        early.retain(|_, entries| !entries.is_empty());
        Ok(early)
    }

    async fn suppress(&mut self, store: &dyn Store) -> Result<(), ReceiptError> {
        for (tenant, channel, chunk, indexes, reason) in std::mem::take(&mut self.opted_out_rows) {
            let rows = until_answered("recipients", || store.recipients(chunk, &indexes)).await?;
            let list = self.opted_out.entry((tenant, channel)).or_default();
            for row in rows.iter().filter(|row| row.skipped.is_none()) {
                match decode::<SendRequest>(&row.payload) {
                    Ok(send) => list.push((send.address, reason.clone())),
                    Err(error) => {
                        tracing::error!(%chunk, index = row.index, %error, "recipient can't be read")
                    }
                }
            }
        }
        for ((tenant, channel), addresses) in std::mem::take(&mut self.opted_out) {
            until_answered("suppress", || store.suppress(&tenant, channel, addresses.clone())).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_means_what_was_sent_before_it_within_the_skew_of_clocks() {
        let person = CorrelationKey::Person(PageId::from("p"), "a".to_owned());
        assert!(is_meant(&person, 1_000, 900, 0));
        assert!(is_meant(&person, 1_000, 3_000, 2_000));
        assert!(!is_meant(&person, 1_000, 3_001, 2_000));
        assert!(is_meant(&CorrelationKey::Message(Channel::Sms, "m".to_owned()), 0, i64::MAX, 0));
    }

    #[test]
    fn hazard_24_a_failure_told_by_a_webhook_is_final_in_its_run() {
        assert_eq!(entry_of(Fact::Failed, 3, 2, 9), entry(Fact::FailedForGood, 3, 3, 2, 9));
        assert_eq!(entry_of(Fact::Delivered, 3, 2, 9), entry(Fact::Delivered, 3, 3, 2, 9));
    }
}
