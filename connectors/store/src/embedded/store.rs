//! The port on the tables.

use super::chunks::Conflicts;
use super::tables::{Access, Tables};
use super::{campaigns, chunks, correlation, ledgers, quotas, recipients, suppressions};
use async_trait::async_trait;
use sluice_core::chunk_state::Stamp;
use sluice_core::{
    CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody, PageId,
    QuotaBody, Seal,
};
use sluice_engine::{Engine, EngineError};
use sluice_runtime::ports::store::{
    ChunkSave, CorrelatedSend, CorrelationKey, Created, EarlyFact, ExpansionLease, Fence, Granted, Leased,
    LedgerRow, QuotaRow, RecipientRow, Store, StoreResult, Taken, Transition,
};
use sluice_schemas::{Channel, ReceiptEntry};
use std::sync::Arc;

/// The store of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EmbeddedStore {
    access: Arc<Access>,
    conflicts: Arc<Conflicts>,
}

impl EmbeddedStore {
    /// Opens the store's tables in the engine.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(engine: Arc<Engine>) -> Result<Self, EngineError> {
        let tables = Tables::open(&engine)?;
        Ok(Self { access: Arc::new(Access { engine, tables }), conflicts: Arc::default() })
    }

    /// Saves of a chunk state whose stamp was stored with other bytes: each is a broken rule (hazard 16).
    pub fn conflicting_saves(&self) -> u64 {
        self.conflicts.count()
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn create_campaign(&self, row: CampaignRow) -> StoreResult<Created> {
        campaigns::create(&self.access, row).await
    }

    async fn campaign(&self, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
        campaigns::get(&self.access, id)
    }

    async fn campaigns(&self) -> StoreResult<Vec<CampaignRow>> {
        campaigns::list(&self.access).await
    }

    async fn lease_expansion(&self, id: CampaignId) -> StoreResult<ExpansionLease> {
        campaigns::lease(&self.access, id).await
    }

    async fn pin_source(&self, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String> {
        campaigns::pin(&self.access, id, epoch, pin.to_owned()).await
    }

    async fn commit_chunk(&self, epoch: u32, row: ChunkRow) -> StoreResult<()> {
        campaigns::commit_chunk(&self.access, epoch, row).await
    }

    async fn seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
        campaigns::seal(&self.access, id, epoch, seal).await
    }

    async fn chunks(&self, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
        campaigns::chunks(&self.access, id).await
    }

    async fn chunk(&self, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
        campaigns::chunk(&self.access, id)
    }

    async fn transition(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>> {
        campaigns::transition(&self.access, id, step).await
    }

    async fn announced(&self, id: CampaignId, event_id: &str) -> StoreResult<()> {
        campaigns::announced(&self.access, id, event_id.to_owned()).await
    }

    async fn take(&self, page: &PageId, owner: &str) -> StoreResult<Taken> {
        ledgers::take(&self.access, page.clone(), owner.to_owned()).await
    }

    async fn grant(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<Granted> {
        ledgers::grant(&self.access, page.clone(), fence, body.encode()).await
    }

    async fn release(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<()> {
        ledgers::release(&self.access, page.clone(), fence, body.encode()).await
    }

    async fn bump_control(&self, page: &PageId) -> StoreResult<u64> {
        ledgers::bump_control(&self.access, page.clone()).await
    }

    async fn ledger(&self, page: &PageId) -> StoreResult<Option<LedgerRow>> {
        ledgers::get(&self.access, page)
    }

    async fn quota(&self, scope: &str) -> StoreResult<Option<QuotaRow>> {
        quotas::get(&self.access, scope)
    }

    async fn lease(
        &self,
        scope: &str,
        expected_version: u64,
        writer: &str,
        body: &QuotaBody,
    ) -> StoreResult<Leased> {
        let (scope, writer) = (scope.to_owned(), writer.to_owned());
        quotas::lease(&self.access, scope, expected_version, writer, body.encode()).await
    }

    async fn write_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
        recipients::write(&self.access, chunk, rows).await
    }

    async fn recipients(&self, chunk: ChunkId, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>> {
        recipients::read(&self.access, chunk, indexes).await
    }

    async fn save_chunks(&self, saves: Vec<ChunkSave>) -> StoreResult<()> {
        chunks::save(&self.access, &self.conflicts, saves).await
    }

    async fn load_chunk(&self, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
        chunks::load(&self.access, chunk)
    }

    async fn counters(&self, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
        chunks::counters(&self.access, id).await
    }

    async fn details(&self, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
        chunks::details(&self.access, chunk).await
    }

    async fn correlate(&self, sends: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()> {
        correlation::correlate(&self.access, sends).await
    }

    async fn correlated(&self, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
        correlation::correlated(&self.access, key)
    }

    async fn note_facts(&self, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
        correlation::note_facts(&self.access, facts).await
    }

    async fn noted_facts(&self, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
        correlation::noted(&self.access, key)
    }

    async fn expire_facts(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
        correlation::expire(&self.access, before_ms, limit).await
    }

    async fn suppress(
        &self,
        tenant: &str,
        channel: Channel,
        addresses: Vec<(String, String)>,
    ) -> StoreResult<()> {
        suppressions::suppress(&self.access, tenant, channel, addresses).await
    }

    async fn suppressed(&self, tenant: &str, channel: Channel, addresses: &[&str]) -> StoreResult<Vec<bool>> {
        suppressions::suppressed(&self.access, tenant, channel, addresses)
    }
}
