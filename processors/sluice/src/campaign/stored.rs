//! What the store has of a campaign, read once for everything that is derived from it.

use super::known_chunks::KnownChunks;
use super::quotas::QuotaUse;
use crate::error::Outcome;
use crate::page::claims::settle;
use sluice_core::{CampaignRow, ChunkId, ChunkRow, Counters, LedgerBody, PageId};
use sluice_runtime::ports::store::{LedgerRow, Store};
use sluice_schemas::GateClass;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Recipients that wait, by what their gate looks at.
pub type Waiting = BTreeMap<GateClass, u64>;

/// A campaign, its chunks and the ledgers of its pages.
#[derive(Debug, Clone)]
pub struct Stored {
    /// As it is now.
    pub row: CampaignRow,
    /// Committed chunks; of a campaign that has ended none are read.
    pub chunks: Arc<[ChunkRow]>,
    /// By chunk.
    pub counters: Vec<(ChunkId, Counters)>,
    /// Those of its pages that are there and were asked for. Calls whose answer is unknown are settled in them as far as
    /// their outcomes show.
    pub ledgers: BTreeMap<PageId, LedgerRow>,
    /// The limits above its pages, where they were asked for.
    pub quotas: Vec<QuotaUse>,
}

impl Stored {
    /// Reads what the state and the gates of a campaign hang on: the ledgers only where they count its day, and those that
    /// are wanted.
    pub async fn read(
        store: &dyn Store,
        known: &KnownChunks,
        row: &CampaignRow,
        wanted: impl Fn(&PageId) -> bool,
    ) -> Outcome<Self> {
        let counts_days = row.rules().daily_send_limit.is_some();
        Self::with_ledgers(store, known, row, |page| counts_days || wanted(page)).await
    }

    /// Reads everything.
    pub async fn read_all(store: &dyn Store, known: &KnownChunks, row: &CampaignRow) -> Outcome<Self> {
        Self::with_ledgers(store, known, row, |_| true).await
    }

    async fn with_ledgers(
        store: &dyn Store,
        known: &KnownChunks,
        row: &CampaignRow,
        wanted: impl Fn(&PageId) -> bool,
    ) -> Outcome<Self> {
        let counters = store.counters(row.id).await?;
        let chunks = match row.state.is_ended() && row.seal.is_some() {
            true => Arc::default(),
            false => known.of(store, row).await?,
        };
        let mut pages = row.page_ids();
        pages.retain(|page| !row.state.is_ended() && wanted(page));
        let mut ledgers = store.ledgers(&pages).await?;
        for ledger in ledgers.values_mut() {
            let chunks = ledger.body.doubts().map(|doubt| doubt.chunk);
            let in_doubt: BTreeSet<ChunkId> = chunks.filter(|id| id.campaign() == row.id).collect();
            settle(store, &mut ledger.body, in_doubt).await?;
        }
        Ok(Self { row: row.clone(), chunks, counters, ledgers, quotas: Vec::new() })
    }

    /// The ledger's body of a page.
    pub fn body(&self, page: &PageId) -> Option<&LedgerBody> {
        self.ledgers.get(page).map(|ledger| &ledger.body)
    }

    /// Rows of the audience that are in committed chunks.
    pub fn rows_read(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.size)).sum()
    }

    /// Who waits, on all pages.
    pub fn waiting(&self) -> Waiting {
        self.waiting_where(|_| true)
    }

    /// Who waits on one page.
    pub fn waiting_on(&self, page: &PageId) -> Waiting {
        self.waiting_where(|of| of == page)
    }

    /// Who waits on some pages.
    pub fn waiting_where(&self, counts: impl Fn(&PageId) -> bool) -> Waiting {
        let mut waiting = Waiting::new();
        let pending = self.pending(&BTreeMap::new());
        for (chunk, count) in self.chunks.iter().zip(pending).filter(|(chunk, _)| counts(&chunk.page)) {
            add(&mut waiting, chunk, count);
        }
        waiting
    }

    /// How many are not done, by page; pages of which nobody waits are left out.
    pub fn open(&self) -> BTreeMap<PageId, u64> {
        let mut pages = BTreeMap::new();
        let pending = self.pending(&BTreeMap::new());
        for (chunk, count) in self.chunks.iter().zip(pending).filter(|(_, count)| *count > 0) {
            *pages.entry(chunk.page.clone()).or_default() += count;
        }
        pages
    }

    /// Who waits, by page.
    pub fn waiting_by_page(&self) -> BTreeMap<PageId, Waiting> {
        self.by_page(&BTreeMap::new())
    }

    /// Who waits for a call, by page: without those who were called and of whom nobody knows the answer.
    pub fn callable(&self) -> BTreeMap<PageId, Waiting> {
        self.by_page(&self.unanswered_of_chunks())
    }

    fn by_page(&self, less: &BTreeMap<ChunkId, u64>) -> BTreeMap<PageId, Waiting> {
        let mut pages: BTreeMap<PageId, Waiting> = BTreeMap::new();
        let pending = self.pending(less);
        for (chunk, count) in self.chunks.iter().zip(pending).filter(|(_, count)| *count > 0) {
            add(pages.entry(chunk.page.clone()).or_default(), chunk, count);
        }
        pages
    }

    /// Of each chunk: who is pending, `less` so many.
    fn pending(&self, less: &BTreeMap<ChunkId, u64>) -> Vec<u64> {
        let counters: BTreeMap<ChunkId, &Counters> =
            self.counters.iter().map(|(chunk, counters)| (*chunk, counters)).collect();
        let pending = |chunk: &ChunkRow| {
            let pending = counters.get(&chunk.id).map_or(u64::from(chunk.size), |counters| counters.pending);
            pending.saturating_sub(less.get(&chunk.id).copied().unwrap_or_default())
        };
        self.chunks.iter().map(pending).collect()
    }
}

fn add(waiting: &mut Waiting, chunk: &ChunkRow, count: u64) {
    if count > 0 {
        *waiting.entry(chunk.class.clone()).or_default() += count;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sluice_core::CampaignId;
    use sluice_core::launch::parse_json;

    /// A campaign of pages `a` and `b` with these rules; `rate` as JSON.
    pub(crate) fn row(rate: &str, rules: &str) -> CampaignRow {
        let launch = format!(
            r#"{{"campaign": "spring", "channel": "http", "pages": ["a", "b"], "audience": {{"path": "a.csv"}},
                "message": {{"http": {{"body": {{}}}}}}, "time_zone": "America/Sao_Paulo",
                "rate": {rate}, "rules": {rules}}}"#
        );
        CampaignRow::launched(parse_json(&launch).unwrap(), 0)
    }

    /// A campaign with one chunk a page of so many recipients, none of whom was called.
    pub(crate) fn stored(row: CampaignRow, waiting: &[(&str, u32)]) -> Stored {
        let chunk = |(number, (page, size)): (usize, &(&str, u32))| ChunkRow {
            id: ChunkId::new(CampaignId::of("default", "spring"), 0, 1, number as u32),
            page: PageId::from(*page),
            size: *size,
            first_in_class: 0,
            shard: 0,
            spans: Vec::new(),
            skipped: 0,
            class: GateClass::default(),
        };
        let chunks = waiting.iter().enumerate().map(chunk).collect();
        Stored { row, chunks, counters: Vec::new(), ledgers: BTreeMap::new(), quotas: Vec::new() }
    }

    /// A ledger in which `count` calls of `row` were booked at `at_ms`.
    pub(crate) fn booked(row: &CampaignRow, at_ms: i64, count: u32) -> LedgerRow {
        let mut body = LedgerBody::new();
        body.book(sluice_core::ledger::Scope::Campaign(row.id), at_ms, count);
        let fence = sluice_runtime::ports::store::Fence { epoch: 3, seq: 9, control: 0 };
        LedgerRow { fence, owner: Some("sluice-1".to_owned()), body }
    }

    #[test]
    fn g3_a_chunk_without_counters_waits_as_a_whole() {
        let mut stored = stored(row("null", "{}"), &[("a", 9), ("b", 4)]);
        assert_eq!(stored.waiting(), Waiting::from([(GateClass::default(), 13)]));
        let counters = Counters { pending: 2, ..Counters::default() };
        stored.counters = vec![(stored.chunks[0].id, counters)];
        assert_eq!(stored.waiting_on(&PageId::from("a")), Waiting::from([(GateClass::default(), 2)]));
        assert_eq!(stored.waiting(), Waiting::from([(GateClass::default(), 6)]));
    }
}
