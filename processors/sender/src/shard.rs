//! The consumer of `chunks`: one group decides who has a shard; each page of it is an actor.

use crate::board::Board;
use crate::handle::ShardHandle;
use crate::metrics::QuotaStats;
use crate::options::SenderOptions;
use crate::page::{Descriptor, Kept, OpenWork, Page, StopMode};
use crate::quotas::Quotas;
use crate::quotas::leasing::{self, Lessee};
use crate::rows::CampaignRows;
use crate::watch::Watch;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sluice_core::quota::Quota;
use sluice_core::{ChunkId, PageId};
use sluice_runtime::ports::caller::Caller;
use sluice_runtime::ports::log::{
    AppendTicket, Committer, Deliveries, Delivery, Log, LogError, NewRecord, Partition, Position,
    RevokeGuard, StoredRecord, Topic,
};
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::ports::store::{Store, StoreError};
use sluice_runtime::{Clock, Shutdown};
use sluice_schemas::{ChunkReady, DeadLetter, RetryReady, decode, encode, is};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

/// The consumer group of the sender.
const GROUP: &str = "sender";

/// How long a log that is away may hold the end of a shard up.
const LAST_COMMIT: Duration = Duration::from_secs(2);

/// The same for a store and the last give-back of tokens.
const LAST_GIVE_BACK: Duration = Duration::from_secs(2);

/// Something that waits for the log.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, SenderError>> + Send>>;

/// Records that were parked, or lie between such.
type Reread = Vec<(Partition, Vec<StoredRecord>)>;

/// What the sender stands on.
#[derive(Clone)]
pub struct SenderPorts {
    /// Topics `chunks`, `sends`, `receipts`.
    pub log: Arc<dyn Log>,
    /// Ledgers, chunk states, recipients, campaigns.
    pub store: Arc<dyn Store>,
    /// Makes the calls.
    pub caller: Arc<dyn Caller>,
    /// Renders the requests.
    pub messages: Arc<dyn Messages>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for SenderPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SenderPorts")
    }
}

/// Why the sender stopped by itself. Nothing is lost: a restart goes on.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The log failed for good.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store failed for good.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A page's task panicked: a bug.
    #[error("the task of a page ended unexpectedly: {0}")]
    Page(String),
}

/// What all pages of a process share.
pub(crate) struct Context {
    pub(crate) ports: SenderPorts,
    pub(crate) options: SenderOptions,
    /// Names this process start.
    pub(crate) owner: String,
    /// When that was, ms since 1970.
    pub(crate) started_ms: i64,
    pub(crate) board: Board,
    pub(crate) watch: Watch,
    pub(crate) rows: CampaignRows,
    pub(crate) quotas: Arc<Quotas>,
}

struct Shard {
    handle: Arc<ShardHandle>,
    pages: BTreeMap<PageId, UnboundedSender<OpenWork>>,
    /// Told to all pages of the shard.
    stop: watch::Sender<Option<StopMode>>,
    /// One for each page, and when all are dropped.
    kept: (Kept, mpsc::Receiver<Infallible>),
    paused: bool,
}

/// The processor.
#[derive(Debug)]
pub struct Sender {
    context: Context,
    quota_stats: QuotaStats,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Shards that go to others, and the guard that waits for them.
struct HandOver {
    shards: JoinSet<Result<(), SenderError>>,
    guard: Option<RevokeGuard>,
}

impl Sender {
    /// `owner` names this start of the process in ledgers; no two starts share one.
    pub fn new(ports: SenderPorts, options: SenderOptions, owner: String) -> Self {
        let (board, watch, quotas) = (Board::default(), Watch::default(), Arc::default());
        let started_ms = ports.clock.wall_ms();
        let rows = CampaignRows::new(ports.store.clone());
        let context = Context { ports, options, owner, started_ms, board, watch, rows, quotas };
        Self { context, quota_stats: QuotaStats::default() }
    }

    /// Keeps these limits above pages, too, by their names; without it there are none.
    pub fn with_quotas(mut self, quotas: BTreeMap<String, Quota>) -> Self {
        self.context.quotas = Arc::new(Quotas::new(quotas));
        self
    }

    /// What is told of leases.
    pub fn quota_stats(&self) -> QuotaStats {
        self.quota_stats.clone()
    }

    /// What the pages are doing.
    pub fn board(&self) -> Board {
        self.context.board.clone()
    }

    /// Sends until `shutdown`; then ends calls under way, hands the pages over and commits.
    ///
    /// # Errors
    /// When the log or the store can't go on; nothing is lost.
    pub async fn run(self, mut shutdown: Shutdown) -> Result<(), SenderError> {
        let membership = tokio::select! {
            biased;
            () = shutdown.stopping() => return Ok(()),
            joined = self.context.ports.log.join(GROUP, Topic::Chunks) => joined?,
        };
        let context = Arc::new(self.context);
        let mut watching = JoinSet::new();
        watching.spawn(context.watch.clone().run(context.ports.store.clone()));
        let mut leasing = start_leasing(&context, &self.quota_stats);
        let mut consumer = Consumer {
            context: context.clone(),
            committer: membership.committer,
            shards: BTreeMap::new(),
            tasks: BTreeMap::new(),
            ending: JoinSet::new(),
        };
        let mut deliveries = membership.deliveries;
        let result = consumer.consume(&mut *deliveries, &mut shutdown).await;
        let all: Vec<Partition> = consumer.shards.keys().copied().collect();
        all.iter().for_each(|partition| consumer.committer.pause(*partition));
        let deadline = consumer.context.ports.clock.monotonic()
            + Duration::from_millis(consumer.context.options.drain_ms);
        let mode = if result.is_ok() { StopMode::Drain { deadline } } else { StopMode::Lost { deadline } };
        let hand_over = consumer.stop(&all, mode, None);
        let handed_over = if result.is_ok() {
            hand_over.finish_as_member(&mut *deliveries).await
        } else {
            hand_over.finish().await
        };
        // From here on others have the pages; calls that take long end beside them.
        drop(deliveries);
        let ended = all_of(consumer.ending).await;
        context.quotas.pools().for_each(|pool| pool.end());
        // What is not given back then counts until its window is over.
        let given_back = async { while leasing.join_next().await.is_some() {} };
        tokio::time::timeout(LAST_GIVE_BACK, given_back).await.unwrap_or(());
        result.and(handed_over).and(ended)
    }
}

/// The tasks of all quotas.
fn start_leasing(context: &Context, stats: &QuotaStats) -> JoinSet<()> {
    let lessee = Lessee {
        store: context.ports.store.clone(),
        clock: context.ports.clock.clone(),
        owner: context.owner.clone(),
        again: Duration::from_millis(context.options.again_ms),
        stats: stats.clone(),
    };
    let mut tasks = JoinSet::new();
    for pool in context.quotas.pools() {
        tasks.spawn(leasing::run(pool, lessee.clone()));
    }
    tasks
}

struct Consumer {
    context: Arc<Context>,
    committer: Arc<dyn Committer>,
    shards: BTreeMap<Partition, Shard>,
    tasks: BTreeMap<Partition, JoinSet<Result<(), SenderError>>>,
    /// Pages of former shards. They hand over first, and end with their last calls.
    ending: JoinSet<Result<(), SenderError>>,
}

impl Consumer {
    async fn consume(
        &mut self,
        deliveries: &mut dyn Deliveries,
        shutdown: &mut Shutdown,
    ) -> Result<(), SenderError> {
        let mut tick = tokio::time::interval(Duration::from_millis(self.context.options.commit_ms));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut handing_over: JoinSet<Result<(), SenderError>> = JoinSet::new();
        // Neither waits for the log in this loop, which hears of rebalances and of the shutdown.
        let mut upkeep: Option<Work<Reread>> = None;
        let mut letters: FuturesUnordered<Work<()>> = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => break,
                delivery = deliveries.next() => match delivery? {
                    Delivery::Assigned { partition, position, .. } => self.assigned(partition, position),
                    Delivery::Records { partition, records } => {
                        letters.extend(self.records(partition, records));
                    }
                    Delivery::Revoking { partitions, done } => {
                        let mode = StopMode::Drain { deadline: done.deadline };
                        handing_over.spawn(self.stop(&partitions, mode, Some(done)).finish());
                    }
                    Delivery::Lost { partitions } => {
                        let drain = Duration::from_millis(self.context.options.drain_ms);
                        let deadline = self.context.ports.clock.monotonic() + drain;
                        handing_over.spawn(self.stop(&partitions, StopMode::Lost { deadline }, None).finish());
                    }
                },
                Some(ended) = handing_over.join_next() => joined(ended)??,
                Some(ended) = self.ending.join_next() => joined(ended)??,
                ended = work(&mut upkeep) => {
                    // As long as there is room, more of what is parked is read.
                    upkeep = self.unpark(ended?).then(|| self.upkeep());
                }
                Some(written) = letters.next(), if !letters.is_empty() => written?,
                _ = tick.tick() => {
                    self.tick()?;
                    if upkeep.is_none() {
                        upkeep = Some(self.upkeep());
                    }
                }
            }
        }
        all_of(handing_over).await
    }

    fn assigned(&mut self, partition: Partition, position: Position) {
        info!(shard = partition.0, position = position.0, "shard assigned");
        let records_max = self.context.options.records_max;
        let handle = Arc::new(ShardHandle::new(partition, self.committer.clone(), position.0, records_max));
        let (pages, stop, kept) = (BTreeMap::new(), watch::Sender::new(None), mpsc::channel(1));
        let shard = Shard { handle, pages, stop, kept, paused: false };
        self.shards.insert(partition, shard);
    }

    /// Gives records to their pages; what is to be written for those nobody can use.
    fn records(&mut self, partition: Partition, records: Vec<StoredRecord>) -> Vec<Work<()>> {
        let mut letters: Vec<Work<()>> = Vec::new();
        for record in records {
            match parse(&record) {
                Ok((page, descriptor)) => {
                    let Some(shard) = self.shards.get(&partition) else { continue };
                    let line = descriptor.line(&page);
                    if shard.handle.backlog().begin(record.offset.0, &line) {
                        self.route(partition, record.offset.0, page, descriptor);
                    }
                }
                Err(reason) => {
                    let Some(shard) = self.shards.get(&partition) else { continue };
                    let handle = shard.handle.clone();
                    handle.backlog().begin_apart(record.offset.0);
                    let letter = self.dead_letter(partition, &record, reason);
                    letters.push(Box::pin(async move {
                        letter.await?;
                        handle.finish(&[record.offset.0]);
                        Ok(())
                    }));
                }
            }
        }
        if let Some(shard) = self.shards.get_mut(&partition)
            && !shard.paused
            && shard.handle.backlog().is_full()
        {
            shard.paused = true;
            self.committer.pause(partition);
        }
        letters
    }

    fn route(&mut self, partition: Partition, offset: u64, page: PageId, descriptor: Descriptor) {
        let Some(shard) = self.shards.get_mut(&partition) else { return };
        let command = OpenWork { record: offset, descriptor };
        let undelivered = match shard.pages.get(&page) {
            Some(commands) => commands.send(command).err().map(|refused| refused.0),
            None => Some(command),
        };
        // A page without an actor, or whose actor is gone, gets one.
        if let Some(command) = undelivered {
            let (commands, inbox) = unbounded_channel();
            let (context, handle) = (self.context.clone(), shard.handle.clone());
            let (stop, kept) = (shard.stop.subscribe(), shard.kept.0.clone());
            let actor = Page::new(context, handle, page.clone(), inbox, stop, kept);
            self.tasks.entry(partition).or_default().spawn(actor.run());
            if commands.send(command).is_ok() {
                shard.pages.insert(page, commands);
            }
        }
    }

    /// Gives parked records to their pages, as far as there is room. Whether there was any.
    fn unpark(&mut self, reread: Reread) -> bool {
        let mut any = false;
        for (partition, records) in reread {
            let Some(handle) = self.shards.get(&partition).map(|shard| shard.handle.clone()) else {
                continue;
            };
            for record in records {
                let is_let_in = handle.backlog().unpark(record.offset.0);
                if let (true, Ok((page, descriptor))) = (is_let_in, parse(&record)) {
                    any = true;
                    self.route(partition, record.offset.0, page, descriptor);
                }
            }
        }
        any
    }

    fn dead_letter(&self, partition: Partition, record: &StoredRecord, reason: String) -> AppendTicket {
        warn!(shard = partition.0, offset = record.offset.0, %reason, "record of chunks can't be used");
        let letter = DeadLetter {
            topic: Topic::Chunks.name().to_owned(),
            partition: partition.0 as i32,
            offset: record.offset.0 as i64,
            reason,
            at_ms: self.context.ports.clock.wall_ms(),
            key: record.key.to_vec(),
            value: record.value.to_vec(),
        };
        let value = NewRecord { key: record.key.clone(), value: encode(&letter).into() };
        self.context.ports.log.append(Topic::DeadLetters, Partition(0), vec![value])
    }

    /// Ends the pages of some partitions; waiting for their hand-over is the caller's.
    fn stop(&mut self, partitions: &[Partition], mode: StopMode, guard: Option<RevokeGuard>) -> HandOver {
        let mut shards = JoinSet::new();
        for partition in partitions {
            let Some(shard) = self.shards.remove(partition) else { continue };
            shard.stop.send_replace(Some(mode));
            if let Some(tasks) = self.tasks.remove(partition) {
                self.ending.spawn(all_of(tasks));
            }
            let (kept, mut all) = shard.kept;
            drop(kept);
            let handle = shard.handle;
            shards.spawn(async move {
                // Nothing is ever sent: it ends when no page has one.
                all.recv().await;
                match mode {
                    StopMode::Drain { .. } => commit_last(&handle).await,
                    StopMode::Lost { .. } => Ok(()),
                }
            });
        }
        HandOver { shards, guard }
    }

    fn tick(&mut self) -> Result<(), SenderError> {
        for tasks in self.tasks.values_mut() {
            while let Some(ended) = tasks.try_join_next() {
                joined(ended)??;
            }
        }
        for (partition, shard) in &mut self.shards {
            if shard.paused && !shard.handle.backlog().is_full() {
                shard.paused = false;
                self.committer.resume(*partition);
            }
        }
        Ok(())
    }

    /// Lets the committed offsets follow, and reads what is parked and has room now.
    fn upkeep(&self) -> Work<Reread> {
        let handles: Vec<Arc<ShardHandle>> = self.shards.values().map(|shard| shard.handle.clone()).collect();
        let context = self.context.clone();
        Box::pin(async move {
            let mut reread = Reread::new();
            for handle in handles {
                match handle.commit_if_moved().await {
                    Ok(()) => {}
                    // The rebalance that follows says so too.
                    Err(LogError::Fenced { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
                handle.carry_forward(&context).await?;
                reread.push((handle.partition, handle.read_parked(&context).await?));
            }
            Ok(reread)
        })
    }
}

impl HandOver {
    /// Finishes inside the group. Whoever leaves first has its pages taken in the middle of the drain, and all
    /// that was granted and not called becomes unknown (hazard 11).
    async fn finish_as_member(self, deliveries: &mut dyn Deliveries) -> Result<(), SenderError> {
        let mut finished = std::pin::pin!(self.finish());
        let mut held: Vec<RevokeGuard> = Vec::new();
        loop {
            tokio::select! {
                biased;
                ended = &mut finished => return ended,
                delivery = deliveries.next() => match delivery {
                    Ok(Delivery::Revoking { done, .. }) => held.push(done),
                    // Nothing new is begun.
                    Ok(Delivery::Assigned { .. } | Delivery::Records { .. } | Delivery::Lost { .. }) => {}
                    Err(_) => return finished.await,
                },
            }
        }
    }

    async fn finish(self) -> Result<(), SenderError> {
        let result = all_of(self.shards).await;
        drop(self.guard);
        result
    }
}

/// Waits for all, also after one that failed.
async fn all_of(mut tasks: JoinSet<Result<(), SenderError>>) -> Result<(), SenderError> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        result = result.and(joined(ended).and_then(|ended| ended));
    }
    result
}

/// What a task brought; that it panicked is a bug.
pub(crate) fn joined<T>(ended: Result<T, JoinError>) -> Result<T, SenderError> {
    ended.map_err(|error| SenderError::Page(error.to_string()))
}

/// The last commit of a shard whose pages are handed over.
async fn commit_last(shard: &ShardHandle) -> Result<(), SenderError> {
    match tokio::time::timeout(LAST_COMMIT, shard.commit_if_moved()).await {
        Ok(Ok(()) | Err(LogError::Fenced { .. })) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        // The log is away: what is finished is read once more, and found to be.
        Err(_) => Ok(()),
    }
}

/// The work's end, or never where there is none.
async fn work<T>(work: &mut Option<Work<T>>) -> Result<T, SenderError> {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

fn parse(record: &StoredRecord) -> Result<(PageId, Descriptor), String> {
    if is::<ChunkReady>(&record.value) {
        let ready: ChunkReady = decode(&record.value).map_err(|error| error.to_string())?;
        let size = u32::try_from(ready.size)
            .ok()
            .filter(|size| (1..=sluice_core::CHUNK_ROWS_MAX).contains(size))
            .ok_or_else(|| format!("a chunk of {} rows", ready.size))?;
        let page = PageId::from(ready.page.as_str());
        let chunk = ChunkId(ready.chunk.into_array());
        Ok((page, Descriptor::First { chunk, size, spans: ready.spans, class: ready.class }))
    } else {
        let retry: RetryReady = decode(&record.value).map_err(|error| error.to_string())?;
        let attempt = u8::try_from(retry.attempt)
            .ok()
            .filter(|attempt| (2..=sluice_core::ATTEMPTS_MAX).contains(attempt))
            .ok_or_else(|| format!("a retry with attempt {}", retry.attempt))?;
        let mut indexes = sluice_core::IndexSet::new();
        for range in &retry.indexes {
            match (u16::try_from(range.first), u16::try_from(range.last)) {
                (Ok(first), Ok(last)) if first <= last && u32::from(last) < sluice_core::CHUNK_ROWS_MAX => {
                    indexes.insert_range(first, last);
                }
                _ => return Err(format!("a retry of indexes {}..={}", range.first, range.last)),
            }
        }
        let page = PageId::from(retry.page.as_str());
        let chunk = ChunkId(retry.chunk.into_array());
        let (not_before_ms, class) = (retry.not_before_ms, retry.class);
        Ok((page, Descriptor::Retry { chunk, attempt, not_before_ms, indexes, class }))
    }
}
