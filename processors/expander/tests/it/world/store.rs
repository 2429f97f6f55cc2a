//! The rows of the store that the expander touches, in memory.

use super::fuel::{Fate, Fuel};
use async_trait::async_trait;
use sluice_core::{
    CampaignId, CampaignRow, CampaignState, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody,
    PageId, QuotaBody, Seal, Stamp,
};
use sluice_runtime::ports::store::{
    ChunkSave, CorrelatedSend, CorrelationKey, Created, EarlyFact, ExpansionLease, Fence, Granted, Leased,
    LedgerRow, QuotaRow, RecipientRow, Store, StoreError, StoreResult, Taken, Transition,
};
use sluice_schemas::{Channel, ReceiptEntry};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Default)]
struct State {
    campaigns: BTreeMap<CampaignId, CampaignRow>,
    chunks: BTreeMap<(CampaignId, u32), ChunkRow>,
    recipients: BTreeMap<ChunkId, Vec<RecipientRow>>,
    suppressed: BTreeSet<String>,
    /// So many answers are "unavailable", although the effect happened.
    unavailable: u32,
}

pub(crate) struct MemoryStore {
    state: Mutex<State>,
    fuel: Arc<Fuel>,
}

impl MemoryStore {
    pub(crate) fn new(fuel: Arc<Fuel>) -> Self {
        Self { state: Mutex::default(), fuel }
    }

    pub(crate) fn peek(&self, id: CampaignId) -> Option<CampaignRow> {
        self.state.lock().unwrap().campaigns.get(&id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<CampaignRow> {
        self.state.lock().unwrap().campaigns.values().cloned().collect()
    }

    /// Takes a step as a person's command does.
    pub(crate) fn step(&self, id: CampaignId, make: impl FnOnce(&CampaignRow) -> Transition) {
        let mut state = self.state.lock().unwrap();
        let row = state.campaigns.get_mut(&id).unwrap();
        *row = row.after(&make(row)).unwrap();
    }

    pub(crate) fn committed(&self, id: CampaignId) -> Vec<ChunkRow> {
        let state = self.state.lock().unwrap();
        state.chunks.iter().filter(|((campaign, _), _)| *campaign == id).map(|(_, row)| row.clone()).collect()
    }

    pub(crate) fn stored(&self, chunk: ChunkId) -> Vec<RecipientRow> {
        self.state.lock().unwrap().recipients.get(&chunk).cloned().unwrap_or_default()
    }

    pub(crate) fn now_suppressed(&self, address: &str) {
        self.state.lock().unwrap().suppressed.insert(address.to_owned());
    }

    pub(crate) fn unavailable(&self, answers: u32) {
        self.state.lock().unwrap().unavailable = answers;
    }

    pub(crate) fn put_state(&self, id: CampaignId, to: CampaignState) {
        if let Some(row) = self.state.lock().unwrap().campaigns.get_mut(&id) {
            row.state = to;
        }
    }

    /// One effect.
    async fn write<T>(&self, effect: impl FnOnce(&mut State) -> StoreResult<T> + Send) -> StoreResult<T> {
        // Somebody else may run between the question and its effect.
        tokio::task::yield_now().await;
        let fate = self.fuel.burn();
        if fate == Fate::Lost {
            std::future::pending::<()>().await;
        }
        let answer = {
            let mut state = self.state.lock().unwrap();
            let answer = effect(&mut state);
            if state.unavailable > 0 {
                state.unavailable -= 1;
                return Err(StoreError::Unavailable("test".to_owned()));
            }
            answer
        };
        if fate == Fate::Unanswered {
            std::future::pending::<()>().await;
        }
        answer
    }
}

fn leased(state: &mut State, id: CampaignId, epoch: u32) -> StoreResult<&mut CampaignRow> {
    let row = state.campaigns.get_mut(&id).ok_or_else(|| StoreError::Missing(id.to_string()))?;
    if row.exp_epoch == epoch { Ok(row) } else { Err(StoreError::Fenced(id.to_string())) }
}

fn foreign<T>() -> StoreResult<T> {
    Err(StoreError::Missing("row: the expander has nothing to do with it".to_owned()))
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_campaign(&self, row: CampaignRow) -> StoreResult<Created> {
        self.write(|state| {
            Ok(match state.campaigns.get(&row.id) {
                Some(there) => Created::Existing(there.clone()),
                None => {
                    state.campaigns.insert(row.id, row.clone());
                    Created::New(row)
                }
            })
        })
        .await
    }

    async fn campaign(&self, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
        Ok(self.peek(id))
    }

    async fn campaigns(&self) -> StoreResult<Vec<CampaignRow>> {
        Ok(self.state.lock().unwrap().campaigns.values().cloned().collect())
    }

    async fn lease_expansion(&self, id: CampaignId) -> StoreResult<ExpansionLease> {
        let row = self
            .write(|state| {
                let row = state.campaigns.get_mut(&id).ok_or_else(|| StoreError::Missing(id.to_string()))?;
                row.exp_epoch += 1;
                Ok(row.clone())
            })
            .await?;
        Ok(ExpansionLease { row, chunks: self.committed(id) })
    }

    async fn pin_source(&self, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String> {
        self.write(|state| {
            let row = leased(state, id, epoch)?;
            Ok(row.source_pin.get_or_insert_with(|| pin.to_owned()).clone())
        })
        .await
    }

    async fn commit_chunk(&self, epoch: u32, chunk: ChunkRow) -> StoreResult<()> {
        self.write(|state| {
            leased(state, chunk.id.campaign(), epoch)?;
            assert!(
                state.recipients.contains_key(&chunk.id),
                "recipients are written before the commit point"
            );
            let there =
                state.chunks.entry((chunk.id.campaign(), chunk.id.number())).or_insert_with(|| chunk.clone());
            assert_eq!(*there, chunk, "a committed chunk stays as it is");
            Ok(())
        })
        .await
    }

    async fn seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
        self.write(|state| {
            let there = leased(state, id, epoch)?.seal.get_or_insert(seal);
            assert_eq!(*there, seal, "a seal stays as it is");
            Ok(())
        })
        .await
    }

    async fn chunks(&self, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
        Ok(self.committed(id))
    }

    async fn chunk(&self, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
        Ok(self.state.lock().unwrap().chunks.get(&(id.campaign(), id.number())).cloned())
    }

    async fn transition(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>> {
        self.write(|state| {
            let Some(row) = state.campaigns.get_mut(&id) else { return Ok(None) };
            let Some(after) = row.after(&step) else { return Ok(None) };
            *row = after;
            Ok(Some(row.clone()))
        })
        .await
    }

    async fn announced(&self, id: CampaignId, event_id: &str) -> StoreResult<()> {
        self.write(|state| {
            if let Some(row) = state.campaigns.get_mut(&id) {
                row.announced = Some(event_id.to_owned());
            }
            Ok(())
        })
        .await
    }

    async fn write_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
        // Later chunks are often faster than earlier ones.
        tokio::time::sleep(Duration::from_millis(u64::from(chunk.number() * 7 % 4))).await;
        self.write(|state| {
            let there = state.recipients.entry(chunk).or_insert_with(|| rows.clone());
            assert_eq!(*there, rows, "recipient rows are written once");
            Ok(())
        })
        .await
    }

    async fn recipients(&self, chunk: ChunkId, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>> {
        Ok(self.stored(chunk).into_iter().filter(|row| indexes.contains(row.index)).collect())
    }

    async fn suppressed(&self, _: &str, _: Channel, addresses: &[&str]) -> StoreResult<Vec<bool>> {
        let state = self.state.lock().unwrap();
        Ok(addresses.iter().map(|address| state.suppressed.contains(*address)).collect())
    }

    async fn take(&self, _: &PageId, _: &str) -> StoreResult<Taken> {
        foreign()
    }
    async fn grant(&self, _: &PageId, _: Fence, _: &LedgerBody) -> StoreResult<Granted> {
        foreign()
    }
    async fn release(&self, _: &PageId, _: Fence, _: &LedgerBody) -> StoreResult<()> {
        foreign()
    }
    async fn bump_control(&self, _: &PageId) -> StoreResult<u64> {
        Ok(1)
    }
    async fn ledger(&self, _: &PageId) -> StoreResult<Option<LedgerRow>> {
        foreign()
    }
    async fn quota(&self, _: &str) -> StoreResult<Option<QuotaRow>> {
        foreign()
    }
    async fn lease(&self, _: &str, _: u64, _: &str, _: &QuotaBody) -> StoreResult<Leased> {
        foreign()
    }
    async fn save_chunks(&self, _: Vec<ChunkSave>) -> StoreResult<()> {
        foreign()
    }
    async fn load_chunk(&self, _: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
        foreign()
    }
    async fn counters(&self, _: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
        foreign()
    }
    async fn details(&self, _: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
        foreign()
    }
    async fn correlate(&self, _: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()> {
        foreign()
    }
    async fn correlated(&self, _: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
        foreign()
    }
    async fn note_facts(&self, _: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
        foreign()
    }
    async fn noted_facts(&self, _: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
        foreign()
    }
    async fn expire_facts(&self, _: i64, _: usize) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
        foreign()
    }
    async fn suppress(&self, _: &str, _: Channel, _: Vec<(String, String)>) -> StoreResult<()> {
        foreign()
    }
}
