//! The store: the rows of the domain.
//!
//! Guarantees every implementation gives:
//! - Every write is durable when it returns. A compare-and-set whose answer was lost is settled inside (each
//!   carries a sequence number or a version, hazard 3); [`StoreError::Unavailable`] means "nothing is known",
//!   and asking again is safe.
//! - Campaign rows, ledgers and quotas are linearisable; chunk states are ordered by their stamp alone, the higher
//!   wins whatever the order of writes (hazards 15, 16).
//! - What was written by a fenced epoch after a newer one took over is refused (hazards 2, 5).

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
pub use sluice_core::Transition;
use sluice_core::chunk_state::Stamp;
use sluice_core::{
    CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, Counters, IndexSet, LedgerBody, PageId,
    QuotaBody, Seal, SendId,
};
use sluice_schemas::{Channel, Fact, ReceiptEntry};
use std::collections::BTreeMap;

/// Ledgers of one campaign that are asked for at a time: enough to hide the way to a store, few beside what pages ask.
const PAGES_AT_ONCE: usize = 32;

/// Why the store refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another owner has taken over.
    #[error("fenced: {0} belongs to a newer epoch")]
    Fenced(String),
    /// The row is not there.
    #[error("no such {0}")]
    Missing(String),
    /// A stored value can't be read.
    #[error("damaged {what}: {reason}")]
    Damaged {
        /// Which row.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// No answer that settles the question; asking again is safe.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The disk is full or failed: nothing more is acknowledged until the process starts again.
    #[error("the store can't be written: {0}")]
    Storage(String),
}

/// A result of the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// What became of a launch.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// The campaign is new.
    New(CampaignRow),
    /// It was there already; nothing was changed.
    Existing(CampaignRow),
}

/// The right to expand a campaign, until somebody takes a higher epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpansionLease {
    /// The campaign with the new epoch.
    pub row: CampaignRow,
    /// All that was committed before; read after the epoch was raised (hazard 2).
    pub chunks: Vec<ChunkRow>,
}

/// What a compare-and-set on a ledger is conditional on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Grows with every owner.
    pub epoch: u64,
    /// Grows with every write of the owner.
    pub seq: u64,
    /// Grows with every command that concerns the page.
    pub control: u64,
}

/// What is known about a former owner at a take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// It handed over, or there was none: nobody else begins a call. Some of those that are claimed may be under way.
    HandedOver,
    /// It did not hand over, and can't be running any more (its process held a lock that is free now).
    Gone,
    /// It did not hand over and may still be calling: wait it out.
    MayRun,
}

/// A page ledger as its new owner finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// For the next grant.
    pub fence: Fence,
    /// Claims that are not settled.
    pub body: LedgerBody,
    /// Whose they were.
    pub predecessor: Predecessor,
}

/// A page ledger, for those who only look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// Its present condition.
    pub fence: Fence,
    /// Who has it; `None` after a hand-over.
    pub owner: Option<String>,
    /// Claims that are not settled.
    pub body: LedgerBody,
}

/// The answer to a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// It is durable; the next one is conditional on this.
    Yes(Fence),
    /// Nothing was written: another owner, or a command that has to be looked at first.
    No(Fence),
}

/// A quota, for those who lease of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaRow {
    /// Grows with every write; 0 before the first.
    pub version: u64,
    /// What is booked.
    pub body: QuotaBody,
}

/// The answer to a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leased {
    /// It is durable, and the row has this version.
    Yes(u64),
    /// Nothing was written, and never will be: somebody else was faster, the row is this. Where the same write was
    /// asked for before and had no answer, and the row's version lies more than one beyond the expected one, nobody can
    /// tell any more whether that first one was written.
    No(QuotaRow),
}

/// One recipient as the expander wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientRow {
    /// Inside the chunk.
    pub index: u16,
    /// Line in the source, from 1; 0 where there is none.
    pub line: u64,
    /// Why it is never sent.
    pub skipped: Option<String>,
    /// A framed `SendRequest`; its address is as given in the source where the row is skipped.
    pub payload: Bytes,
}

/// A chunk state to be stored, with what readers want beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkSave {
    /// Which.
    pub chunk: ChunkId,
    /// The prefix of the log that it knows.
    pub stamp: Stamp,
    /// The whole cell.
    pub state: ChunkState,
    /// Derived from `state`, for readers.
    pub counters: Counters,
    /// The entries merged since the last save: times, errors, provider ids.
    pub details: Vec<ReceiptEntry>,
    /// The prefix that ends with them, by which they are kept. Below `stamp` where they are saved once more, because
    /// the owner who saved this state may have died in the middle of it.
    pub details_to: Stamp,
}

/// By what a webhook names a send, where no echo tag comes back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CorrelationKey {
    /// The provider's id of the message.
    Message(Channel, String),
    /// A conversation: facts reach everything sent up to a time.
    Person(PageId, String),
}

/// A send that a webhook may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorrelatedSend {
    /// The send.
    pub send: SendId,
    /// Its attempt.
    pub attempt: u8,
    /// When it was accepted, ms since 1970.
    pub sent_at_ms: i64,
}

/// A fact that a webhook told before its send was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyFact {
    /// What happened.
    pub fact: Fact,
    /// When, ms since 1970. For a [`CorrelationKey::Person`] also the watermark: sends up to it are meant.
    pub at_ms: i64,
    /// Error code and message, where it is a failure.
    pub reason: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// When it was received, ms since 1970; decides when it is given up.
    pub received_at_ms: i64,
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // Campaigns: linearisable.

    /// Creates the campaign unless its id is taken. [`StoreError::Fenced`] when the id belongs to another name.
    async fn create_campaign(&self, row: CampaignRow) -> StoreResult<Created>;
    /// Reads one campaign.
    async fn campaign(&self, id: CampaignId) -> StoreResult<Option<CampaignRow>>;
    /// Reads all campaigns, oldest first.
    async fn campaigns(&self) -> StoreResult<Vec<CampaignRow>>;
    /// Reads those that are not ended, and those whose end is not announced; oldest first. The cost does not
    /// grow with the campaigns of the past where the implementation can do better than this default.
    async fn unfinished(&self) -> StoreResult<Vec<CampaignRow>> {
        let mut rows = self.campaigns().await?;
        rows.retain(CampaignRow::is_unfinished);
        Ok(rows)
    }
    /// Raises the expansion epoch, then reads what was committed.
    async fn lease_expansion(&self, id: CampaignId) -> StoreResult<ExpansionLease>;
    /// Binds the audience's pin to the campaign; gives back the pin that stands (the first one).
    async fn pin_source(&self, id: CampaignId, epoch: u32, pin: &str) -> StoreResult<String>;
    /// The commit point of a chunk. Refused under an older epoch. The same row again is fine.
    async fn commit_chunk(&self, epoch: u32, row: ChunkRow) -> StoreResult<()>;
    /// Ends the expansion. Refused under an older epoch. The same seal again is fine.
    async fn seal(&self, id: CampaignId, epoch: u32, seal: Seal) -> StoreResult<()>;
    /// Committed chunks, by number.
    async fn chunks(&self, id: CampaignId) -> StoreResult<Vec<ChunkRow>>;
    /// One committed chunk.
    async fn chunk(&self, id: ChunkId) -> StoreResult<Option<ChunkRow>>;
    /// Takes the step if the campaign is exactly there; the new row, or `None` when it is elsewhere.
    /// From completed to running it raises the run.
    async fn transition(&self, id: CampaignId, step: Transition) -> StoreResult<Option<CampaignRow>>;
    /// Notes that the event of the present state is durable in the log.
    async fn announced(&self, id: CampaignId, event_id: &str) -> StoreResult<()>;

    // Page ledgers: linearisable.

    /// Raises the epoch and makes `owner` the owner.
    async fn take(&self, page: &PageId, owner: &str) -> StoreResult<Taken>;
    /// Replaces the body if epoch, seq and control are still these.
    async fn grant(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<Granted>;
    /// Hands the page over: no owner, this body. Refused under an older fence.
    async fn release(&self, page: &PageId, fence: Fence, body: &LedgerBody) -> StoreResult<()>;
    /// Raises `control`, so that whoever grants looks at its campaigns again. Gives the new value.
    async fn bump_control(&self, page: &PageId) -> StoreResult<u64>;
    /// The same for each of `pages`, some at a time: a campaign may have thousands.
    async fn bump_controls(&self, pages: &[PageId]) -> StoreResult<()> {
        let bumps: Vec<_> = pages.iter().map(|page| self.bump_control(page)).collect();
        let mut bumps = stream::iter(bumps).buffer_unordered(PAGES_AT_ONCE);
        while bumps.try_next().await?.is_some() {}
        Ok(())
    }
    /// Looks at a ledger.
    async fn ledger(&self, page: &PageId) -> StoreResult<Option<LedgerRow>>;
    /// Looks at those of `pages` that are there, some at a time.
    async fn ledgers(&self, pages: &[PageId]) -> StoreResult<BTreeMap<PageId, LedgerRow>> {
        let looks = pages.iter().map(|page| async { Ok((page.clone(), self.ledger(page).await?)) });
        let looks: Vec<_> = looks.collect();
        let mut looks = stream::iter(looks).buffer_unordered(PAGES_AT_ONCE);
        let mut ledgers = BTreeMap::new();
        while let Some((page, ledger)) = looks.try_next().await? {
            ledgers.extend(ledger.map(|ledger| (page, ledger)));
        }
        Ok(ledgers)
    }

    // Quotas: linearisable.

    /// Looks at a quota; `None` where nobody leased of it yet.
    async fn quota(&self, scope: &str) -> StoreResult<Option<QuotaRow>>;
    /// Replaces the body if the version is still this one, 0 where there is no row. `writer` names this write and no
    /// other: the same write may be asked for again, and is written once.
    async fn lease(
        &self,
        scope: &str,
        expected_version: u64,
        writer: &str,
        body: &QuotaBody,
    ) -> StoreResult<Leased>;

    // Recipients: written once by the expander, before the chunk's commit point.

    /// Writes the recipients of a chunk.
    async fn write_recipients(&self, chunk: ChunkId, rows: Vec<RecipientRow>) -> StoreResult<()>;
    /// Reads those of `indexes` that exist, by index.
    async fn recipients(&self, chunk: ChunkId, indexes: &IndexSet) -> StoreResult<Vec<RecipientRow>>;

    // Chunk states: the highest stamp wins.

    /// Stores all, or nothing of those whose stored stamp is higher. The same stamp again is fine; afterwards
    /// everybody reads state, counters and details of it, also where an earlier save of it got stuck half-way.
    async fn save_chunks(&self, saves: Vec<ChunkSave>) -> StoreResult<()>;
    /// The state with the highest stamp.
    async fn load_chunk(&self, chunk: ChunkId) -> StoreResult<Option<(Stamp, ChunkState)>>;
    /// The counters beside each stored state of a campaign, by chunk number.
    async fn counters(&self, id: CampaignId) -> StoreResult<Vec<(ChunkId, Counters)>>;
    /// All entries saved for a chunk, in order of stamps; a replay may have left some twice.
    async fn details(&self, chunk: ChunkId) -> StoreResult<Vec<ReceiptEntry>>;

    // Correlation: both sides store, then look (hazard 19).

    /// Notes sends under their keys.
    async fn correlate(&self, sends: Vec<(CorrelationKey, CorrelatedSend)>) -> StoreResult<()>;
    /// Sends noted under a key, oldest first.
    async fn correlated(&self, key: &CorrelationKey) -> StoreResult<Vec<CorrelatedSend>>;
    /// Notes facts under their keys.
    async fn note_facts(&self, facts: Vec<(CorrelationKey, EarlyFact)>) -> StoreResult<()>;
    /// Facts noted under a key.
    async fn noted_facts(&self, key: &CorrelationKey) -> StoreResult<Vec<EarlyFact>>;
    /// Removes and gives at most `limit` message facts received before `before_ms` for which no send was
    /// noted, and removes those that found one.
    async fn expire_facts(
        &self,
        before_ms: i64,
        limit: usize,
    ) -> StoreResult<Vec<(CorrelationKey, EarlyFact)>>;

    // Suppressions: people who want no messages.

    /// Suppresses addresses; the text says why.
    async fn suppress(
        &self,
        tenant: &str,
        channel: Channel,
        addresses: Vec<(String, String)>,
    ) -> StoreResult<()>;
    /// Which of `addresses` are suppressed, in their order.
    async fn suppressed(&self, tenant: &str, channel: Channel, addresses: &[&str]) -> StoreResult<Vec<bool>>;

    /// What keeps the store from working now, for people; `None` while all is well.
    fn trouble(&self) -> Option<String> {
        None
    }
}
