//! The port on the tables.

use super::access::Access;
use super::error::CqlError;
use super::expiry::EmptyHours;
use super::inspect::LocalTime;
use super::options::CqlOptions;
use super::statements::Statements;
use super::{
    campaigns, check, chunk_states, committed, correlation, expiry, generations, ledgers, open, quotas,
    recipients, session, suppressions,
};
use async_trait::async_trait;
use sluice_core::chunk_state::Stamp;
use sluice_core::{
    CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody, PageId,
    QuotaBody, Seal,
};
use sluice_runtime::ports::log::Generations;
use sluice_runtime::ports::store::{
    ChunkSave, CorrelatedSend, CorrelationKey, Created, EarlyFact, ExpansionLease, Fence, Granted, Leased,
    LedgerRow, QuotaRow, RecipientRow, Store, StoreResult, Taken, Transition,
};
use sluice_schemas::{Channel, ReceiptEntry};
use std::fmt;
use std::sync::Arc;

/// The store in a CQL database. Cheap to clone.
#[derive(Clone)]
pub struct CqlStore {
    access: Arc<Access>,
    empty_hours: Arc<EmptyHours>,
}

impl fmt::Debug for CqlStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CqlStore").field("health", &self.access.health).finish_non_exhaustive()
    }
}

impl CqlStore {
    /// Connects, and refuses a database that can't be used as it is. `wall_ms`: this machine's time, ms since
    /// 1970.
    ///
    /// # Errors
    /// Says what is wrong and what to do.
    pub async fn connect(options: &CqlOptions, wall_ms: i64) -> Result<Self, CqlError> {
        let time = LocalTime::new(wall_ms);
        let connected = session::connect(options).await?;
        let report = check::examine(&connected, options, time).await?;
        if let Some(refusal) = report.refusals.into_iter().next() {
            return Err(refusal);
        }
        for warning in report.warnings {
            tracing::warn!(keyspace = options.keyspace, warning, "CQL database");
        }
        let statements = Statements::prepare(&connected, &options.keyspace).await?;
        let access = Access::new(connected, statements, options);
        Ok(Self { access: Arc::new(access), empty_hours: Arc::default() })
    }
}

#[async_trait]
impl Store for CqlStore {
    async fn create_campaign(&self, row: CampaignRow) -> StoreResult<Created> {
        campaigns::create(&self.access, row).await
    }

    async fn campaign(&self, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
        campaigns::get(&self.access, id).await
    }

    async fn campaigns(&self) -> StoreResult<Vec<CampaignRow>> {
        campaigns::list(&self.access).await
    }

    async fn unfinished(&self) -> StoreResult<Vec<CampaignRow>> {
        open::unfinished(&self.access).await
    }

    async fn lease_expansion(&self, id: CampaignId) -> StoreResult<ExpansionLease> {
        campaigns::lease(&self.access, id).await
    }

    async fn pin_source(&self, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String> {
        campaigns::pin(&self.access, id, epoch, pin).await
    }

    async fn commit_chunk(&self, epoch: u32, row: ChunkRow) -> StoreResult<()> {
        committed::commit(&self.access, epoch, row).await
    }

    async fn seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
        campaigns::seal(&self.access, id, epoch, seal).await
    }

    async fn chunks(&self, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
        committed::list(&self.access, id).await
    }

    async fn chunk(&self, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
        committed::get(&self.access, id).await
    }

    async fn transition(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>> {
        campaigns::transition(&self.access, id, step).await
    }

    async fn announced(&self, id: CampaignId, event_id: &str) -> StoreResult<()> {
        campaigns::announced(&self.access, id, event_id).await
    }

    async fn take(&self, page: &PageId, owner: &str) -> StoreResult<Taken> {
        ledgers::take(&self.access, page, owner).await
    }

    async fn grant(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<Granted> {
        ledgers::grant(&self.access, page, fence, body).await
    }

    async fn release(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<()> {
        ledgers::release(&self.access, page, fence, body).await
    }

    async fn bump_control(&self, page: &PageId) -> StoreResult<u64> {
        ledgers::bump_control(&self.access, page).await
    }

    async fn ledger(&self, page: &PageId) -> StoreResult<Option<LedgerRow>> {
        ledgers::get(&self.access, page).await
    }

    async fn quota(&self, scope: &str) -> StoreResult<Option<QuotaRow>> {
        quotas::get(&self.access, scope).await
    }

    async fn lease(
        &self,
        scope: &str,
        expected_version: u64,
        writer: &str,
        body: &QuotaBody,
    ) -> StoreResult<Leased> {
        quotas::lease(&self.access, scope, expected_version, writer, body).await
    }

    async fn write_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
        recipients::write(&self.access, chunk, rows).await
    }

    async fn recipients(&self, chunk: ChunkId, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>> {
        recipients::read(&self.access, chunk, indexes).await
    }

    async fn save_chunks(&self, saves: Vec<ChunkSave>) -> StoreResult<()> {
        chunk_states::save(&self.access, saves).await
    }

    async fn load_chunk(&self, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
        chunk_states::load(&self.access, chunk).await
    }

    async fn counters(&self, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
        chunk_states::counters(&self.access, id).await
    }

    async fn details(&self, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
        chunk_states::details(&self.access, chunk).await
    }

    async fn correlate(&self, sends: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()> {
        correlation::correlate(&self.access, sends).await
    }

    async fn correlated(&self, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
        correlation::correlated(&self.access, key).await
    }

    async fn note_facts(&self, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
        correlation::note_facts(&self.access, facts).await
    }

    async fn noted_facts(&self, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
        correlation::noted(&self.access, key).await
    }

    async fn expire_facts(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
        expiry::expire(&self.access, &self.empty_hours, before_ms, limit).await
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
        suppressions::suppressed(&self.access, tenant, channel, addresses).await
    }

    fn trouble(&self) -> Option<String> {
        self.access.health.trouble()
    }
}

#[async_trait]
impl Generations for CqlStore {
    async fn generation(&self, topic: &str, life: &str) -> Result<u32, String> {
        let numbered = generations::number(&self.access, topic, life).await;
        numbered.map_err(|error| generations::unknown(topic, &error))?
    }
}
