//! The actor of one page: the unit of fence, claim, use and control, because every limit hangs on it.
//!
//! ```text
//! descriptor ─► lane ─► window ─► grant (durable) ─► granted ─► call ─► outcome ─► receipt
//!                 ▲                                                                   │
//!                 └──────── settle: what the chunk states show ◄──────────────────────┘
//! ```

mod closing;
mod commands;
mod dispatch;
mod doubt;
mod fresh;
mod gated;
mod grant;
mod held;
mod idle;
mod leaving;
mod lifting;
mod limits;
mod load;
mod loading;
mod opening;
mod outcomes;
mod own;
mod patience;
mod quotas;
mod ramp;
mod receipts;
mod sends;
mod settle;
mod shown;
mod templates;
mod told;
mod uses;
mod waking;

pub(crate) use opening::{Descriptor, ForPage, OpenWork};
pub(crate) use quotas::TOKENS_AHEAD;

use crate::board::Lift;
use crate::campaigns::Campaign;
use crate::handle::ShardHandle;
use crate::quotas::QuotaPlace;
use crate::shard::{Context, SenderError, joined};
use crate::watch::Watched;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use receipts::Gathered;
use sends::{Booked, Calling, GrantedSend, Ready, ReadySend};
use sluice_core::lane::Lane;
use sluice_core::meter::CallMeter;
use sluice_core::pairs::Pairs;
use sluice_core::share::Shares;
use sluice_core::throttle::TemplateKey;
use sluice_core::{CampaignId, ChunkId, PageId};
use sluice_runtime::ports::caller::CallOutcome;
use sluice_runtime::ports::log::LogError;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How a page ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StopMode {
    /// Ends calls under way until the deadline (monotonic), then hands the page over.
    Drain { deadline: Duration },
    /// The page belongs to another already, or will soon. Ends the same way, as far as it may: everything that is
    /// written to the ledger is refused once the other one has taken it.
    Lost { deadline: Duration },
}

/// Kept as long as the page is this process's: its shard goes to another one when all are dropped.
pub(crate) type Kept = mpsc::Sender<Infallible>;

/// How a page hears that it has to end. Beside its descriptors, so that a page that waits for the store hears it.
pub(crate) type StopSignal = watch::Receiver<Option<StopMode>>;

/// One campaign on this page.
struct LaneState {
    campaign: Campaign,
    watched: Watched,
    lane: Lane,
    window: VecDeque<Ready>,
    granted: VecDeque<GrantedSend>,
    /// Decoded sends to people who were called a moment ago, or may have been, by when they may be called again.
    deferred: BTreeMap<(Duration, ChunkId, u16), Ready>,
    /// The limits above the page that its calls are under.
    quotas: Vec<QuotaPlace>,
    /// What waits together when the provider does not take it.
    template: TemplateKey,
    /// Calls one after the other that were refused for what the campaign is.
    refusals: u32,
    /// What is being decoded for it.
    loading: Option<load::Loading>,
    /// Nothing is loaded before: the store gave no answer a moment ago.
    load_from: Duration,
}

/// For tasks beside the page.
type SharedContext = Arc<Context>;

/// A receipt on its way to the log: its number, its chunks, what the log said.
type AppendDone = Pin<Box<dyn Future<Output = (u64, Vec<ChunkId>, Result<(), LogError>)> + Send>>;

pub(crate) struct Page {
    context: Arc<Context>,
    shard: Arc<ShardHandle>,
    id: PageId,
    inbox: UnboundedReceiver<ForPage>,
    stop_signal: StopSignal,
    /// A row that was looked at beside the pages has changed.
    moved: watch::Receiver<()>,
    /// Boxed: a map makes room for eleven at once, and most of thousands of pages have one (G9).
    lanes: BTreeMap<CampaignId, Box<LaneState>>,
    /// Campaigns that are being cancelled and may have claims here.
    closing: BTreeMap<CampaignId, closing::Closing>,
    /// When lanes without work are looked for.
    idle_look_at: Duration,
    /// A command may concern campaigns of this page: nothing is granted before their rows are read (G7).
    look_at_campaigns: bool,
    /// Why the store gave no answer, since its last one.
    away: Option<String>,
    /// Descriptors that are not in a lane yet, and when to try: at once, or later where the campaign can't be opened.
    waiting: Vec<(Duration, u64, Descriptor)>,
    /// Which campaign goes next.
    shares: Shares,
    /// When people were called, as long as a campaign here limits that.
    pairs: Pairs,
    /// The page's part of limits above it.
    tokens: quotas::PageTokens,
    /// Those that the provider does not take at present.
    templates: templates::Templates,
    lifting: lifting::Lifting,
    /// Of the limits that it keeps: see [`crate::watch::Watch::limits`].
    limits: u32,
    /// Told where the command was given to this process.
    lifted: Lift,
    ownership: Option<own::Ownership>,
    /// When another owner took the page last.
    lost_at: Option<Duration>,
    /// It is not taken before.
    own_from: Duration,
    grant: Option<grant::PendingGrant>,
    throughput: dispatch::Throughput,
    /// What people are told of its speed.
    meter: CallMeter,
    calling: BTreeMap<(ChunkId, u16), Calling>,
    outcomes: (UnboundedSender<CallOutcome>, UnboundedReceiver<CallOutcome>),
    /// How large grants are until the page is at its speed.
    ramp: ramp::Ramp,
    /// Outcomes are left to gather until then.
    rest_until: Duration,
    gathered: Gathered,
    /// When the gathered outcomes become a receipt.
    report_at: Option<Duration>,
    appends: FuturesUnordered<AppendDone>,
    /// When each of them began, by number.
    unacknowledged: BTreeMap<u64, Duration>,
    appended: u64,
    settling: settle::Settling,
    /// Decoding under way. Dropped with the page.
    loads: JoinSet<load::LoadEnd>,
    load_number: u64,
    /// Why the store gave no answer to a load, since the last that it answered.
    load_away: Option<String>,
    /// Looks at chunk states under way.
    looks: JoinSet<settle::LookEnd>,
    /// Looks at those who are next.
    freshening: fresh::Freshening,
    /// How long grants take.
    patience: patience::Patience,
    stop: Option<StopMode>,
    leaving: leaving::Leaving,
    /// Why campaigns can't be sent from here.
    problems: BTreeMap<CampaignId, String>,
}

impl Page {
    pub(crate) fn new(
        context: Arc<Context>,
        shard: Arc<ShardHandle>,
        id: PageId,
        inbox: UnboundedReceiver<ForPage>,
        stop_signal: StopSignal,
        kept: Kept,
    ) -> Self {
        let shares = Shares::new(context.options.shares);
        // Asked before they are read: a change meanwhile is heard of then.
        let limits = context.watch.limits();
        let tokens = quotas::PageTokens::new(context.quotas.user());
        let moved = context.watch.moved();
        Self {
            context,
            shard,
            id,
            inbox,
            stop_signal,
            moved,
            lanes: BTreeMap::new(),
            closing: BTreeMap::new(),
            idle_look_at: Duration::ZERO,
            look_at_campaigns: false,
            away: None,
            waiting: Vec::new(),
            shares,
            pairs: Pairs::default(),
            tokens,
            templates: templates::Templates::new(),
            lifting: lifting::Lifting::default(),
            limits,
            lifted: Lift::default(),
            ownership: None,
            lost_at: None,
            own_from: Duration::ZERO,
            grant: None,
            throughput: dispatch::Throughput::default(),
            meter: CallMeter::default(),
            calling: BTreeMap::new(),
            outcomes: unbounded_channel(),
            ramp: ramp::Ramp::default(),
            rest_until: Duration::ZERO,
            gathered: Gathered::default(),
            report_at: None,
            appends: FuturesUnordered::new(),
            unacknowledged: BTreeMap::new(),
            appended: 0,
            settling: settle::Settling::default(),
            loads: JoinSet::new(),
            load_number: 0,
            load_away: None,
            looks: JoinSet::new(),
            freshening: fresh::Freshening::default(),
            patience: patience::Patience::default(),
            stop: None,
            leaving: leaving::Leaving::not_yet(kept),
            problems: BTreeMap::new(),
        }
    }

    pub(crate) async fn run(mut self) -> Result<(), SenderError> {
        let result = self.work().await;
        if !self.has_left() {
            self.context.board.remove(&self.id);
        }
        result
    }

    async fn work(&mut self) -> Result<(), SenderError> {
        let mut outcomes: Vec<CallOutcome> = Vec::new();
        let mut stop = self.stop_signal.clone();
        loop {
            self.decide(&mut stop).await?;
            // The store may have taken its time.
            self.hear_of_limits();
            self.dispatch();
            self.report_if_due();
            self.finish_closing();
            self.forget_idle_lanes();
            self.want_tokens();
            self.show();
            if self.is_drained() {
                return if self.has_left() { Ok(()) } else { self.hand_over(false).await };
            }
            if self.leaves_calls() {
                self.leave_calls().await?;
            }
            let now = self.now();
            let rested = now >= self.rest_until;
            let pause = self.next_wake().saturating_sub(now);
            let limit = self.context.options.outcomes_max;
            tokio::select! {
                biased;
                mode = stopped(&mut stop), if self.stop.is_none() => {
                    let mode = mode.unwrap_or_else(|| self.lost());
                    self.stop_by(mode);
                }
                brought = self.inbox.recv(), if self.stop.is_none() => match brought {
                    Some(brought) => self.take_in(brought),
                    None => self.stop_by(self.lost()),
                },
                count = self.outcomes.1.recv_many(&mut outcomes, limit), if rested => {
                    if count > 0 {
                        self.take_outcomes(&mut outcomes);
                    }
                }
                answer = grant::answered(&mut self.grant) => self.granted(answer)?,
                Some(ended) = self.loads.join_next(), if !self.loads.is_empty() => self.loaded(joined(ended)?)?,
                Some(ended) = self.looks.join_next(), if !self.looks.is_empty() => self.looked(joined(ended)?)?,
                Some(ended) = self.freshening.looks.join_next(), if !self.freshening.looks.is_empty() => {
                    self.freshened(joined(ended)?)?;
                }
                Some((number, chunks, done)) = self.appends.next(), if !self.appends.is_empty() => {
                    done?;
                    self.unacknowledged.remove(&number);
                    self.reported(chunks);
                }
                () = self.lifted.notified() => self.lift_holds(),
                () = self.tokens.came() => {}
                Ok(()) = self.moved.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Everything that asks the store and the log. They may give no answer for long; a stop is heard nevertheless,
    /// and what is dropped then is found again by the next owner: the ledger and the committed offset have it.
    async fn decide(&mut self, stop: &mut StopSignal) -> Result<(), SenderError> {
        match self.stop {
            None => {
                let mode = tokio::select! {
                    biased;
                    mode = stopped(stop) => mode,
                    decided = self.look_and_grant() => return decided,
                };
                let mode = mode.unwrap_or_else(|| self.lost());
                self.stop_by(mode);
                Ok(())
            }
            Some(_) if self.has_left() => Ok(()),
            Some(StopMode::Drain { deadline } | StopMode::Lost { deadline }) => {
                let left = deadline.saturating_sub(self.now());
                tokio::time::timeout(left, self.settle_if_due()).await.unwrap_or(Ok(()))
            }
        }
    }

    async fn look_and_grant(&mut self) -> Result<(), SenderError> {
        self.away = None;
        self.hear_of_limits();
        self.retry_waiting().await?;
        self.own().await?;
        if self.stop.is_some() {
            return Ok(());
        }
        self.hear_of_commands();
        self.look_at_campaigns().await?;
        self.look_for_lift().await?;
        self.start_loads();
        self.start_fresh_looks();
        self.start_grant();
        self.settle_if_due().await
    }

    fn now(&self) -> Duration {
        self.context.ports.clock.monotonic()
    }

    fn ms(&self, ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// How far ahead of their slots sends are granted. Tokens that are used within a moment find no slot where others have
    /// all of them for longer.
    fn ahead(&self) -> Duration {
        let mut quotas = self.lanes.values().flat_map(|state| &state.quotas);
        let patience = match quotas.all(|place| self.tokens.live_long(*place)) {
            true => self.patience.needed(),
            false => Duration::ZERO,
        };
        self.ms(self.context.options.ahead_ms) + patience
    }

    fn has_work(&self) -> bool {
        self.lanes.values().any(|state| state.has_work())
    }

    fn granted_sends(&self) -> usize {
        self.lanes.values().map(|state| state.granted.len()).sum()
    }

    /// Whether the log has every outcome that is known here.
    fn is_reported(&self) -> bool {
        self.gathered.is_empty() && self.appends.is_empty()
    }
}

/// How the page has to end, once it has to; `None` where nobody is left to say so.
async fn stopped(stop: &mut StopSignal) -> Option<StopMode> {
    match stop.wait_for(Option::is_some).await {
        Ok(mode) => *mode,
        Err(_) => None,
    }
}
