//! The actor of one page: the unit of fence, claim, use and control, because every limit hangs on it.
//!
//! ```text
//! descriptor ─► lane ─► window ─► grant (durable) ─► granted ─► call ─► outcome ─► receipt
//!                 ▲                                                                   │
//!                 └──────── settle: what the chunk states show ◄──────────────────────┘
//! ```

mod closing;
mod dispatch;
mod doubt;
mod fresh;
mod gated;
mod grant;
mod held;
mod idle;
mod leaving;
mod lifting;
mod load;
mod loading;
mod quotas;
mod ramp;
mod receipts;
mod settle;
mod templates;
mod uses;

pub(crate) use quotas::TOKENS_AHEAD;

use crate::backlog::Line;
use crate::board::{Lift, PageStatus};
use crate::campaigns::Campaign;
use crate::handle::ShardHandle;
use crate::quotas::{CallTokens, QuotaPlace};
use crate::shard::{Context, SenderError, joined};
use crate::watch::Watched;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use receipts::Gathered;
use sluice_core::lane::{Lane, Source, SpanCursor, Work};
use sluice_core::pairs::Pairs;
use sluice_core::share::Shares;
use sluice_core::throttle::TemplateKey;
use sluice_core::usage::Bucket;
use sluice_core::{CampaignId, ChunkId, IndexSet, PageId};
use sluice_runtime::ports::caller::{Begun, CallOutcome, CallRequest};
use sluice_runtime::ports::log::LogError;
use sluice_schemas::{GateClass, Span};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a record of `chunks` asks for.
#[derive(Debug, Clone)]
pub(crate) enum Descriptor {
    First { chunk: ChunkId, size: u32, spans: Vec<Span>, class: GateClass },
    Retry { chunk: ChunkId, attempt: u8, not_before_ms: i64, indexes: IndexSet, class: GateClass },
}

impl Descriptor {
    /// What its record waits together with.
    pub(crate) fn line(&self, page: &PageId) -> Line {
        let (chunk, is_retry) = match self {
            Self::First { chunk, .. } => (chunk, false),
            Self::Retry { chunk, .. } => (chunk, true),
        };
        Line { page: page.clone(), campaign: chunk.campaign(), is_retry }
    }
}

/// How a page ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StopMode {
    /// Ends calls under way until the deadline (monotonic), then hands the page over.
    Drain { deadline: Duration },
    /// The page belongs to another already, or will soon. Ends the same way, as far as it may: everything that is
    /// written to the ledger is refused once the other one has taken it.
    Lost { deadline: Duration },
}

/// A descriptor for a page, and its record of `chunks`.
#[derive(Debug)]
pub(crate) struct OpenWork {
    pub(crate) record: u64,
    pub(crate) descriptor: Descriptor,
}

/// Kept as long as the page is this process's: its shard goes to another one when all are dropped.
pub(crate) type Kept = mpsc::Sender<Infallible>;

/// How a page hears that it has to end. Beside its descriptors, so that a page that waits for the store hears it.
pub(crate) type StopSignal = watch::Receiver<Option<StopMode>>;

/// A send that could be granted now. Boxed: it passes five queues and maps on its way to its call, and moving its 200
/// bytes took more time than anything else that the page does.
type Ready = Box<ReadySend>;

#[derive(Debug)]
struct ReadySend {
    chunk: ChunkId,
    index: u16,
    attempt: u8,
    /// Attempts of earlier runs: they do not count against `max_retries`.
    attempts_before_run: u8,
    request: CallRequest,
    /// Whom it is for.
    to: String,
    /// Facts name a person instead of a message.
    by_person: bool,
    /// When suppressions and the chunk's state were looked at.
    looked_at: Duration,
    /// What its gate looks at.
    class: Arc<GateClass>,
    /// Where the claim is booked as use of the day.
    booked: Booked,
}

/// The quarters of an hour in which a claim counts, where there is a limit of the day.
#[derive(Debug, Clone, Copy, Default)]
struct Booked {
    page: Option<Bucket>,
    campaign: Option<Bucket>,
}

/// A send whose claim is durable.
#[derive(Debug)]
struct GrantedSend {
    ready: Ready,
    not_after: Duration,
}

/// A call under way.
#[derive(Debug)]
struct Calling {
    /// The slot that the limits gave it.
    slot: Duration,
    /// It does not start at or after this.
    start_by: Duration,
    /// By then it has said so if it has not started: the connection that it waited for may take that long.
    not_after: Duration,
    begun: Begun,
    ready: Ready,
    /// What it uses of limits above the page.
    tokens: CallTokens,
}

/// One campaign on this page.
struct LaneState {
    campaign: Campaign,
    watched: Watched,
    lane: Lane,
    window: VecDeque<Ready>,
    granted: VecDeque<GrantedSend>,
    /// Decoded sends to people who were called a moment ago, by when they may be called again.
    deferred: BTreeMap<(Duration, ChunkId, u16), Ready>,
    /// The limits above the page that its calls are under.
    quotas: Vec<QuotaPlace>,
    /// What waits together when the provider does not take it.
    template: TemplateKey,
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
    inbox: UnboundedReceiver<OpenWork>,
    stop_signal: StopSignal,
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
    /// Told where the command was given to this process.
    lifted: Lift,
    ownership: Option<grant::Ownership>,
    /// When another owner took the page last.
    lost_at: Option<Duration>,
    /// It is not taken before.
    own_from: Duration,
    grant: Option<grant::PendingGrant>,
    throughput: dispatch::Throughput,
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
    stop: Option<StopMode>,
    leaving: leaving::Leaving,
    problem: Option<String>,
}

impl Page {
    pub(crate) fn new(
        context: Arc<Context>,
        shard: Arc<ShardHandle>,
        id: PageId,
        inbox: UnboundedReceiver<OpenWork>,
        stop_signal: StopSignal,
        kept: Kept,
    ) -> Self {
        let shares = Shares::new(context.options.shares);
        let tokens = quotas::PageTokens::new(context.quotas.user());
        Self {
            context,
            shard,
            id,
            inbox,
            stop_signal,
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
            lifted: Lift::default(),
            ownership: None,
            lost_at: None,
            own_from: Duration::ZERO,
            grant: None,
            throughput: dispatch::Throughput::default(),
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
            stop: None,
            leaving: leaving::Leaving::not_yet(kept),
            problem: None,
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
                work = self.inbox.recv(), if self.stop.is_none() => match work {
                    Some(work) => self.take_in(work),
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
                Some((number, chunks, done)) = self.appends.next(), if !self.appends.is_empty() => {
                    done?;
                    self.unacknowledged.remove(&number);
                    self.reported(chunks);
                }
                () = self.lifted.notified() => self.lift_holds(),
                () = self.tokens.came() => {}
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
        self.retry_waiting().await?;
        self.own().await?;
        if self.stop.is_some() {
            return Ok(());
        }
        self.hear_of_commands();
        self.look_at_campaigns().await?;
        self.look_for_lift().await?;
        self.start_loads();
        self.look_again().await?;
        self.start_grant();
        self.settle_if_due().await
    }

    /// Descriptors are opened with the next questions to the store. Many arrive together.
    fn take_in(&mut self, first: OpenWork) {
        let now = self.now();
        let mut next = Some(first);
        while let Some(OpenWork { record, descriptor }) = next {
            self.waiting.push((now, record, descriptor));
            next = self.inbox.try_recv().ok();
        }
    }

    /// Puts a descriptor into its campaign's lane. One of a campaign that has ended needs nothing; one of a
    /// campaign that is being cancelled waits until what is claimed is settled, the finalizer does the rest.
    async fn open(&mut self, record: u64, descriptor: Descriptor) -> Result<(), SenderError> {
        let (Descriptor::First { chunk, .. } | Descriptor::Retry { chunk, .. }) = &descriptor;
        let id = chunk.campaign();
        if !self.lanes.contains_key(&id) && !self.open_lane(id, record, &descriptor).await? {
            return Ok(());
        }
        let work = match descriptor {
            Descriptor::First { chunk, size, spans, class } => {
                let source = Source::Spans(SpanCursor::new(spans));
                Work::open(chunk, 1, 0, source, record, IndexSet::full(size)).of_class(class)
            }
            Descriptor::Retry { chunk, attempt, not_before_ms, indexes, class } => {
                Work::open(chunk, attempt, not_before_ms, Source::Rows, record, indexes).of_class(class)
            }
        };
        if let Some(state) = self.lanes.get_mut(&id) {
            state.lane.add(work);
        }
        Ok(())
    }

    async fn retry_waiting(&mut self) -> Result<(), SenderError> {
        let now = self.now();
        if self.stop.is_some() || self.waiting.iter().all(|(due, ..)| *due > now) {
            return Ok(());
        }
        let (due, later) = std::mem::take(&mut self.waiting).into_iter().partition(|(due, ..)| *due <= now);
        self.waiting = later;
        let due: Vec<_> = due;
        for (_, record, descriptor) in due {
            self.open(record, descriptor).await?;
        }
        Ok(())
    }

    fn now(&self) -> Duration {
        self.context.ports.clock.monotonic()
    }

    fn ms(&self, ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn has_work(&self) -> bool {
        self.lanes.values().any(|state| state.has_work())
    }

    fn granted_sends(&self) -> usize {
        self.lanes.values().map(|state| state.granted.len()).sum()
    }

    /// The earliest time at which something has to be done without an event.
    fn next_wake(&self) -> Duration {
        let now = self.now();
        let mut wake = now + Duration::from_secs(1);
        let mut at_least = |time: Duration| wake = wake.min(time.max(now));
        self.report_at.into_iter().for_each(&mut at_least);
        Some(self.rest_until).filter(|until| *until > now).into_iter().for_each(&mut at_least);
        self.settling.next_due().into_iter().for_each(&mut at_least);
        self.ends_by().into_iter().for_each(&mut at_least);
        self.next_look_at_calls(now).into_iter().for_each(&mut at_least);
        if self.stop.is_none() {
            self.waiting.iter().for_each(|(due, ..)| at_least(*due));
            self.next_grant_or_call().into_iter().for_each(&mut at_least);
            self.next_load().into_iter().for_each(&mut at_least);
            let deferred = self.lanes.values().filter_map(|state| state.deferred.keys().next());
            // One whose time has come goes with the next grant, which is waited for above.
            deferred.filter(|(from, ..)| *from > now).for_each(|(from, ..)| at_least(*from));
            if self.ownership.is_none() && self.own_from > now {
                at_least(self.own_from);
            }
            let wall = self.context.ports.clock.wall_ms();
            let retries = self.lanes.values().filter_map(|state| state.lane.next_retry_ms());
            let turns = self.lanes.values().filter_map(|state| state.campaign.next_turn_ms(wall));
            let later = retries.chain(turns).filter(|at_ms| *at_ms > wall);
            later.for_each(|at_ms| at_least(now + Duration::from_millis(at_ms.abs_diff(wall))));
        }
        wake
    }

    /// Whether the log has every outcome that is known here.
    fn is_reported(&self) -> bool {
        self.gathered.is_empty() && self.appends.is_empty()
    }

    /// The speed that the provider leaves, if it is not all of it; at least 1.
    fn speed_percent(&self) -> Option<u32> {
        let pace = self.ownership.as_ref()?.slots.pace();
        let factor = pace.factor(self.now());
        (factor < 1.0).then(|| ((factor * 100.0) as u32).max(1))
    }

    fn show(&self) {
        if self.has_left() {
            return;
        }
        let hold = self.ownership.as_ref().and_then(|ownership| {
            ownership.hold.waits(self.now()).map(|(until, reason)| (until, reason.clone()))
        });
        self.context.board.set(
            &self.id,
            PageStatus {
                in_flight: self.calling.len(),
                granted: self.granted_sends(),
                campaigns: self.lanes.len(),
                claims: self.ownership.as_ref().map_or(0, |ownership| ownership.claims),
                in_doubt: self.ownership.as_ref().map_or(0, |ownership| ownership.body.in_doubt()),
                hold,
                templates: self.held_templates(self.now()),
                calls_per_s: self.throughput.in_ms(self.now(), 1_000).round() as u32,
                speed_percent: self.speed_percent(),
                day: self.day(),
                uses: self.uses(),
                problem: self.problem.clone(),
                waits_for: self
                    .away
                    .as_ref()
                    .or(self.load_away.as_ref())
                    .map(|reason| format!("waiting for the store: {reason}"))
                    .or_else(|| self.tokens.trouble()),
            },
            &self.lifted,
        );
    }
}

/// How the page has to end, once it has to; `None` where nobody is left to say so.
async fn stopped(stop: &mut StopSignal) -> Option<StopMode> {
    match stop.wait_for(Option::is_some).await {
        Ok(mode) => *mode,
        Err(_) => None,
    }
}
