//! The simulated store: in memory, shared by the simulated processes of one world.
//!
//! Two layers. Below, what a cluster gives: rows that are written by compare-and-set, whose answer may be lost
//! although the write was applied, was not, or will be (hazard 3); and cells on three replicas of which the
//! last stamp wins, where a write may reach a minority and a read asks two (hazards 15, 16). Above, the port,
//! which settles the ambiguity: every compare-and-set can be told from all others by what it leaves behind.

mod campaigns;
mod chunk_states;
mod ledgers;
mod lookups;
mod quotas;
mod raw;
mod replicas;
mod snapshot;
mod tables;

use async_trait::async_trait;
use raw::Session;
use sluice_core::chunk_state::Stamp;
use sluice_core::{
    CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody, PageId,
    QuotaBody, Seal,
};
use sluice_runtime::ports::store::{
    ChunkSave, CorrelatedSend, CorrelationKey, Created, EarlyFact, ExpansionLease, Fence, Granted, Leased,
    LedgerRow, QuotaRow, RecipientRow, Store, StoreResult, Taken, Transition,
};
use sluice_schemas::{Channel, ReceiptEntry};
use sluice_simulation::{ProcessId, World};
pub use snapshot::{Seen, Snapshot};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tables::Tables;

/// A simulated store. Clones are the same one.
#[derive(Clone)]
pub struct SimStore {
    world: World,
    tables: Arc<Mutex<Tables>>,
}

impl SimStore {
    /// An empty store.
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), tables: Arc::new(Mutex::new(Tables::default())) }
    }

    /// The store port of a process.
    pub fn handle(&self, process: ProcessId) -> Arc<dyn Store> {
        Arc::new(Session { store: self.clone(), process })
    }

    /// A copy of all that is stored, as a backup is.
    pub fn backup(&self) -> Backup {
        Backup(self.tables().clone())
    }

    /// Puts a backup in the place of all that is stored. Nobody may be at work on it.
    pub fn restore(&self, backup: Backup) {
        *self.tables() = backup.0;
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All that was stored at one moment.
pub struct Backup(Tables);

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backup").field("campaigns", &self.0.campaigns.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SimStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimStore").field("campaigns", &self.tables().campaigns.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Session {
    async fn create_campaign(&self, row: CampaignRow) -> StoreResult<Created> {
        self.create(row).await
    }

    async fn campaign(&self, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
        self.look("campaign?", |tables| tables.campaigns.get(&id).map(|cell| cell.row.clone())).await
    }

    async fn campaigns(&self) -> StoreResult<Vec<CampaignRow>> {
        self.list().await
    }

    async fn lease_expansion(&self, id: CampaignId) -> StoreResult<ExpansionLease> {
        self.lease(id).await
    }

    async fn pin_source(&self, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String> {
        self.pin(id, epoch, pin.to_owned()).await
    }

    async fn commit_chunk(&self, epoch: u32, row: ChunkRow) -> StoreResult<()> {
        self.commit(epoch, row).await
    }

    async fn seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
        self.set_seal(id, epoch, seal).await
    }

    async fn chunks(&self, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
        self.look("chunks?", |tables| tables.chunks_of(id)).await
    }

    async fn chunk(&self, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
        let row = self.look("chunk?", |tables| tables.chunk(id.campaign(), id.number()).cloned()).await?;
        Ok(row.filter(|row| row.id == id))
    }

    async fn transition(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>> {
        self.step(id, step).await
    }

    async fn announced(&self, id: CampaignId, event_id: &str) -> StoreResult<()> {
        self.announce(id, event_id.to_owned()).await
    }

    async fn take(&self, page: &PageId, owner: &str) -> StoreResult<Taken> {
        self.take_page(page, owner).await
    }

    async fn grant(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<Granted> {
        self.grant_page(page, fence, body).await
    }

    async fn release(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<()> {
        self.release_page(page, fence, body).await
    }

    async fn bump_control(&self, page: &PageId) -> StoreResult<u64> {
        self.bump(page).await
    }

    async fn ledger(&self, page: &PageId) -> StoreResult<Option<LedgerRow>> {
        self.look("ledger?", |tables| tables.ledgers.get(page).map(|cell| cell.row.clone())).await
    }

    async fn quota(&self, scope: &str) -> StoreResult<Option<QuotaRow>> {
        self.look("quota?", |tables| tables.quotas.get(scope).map(|cell| cell.row.clone())).await
    }

    async fn lease(
        &self,
        scope: &str,
        expected_version: u64,
        writer: &str,
        body: &QuotaBody,
    ) -> StoreResult<Leased> {
        self.lease_quota(scope, expected_version, writer, body).await
    }

    async fn write_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
        self.put_recipients(chunk, rows).await
    }

    async fn recipients(&self, chunk: ChunkId, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>> {
        self.get_recipients(chunk, indexes).await
    }

    async fn save_chunks(&self, saves: Vec<ChunkSave>) -> StoreResult<()> {
        self.save(saves).await
    }

    async fn load_chunk(&self, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
        self.load(chunk).await
    }

    async fn counters(&self, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
        self.count(id).await
    }

    async fn details(&self, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
        self.detail(chunk).await
    }

    async fn correlate(&self, sends: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()> {
        self.put_sends(sends).await
    }

    async fn correlated(&self, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
        self.look("correlated?", |tables| tables.sends_of(key)).await
    }

    async fn note_facts(&self, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
        self.put_facts(facts).await
    }

    async fn noted_facts(&self, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
        self.look("noted facts?", |tables| tables.facts.get(key).cloned().unwrap_or_default()).await
    }

    async fn expire_facts(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
        self.expire(before_ms, limit).await
    }

    async fn suppress(
        &self,
        tenant: &str,
        channel: Channel,
        addresses: Vec<(String, String)>,
    ) -> StoreResult<()> {
        self.put_suppressed(tenant, channel, addresses).await
    }

    async fn suppressed(&self, tenant: &str, channel: Channel, addresses: &[&str]) -> StoreResult<Vec<bool>> {
        let test = |tables: &Tables| {
            let known = |address: &&str| {
                tables.suppressed.contains_key(&(tenant.to_owned(), channel, (*address).to_owned()))
            };
            addresses.iter().map(known).collect()
        };
        self.look("suppressed?", test).await
    }
}
