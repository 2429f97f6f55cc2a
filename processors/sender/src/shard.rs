//! The sender: one group of `chunks` decides who has a shard; each page of it is an actor.
//!
//! - `consumer`: the member of the group; `record`: what its records ask for; `hand_over`: the end of shards.

mod consumer;
mod hand_over;
mod record;

pub(crate) use hand_over::joined;

use crate::board::Board;
use crate::limits::SenderLimits;
use crate::metrics::QuotaStats;
use crate::options::SenderOptions;
use crate::page::StopMode;
use crate::quotas::Quotas;
use crate::quotas::leasing::{self, Lessee};
use crate::rows::CampaignRows;
use crate::watch::Watch;
use consumer::Consumer;
use hand_over::all_of;
use sluice_core::quota::Quota;
use sluice_runtime::ports::caller::Caller;
use sluice_runtime::ports::log::{Log, LogError, Partition, Topic};
use sluice_runtime::ports::messages::Messages;
use sluice_runtime::ports::store::{Store, StoreError};
use sluice_runtime::{Clock, Shutdown};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// The consumer group of the sender.
const GROUP: &str = "sender";

/// How long a store that is away may hold up the end, for the last give-back of tokens.
const LAST_GIVE_BACK: Duration = Duration::from_secs(2);

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
    pub fn with_quotas(mut self, quotas: &BTreeMap<String, Quota>) -> Self {
        self.context.quotas = Arc::new(Quotas::new(quotas));
        self
    }

    /// To change limits while it runs.
    pub fn limits(&self) -> SenderLimits {
        SenderLimits::new(self.context.quotas.clone(), self.context.watch.clone())
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
        let mut leasing = JoinSet::new();
        leasing.spawn(leasing::run(context.quotas.clone(), lessee(&context, &self.quota_stats)));
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
        context.quotas.end();
        // What is not given back then counts until its window is over.
        let given_back = async { while leasing.join_next().await.is_some() {} };
        tokio::time::timeout(LAST_GIVE_BACK, given_back).await.unwrap_or(());
        result.and(handed_over).and(ended)
    }
}

fn lessee(context: &Context, stats: &QuotaStats) -> Lessee {
    Lessee {
        store: context.ports.store.clone(),
        clock: context.ports.clock.clone(),
        owner: context.owner.clone(),
        again: Duration::from_millis(context.options.again_ms),
        stats: stats.clone(),
    }
}
