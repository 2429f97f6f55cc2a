//! The store with a meter.

use super::seconds_since;
use super::watched::Watched;
use crate::Clock;
use crate::metrics::store::{StoreMetrics, StoreOperation as Op};
use crate::metrics::{Engine, Metrics};
use crate::ports::store::{
    ChunkSave, CorrelatedSend, CorrelationKey, Created, EarlyFact, ExpansionLease, Fence, Granted, Leased,
    LedgerRow, QuotaRow, RecipientRow, Store, StoreResult, Taken, Transition,
};
use async_trait::async_trait;
use sluice_core::chunk_state::Stamp;
use sluice_core::{
    CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody, PageId,
    QuotaBody, Seal,
};
use sluice_schemas::{Channel, ReceiptEntry};
use std::fmt;
use std::sync::Arc;

/// Measures another implementation.
pub struct MeteredStore {
    inner: Arc<dyn Store>,
    metrics: StoreMetrics,
    watched: Watched,
    clock: Arc<dyn Clock>,
}

impl MeteredStore {
    /// Around `inner`, whose trouble is exported too. Once in a process.
    pub fn new(inner: Arc<dyn Store>, metrics: &Metrics, clock: Arc<dyn Clock>) -> Self {
        // Weak: the registry must not keep a store open that everybody else has closed.
        let probed = Arc::downgrade(&inner);
        metrics.probe(Engine::Store, move || probed.upgrade()?.trouble());
        Self { inner, metrics: StoreMetrics::new(metrics), watched: Watched::new(metrics), clock }
    }

    async fn measure<T>(&self, operation: Op, work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        let start = self.clock.monotonic();
        let under_way = UnderWay::new(self.metrics.in_flight.at([]));
        let answer = work.await;
        drop(under_way);
        self.metrics.seconds.at([operation as usize]).observe(seconds_since(&*self.clock, start));
        if let Err(error) = &answer {
            self.metrics.failed(operation, error);
        }
        answer
    }
}

/// Counts an operation while it lives: also one that is given up is under way no more.
struct UnderWay<'a>(&'a prometheus::Gauge);

impl<'a> UnderWay<'a> {
    fn new(gauge: &'a prometheus::Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl fmt::Debug for MeteredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeteredStore")
    }
}

// Every method is written out, those with a default too: a default here would go around the inner one's own.
#[async_trait]
impl Store for MeteredStore {
    async fn create_campaign(&self, row: CampaignRow) -> StoreResult<Created> {
        let created = self.measure(Op::CreateCampaign, self.inner.create_campaign(row)).await?;
        self.watched.created(&created);
        Ok(created)
    }

    async fn campaign(&self, id: CampaignId) -> StoreResult<Option<CampaignRow>> {
        self.measure(Op::Campaign, self.inner.campaign(id)).await
    }

    async fn campaigns(&self) -> StoreResult<Vec<CampaignRow>> {
        let rows = self.measure(Op::Campaigns, self.inner.campaigns()).await?;
        self.watched.listed(&rows);
        Ok(rows)
    }

    async fn unfinished(&self) -> StoreResult<Vec<CampaignRow>> {
        let rows = self.measure(Op::Unfinished, self.inner.unfinished()).await?;
        self.watched.listed(&rows);
        Ok(rows)
    }

    async fn lease_expansion(&self, id: CampaignId) -> StoreResult<ExpansionLease> {
        let lease = self.measure(Op::LeaseExpansion, self.inner.lease_expansion(id)).await?;
        self.watched.leased(&lease);
        Ok(lease)
    }

    async fn pin_source(&self, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String> {
        self.measure(Op::PinSource, self.inner.pin_source(id, epoch, pin)).await
    }

    async fn commit_chunk(&self, epoch: u32, row: ChunkRow) -> StoreResult<()> {
        let committed = row.clone();
        self.measure(Op::CommitChunk, self.inner.commit_chunk(epoch, row)).await?;
        self.watched.committed(&committed, self.clock.wall_ms());
        Ok(())
    }

    async fn seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()> {
        self.measure(Op::Seal, self.inner.seal(id, epoch, seal)).await?;
        self.watched.sealed(id, self.clock.wall_ms());
        Ok(())
    }

    async fn chunks(&self, id: CampaignId) -> StoreResult<Vec<ChunkRow>> {
        self.measure(Op::Chunks, self.inner.chunks(id)).await
    }

    async fn chunk(&self, id: ChunkId) -> StoreResult<Option<ChunkRow>> {
        self.measure(Op::Chunk, self.inner.chunk(id)).await
    }

    async fn transition(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>> {
        let row = self.measure(Op::Transition, self.inner.transition(id, step)).await?;
        if let Some(row) = &row {
            self.watched.stepped(row, self.clock.wall_ms());
        }
        Ok(row)
    }

    async fn announced(&self, id: CampaignId, event_id: &str) -> StoreResult<()> {
        self.measure(Op::Announced, self.inner.announced(id, event_id)).await?;
        self.watched.announced();
        Ok(())
    }

    async fn take(&self, page: &PageId, owner: &str) -> StoreResult<Taken> {
        let taken = self.measure(Op::Take, self.inner.take(page, owner)).await?;
        self.watched.taken(&taken);
        Ok(taken)
    }

    async fn grant(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<Granted> {
        let granted = self.measure(Op::Grant, self.inner.grant(page, fence, body)).await?;
        self.watched.granted(&granted);
        Ok(granted)
    }

    async fn release(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<()> {
        self.measure(Op::Release, self.inner.release(page, fence, body)).await?;
        self.watched.released();
        Ok(())
    }

    async fn bump_control(&self, page: &PageId) -> StoreResult<u64> {
        self.measure(Op::BumpControl, self.inner.bump_control(page)).await
    }

    async fn ledger(&self, page: &PageId) -> StoreResult<Option<LedgerRow>> {
        self.measure(Op::Ledger, self.inner.ledger(page)).await
    }

    async fn quota(&self, scope: &str) -> StoreResult<Option<QuotaRow>> {
        self.measure(Op::Quota, self.inner.quota(scope)).await
    }

    async fn lease(
        &self,
        scope: &str,
        expected_version: u64,
        writer: &str,
        body: &QuotaBody,
    ) -> StoreResult<Leased> {
        self.measure(Op::Lease, self.inner.lease(scope, expected_version, writer, body)).await
    }

    async fn write_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()> {
        self.measure(Op::WriteRecipients, self.inner.write_recipients(chunk, rows)).await
    }

    async fn recipients(&self, chunk: ChunkId, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>> {
        self.measure(Op::Recipients, self.inner.recipients(chunk, indexes)).await
    }

    async fn save_chunks(&self, saves: Vec<ChunkSave>) -> StoreResult<()> {
        self.measure(Op::SaveChunks, self.inner.save_chunks(saves)).await
    }

    async fn load_chunk(&self, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>> {
        self.measure(Op::LoadChunk, self.inner.load_chunk(chunk)).await
    }

    async fn counters(&self, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>> {
        self.measure(Op::Counters, self.inner.counters(id)).await
    }

    async fn details(&self, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>> {
        self.measure(Op::Details, self.inner.details(chunk)).await
    }

    async fn correlate(&self, sends: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()> {
        self.measure(Op::Correlate, self.inner.correlate(sends)).await
    }

    async fn correlated(&self, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>> {
        self.measure(Op::Correlated, self.inner.correlated(key)).await
    }

    async fn note_facts(&self, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()> {
        self.measure(Op::NoteFacts, self.inner.note_facts(facts)).await
    }

    async fn noted_facts(&self, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>> {
        self.measure(Op::NotedFacts, self.inner.noted_facts(key)).await
    }

    async fn expire_facts(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>> {
        self.measure(Op::ExpireFacts, self.inner.expire_facts(before_ms, limit)).await
    }

    async fn suppress(
        &self,
        tenant: &str,
        channel: Channel,
        addresses: Vec<(String, String)>,
    ) -> StoreResult<()> {
        self.measure(Op::Suppress, self.inner.suppress(tenant, channel, addresses)).await
    }

    async fn suppressed(&self, tenant: &str, channel: Channel, addresses: &[&str]) -> StoreResult<Vec<bool>> {
        self.measure(Op::Suppressed, self.inner.suppressed(tenant, channel, addresses)).await
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble()
    }
}
