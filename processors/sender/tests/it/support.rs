//! A world with one campaign on one page.

use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::quota::Quota;
use sluice_core::rate::{PerDay, Rate};
use sluice_core::{
    CampaignId, CampaignRow, CampaignState, ChunkId, ChunkState, IndexSet, LedgerBody, PageId, Terms,
};
use sluice_log::simulated::SimLog;
use sluice_providers::whatsapp::response::WhatsappAnswers;
use sluice_runtime::ports::caller::{AnswerRules, CallRequest, Endpoint};
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::ports::messages::{Correlation, MessagePlan, Messages, PlanProblem, RenderProblem};
use sluice_runtime::ports::store::{ChunkSave, Granted, RecipientRow, Store, Transition};
use sluice_runtime::{Clock, ShutdownTrigger, shutdown};
use sluice_schemas::{
    Audience, CampaignLaunch, Channel, ChunkReady, Fact, GateClass, Message, OnUnknown, PageRefused, Receipt,
    ReceiptEntry, Rules, SendRequest, decode, encode,
};
use sluice_sender::{Board, Sender, SenderError, SenderLimits, SenderOptions, SenderPorts};
use sluice_simulation::{Faults, ProcessId, ProviderFaults, SimProvider, Verdict, World};
use sluice_store::simulated::SimStore;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

pub(crate) const SIZE: u32 = 10;
const SHARD: Partition = Partition(1);

pub(crate) fn page() -> PageId {
    PageId::from("page")
}

pub(crate) fn id() -> CampaignId {
    CampaignId::of("t", "c")
}

pub(crate) fn chunk() -> ChunkId {
    ChunkId::new(id(), 0, 1, 0)
}

pub(crate) fn launch(name: &str) -> CampaignLaunch {
    CampaignLaunch {
        campaign: name.to_owned(),
        tenant: "t".to_owned(),
        channel: Channel::Http,
        pages: vec![page().as_str().to_owned()],
        audience: Audience::default(),
        message: Message::default(),
        variables: Default::default(),
        rate: None,
        max_retries: 1,
        on_unknown: OnUnknown::Keep,
        time_zone: None,
        rules: Rules::default(),
    }
}

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) log: SimLog,
    store: SimStore,
    provider: SimProvider,
    hand: ProcessId,
    /// The page's own limit.
    pub(crate) page_rate: Option<Rate>,
    /// Its limit of the day.
    pub(crate) page_daily: Option<PerDay>,
    /// Recipients of a chunk.
    pub(crate) chunk_size: u32,
    /// Limits above pages.
    pub(crate) quotas: BTreeMap<String, Quota>,
    /// Whether webhooks may tell what became of a call.
    pub(crate) has_webhooks: bool,
    /// What its answers mean.
    pub(crate) rules: Arc<dyn AnswerRules>,
    pub(crate) options: SenderOptions,
    /// How often somebody looked at the clock: what pages have done, whether it led to anything or not.
    pub(crate) looks: Arc<AtomicU64>,
}

/// A clock that counts who looks at it.
struct Counted {
    clock: Arc<dyn Clock>,
    looks: Arc<AtomicU64>,
}

impl Clock for Counted {
    fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    fn monotonic(&self) -> Duration {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.clock.monotonic()
    }
}

/// Nobody merges receipts here: claims stay as they are, and a test that lives through days does not look for them.
const NEVER_MS: u64 = 400 * 86_400_000;

/// A process that sends; dropped, it is not told to stop.
pub(crate) struct Running {
    task: JoinHandle<Result<(), SenderError>>,
    trigger: ShutdownTrigger,
    pub(crate) board: Board,
    pub(crate) process: ProcessId,
    own: OwnLimits,
    limits: SenderLimits,
}

/// The page's own limits, as they are configured now.
type OwnLimits = Arc<Mutex<(Option<Rate>, Option<PerDay>)>>;

impl Running {
    /// From now on other limits are configured: of each page, and above them.
    pub(crate) fn change(&self, own: (Option<&str>, Option<&str>), quotas: &BTreeMap<String, Quota>) {
        let (rate, daily) = own;
        *self.own.lock().unwrap() =
            (rate.map(|rate| rate.parse().unwrap()), daily.map(|daily| daily.parse().unwrap()));
        self.limits.change(quotas);
    }

    pub(crate) async fn stop(self) {
        self.trigger.stop();
        self.task.await.unwrap().unwrap();
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let world = World::new(1, Faults::none());
        let (log, store) = (SimLog::new(&world), SimStore::new(&world));
        let provider = SimProvider::new(&world, ProviderFaults::none());
        let hand = world.observer("hand");
        Self {
            world,
            log,
            store,
            provider,
            hand,
            page_rate: None,
            page_daily: None,
            chunk_size: SIZE,
            quotas: BTreeMap::new(),
            has_webhooks: false,
            rules: Arc::new(WhatsappAnswers),
            options: SenderOptions::default(),
            looks: Arc::default(),
        }
    }

    /// For days: what is called is not looked at again.
    pub(crate) fn for_days() -> Self {
        let options =
            SenderOptions { settle_ms: NEVER_MS, unresolved_after_ms: NEVER_MS, ..SenderOptions::default() };
        Self { options, ..Self::new() }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.store.handle(self.hand)
    }

    /// A campaign with one announced chunk, whose claims `claimed` an owner left that died.
    pub(crate) async fn campaign(&self, claimed: &[u16]) {
        let store = self.store();
        store.create_campaign(CampaignRow::launched(launch("c"), self.world.wall_ms())).await.unwrap();
        let mut body = LedgerBody::new();
        let indexes: IndexSet = claimed.iter().copied().collect();
        body.claim(chunk(), 1, &indexes).unwrap();
        let taken = store.take(&page(), "the dead").await.unwrap();
        assert!(matches!(store.grant(&page(), taken.fence, &body).await.unwrap(), Granted::Yes(_)));
        self.announce(chunk()).await;
    }

    /// Another campaign on the same page, with a limit and a chunk whose rows are there.
    pub(crate) async fn limited_campaign(&self, rate: &str) {
        self.ruled_campaign("limited", Some(rate), Rules::default(), &[GateClass::default()]).await;
    }

    /// A campaign on the same page, with a chunk a class, whose rows are there.
    pub(crate) async fn ruled_campaign(
        &self,
        name: &str,
        rate: Option<&str>,
        rules: Rules,
        classes: &[GateClass],
    ) {
        let launch = CampaignLaunch { rate: rate.map(str::to_owned), rules, ..launch(name) };
        let row = CampaignRow::launched(launch, self.world.wall_ms());
        let id = row.id;
        self.store().create_campaign(row).await.unwrap();
        for (number, class) in classes.iter().enumerate() {
            self.chunk_of(ChunkId::new(id, 0, 1, number as u32), class.clone()).await;
        }
    }

    /// Another chunk of such a campaign.
    pub(crate) async fn next_chunk(&self, name: &str, number: u32) {
        self.chunk_of(ChunkId::new(CampaignId::of("t", name), 0, 1, number), GateClass::default()).await;
    }

    async fn chunk_of(&self, chunk: ChunkId, class: GateClass) {
        self.write_rows(chunk).await;
        self.announce_of(chunk, class).await;
    }

    async fn write_rows(&self, chunk: ChunkId) {
        let store = self.store();
        let recipient = |index: u16| {
            let send = SendRequest {
                chunk: chunk.0.into(),
                index: i32::from(index),
                address: format!("+1{index}"),
                name: None,
                customer_id: None,
                time_zone: None,
                variables: Default::default(),
            };
            RecipientRow { index, line: u64::from(index), skipped: None, payload: encode(&send).into() }
        };
        store.write_recipients(chunk, (0..self.chunk_size as u16).map(recipient).collect()).await.unwrap();
    }

    async fn announce(&self, chunk: ChunkId) {
        self.announce_of(chunk, GateClass::default()).await;
    }

    async fn announce_of(&self, chunk: ChunkId, class: GateClass) {
        self.announce_in(&page(), SHARD, chunk, class).await;
    }

    /// A campaign of `tenant` on a page of its own shard, with so many chunks whose rows are there.
    pub(crate) async fn campaign_on(&self, name: &str, tenant: &str, page: &str, shard: u32, chunks: u32) {
        let launch = CampaignLaunch { tenant: tenant.to_owned(), ..launch(name) };
        self.launched(launch, &[(page, shard, chunks)]).await;
    }

    /// A campaign on pages of their own shards, with so many chunks on each whose rows are there.
    pub(crate) async fn launched(&self, launch: CampaignLaunch, on: &[(&str, u32, u32)]) -> CampaignRow {
        let pages = on.iter().map(|(page, ..)| (*page).to_owned()).collect();
        let row = CampaignRow::launched(CampaignLaunch { pages, ..launch }, self.world.wall_ms());
        self.store().create_campaign(row.clone()).await.unwrap();
        let chunks = on.iter().flat_map(|(page, shard, chunks)| (0..*chunks).map(move |_| (*page, *shard)));
        for (number, (page, shard)) in (0..).zip(chunks) {
            let chunk = ChunkId::new(row.id, 0, 1, number);
            self.write_rows(chunk).await;
            self.announce_in(&PageId::from(page), Partition(shard), chunk, GateClass::default()).await;
        }
        row
    }

    /// When the calls of a campaign were made, and by which process.
    pub(crate) fn callers_of(&self, name: &str, tenant: &str) -> Vec<(Duration, ProcessId)> {
        let id = CampaignId::of(tenant, name);
        let calls = self.provider.truth().calls;
        let of_campaign = calls.iter().filter(|call| call.send.chunk.campaign() == id);
        of_campaign.map(|call| (call.at, call.process)).collect()
    }

    /// A campaign on the same page whose chunk is announced in another partition, as after they were made more.
    pub(crate) async fn campaign_of_another_shard(&self, name: &str) {
        self.ruled_campaign(name, None, Rules::default(), &[]).await;
        let chunk = ChunkId::new(CampaignId::of("t", name), 0, 1, 0);
        self.write_rows(chunk).await;
        self.announce_in(&page(), Partition(SHARD.0 - 1), chunk, GateClass::default()).await;
    }

    async fn announce_in(&self, page: &PageId, shard: Partition, chunk: ChunkId, class: GateClass) {
        let ready = ChunkReady {
            chunk: chunk.0.into(),
            page: page.as_str().to_owned(),
            size: self.chunk_size as i32,
            spans: Vec::new(),
            class,
        };
        let record = NewRecord { key: Vec::new().into(), value: encode(&ready).into() };
        self.log.handle(self.hand).append(Topic::Chunks, shard, vec![record]).await.unwrap();
    }

    /// Whoever splits webhooks tells the page.
    pub(crate) async fn tell(&self, refused: &PageRefused) {
        let record = NewRecord { key: Vec::new().into(), value: encode(refused).into() };
        self.log.handle(self.hand).append(Topic::Chunks, SHARD, vec![record]).await.unwrap();
    }

    pub(crate) async fn cancel(&self) {
        let step = Transition {
            from: CampaignState::Running,
            run: 1,
            to: CampaignState::Cancelling,
            reason: None,
            at_ms: self.world.wall_ms(),
            terms: None,
            under: None,
        };
        self.store().transition(id(), step).await.unwrap().unwrap();
        self.store().bump_control(&page()).await.unwrap();
    }

    pub(crate) fn start(&self, name: &str) -> Running {
        let process = self.world.start(name);
        let own: OwnLimits = Arc::new(Mutex::new((self.page_rate, self.page_daily)));
        let ports = SenderPorts {
            log: self.log.handle(process),
            store: self.store.handle(process),
            caller: self.provider.caller(process),
            messages: Arc::new(Plain {
                own: own.clone(),
                has_webhooks: self.has_webhooks,
                rules: self.rules.clone(),
            }),
            clock: Arc::new(Counted { clock: self.world.clock(process), looks: self.looks.clone() }),
        };
        let (trigger, stop) = shutdown::channel();
        let sender = Sender::new(ports, self.options.clone(), name.to_owned());
        let sender = sender.with_quotas(&self.quotas);
        let (board, limits) = (sender.board(), sender.limits());
        Running { task: tokio::spawn(sender.run(stop)), trigger, board, process, own, limits }
    }

    pub(crate) fn calls(&self) -> usize {
        self.provider.truth().calls.len()
    }

    /// When the calls of a campaign were made, for which number of its chunks.
    pub(crate) fn calls_of(&self, name: &str) -> Vec<(Duration, u32)> {
        let id = CampaignId::of("t", name);
        let calls = self.provider.truth().calls;
        let of_campaign = calls.iter().filter(|call| call.send.chunk.campaign() == id);
        of_campaign.map(|call| (call.at, call.send.chunk.number())).collect()
    }

    /// When the provider heard calls, and whether it took them.
    pub(crate) fn heard(&self) -> Vec<(Duration, bool)> {
        let calls = self.provider.truth().calls.into_iter();
        calls.map(|call| (call.at, matches!(call.verdict, Verdict::Accepted { .. }))).collect()
    }

    /// Pauses the templates of these campaigns, and no others.
    pub(crate) fn pause_templates_of(&self, names: &[&str]) {
        self.pause_templates(names.iter().map(|name| CampaignId::of("t", name)));
    }

    /// The same for campaigns of any tenant.
    pub(crate) fn pause_templates(&self, ids: impl IntoIterator<Item = CampaignId>) {
        self.provider.pause_templates_of(ids);
    }

    /// Lets calls start no sooner than after this time.
    pub(crate) fn stall(&self, time: Duration) {
        self.provider.stall(time);
    }

    /// How the provider answers from now on.
    pub(crate) fn answers(&self, faults: ProviderFaults) {
        self.provider.set_faults(faults);
    }

    /// When each person was called, whatever the campaign: they are known by their index here.
    pub(crate) fn calls_by_person(&self) -> BTreeMap<u16, Vec<Duration>> {
        let mut people: BTreeMap<u16, Vec<Duration>> = BTreeMap::new();
        for call in self.provider.truth().calls {
            people.entry(call.send.index).or_default().push(call.at);
        }
        people
    }

    /// Makes a step of a campaign as a command does: the row, then `control` of its page.
    pub(crate) async fn command(&self, name: &str, to: CampaignState, terms: Option<Terms>) {
        let store = self.store();
        let row = store.campaign(CampaignId::of("t", name)).await.unwrap().unwrap();
        let terms = terms.map(|terms| (row.terms_version, terms));
        let step = Transition { terms, ..Transition::of(&row, to, None, self.world.wall_ms()) };
        store.transition(row.id, step).await.unwrap().unwrap();
        store.bump_control(&page()).await.unwrap();
    }

    /// Lets so much time pass, for tests that live through days: while nobody was called for two minutes it jumps, never
    /// as far as a session lasts.
    pub(crate) async fn live(&self, time: Duration) {
        let (mut called, end) = (self.world.now(), self.world.now() + time);
        while self.world.now() < end {
            let step = Duration::from_secs(60).min(end - self.world.now());
            called = self.provider.truth().calls.last().map_or(called, |call| call.at.max(called));
            if self.world.now() < called + Duration::from_secs(120) {
                tokio::time::sleep(step).await;
                continue;
            }
            for _ in 0..12 {
                tokio::time::advance(step / 12).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// When the first call was made.
    pub(crate) fn first_call(&self) -> Option<Duration> {
        self.provider.truth().calls.first().map(|call| call.at)
    }

    pub(crate) fn receipts(&self) -> Vec<ReceiptEntry> {
        self.receipts_of_chunk(chunk())
    }

    /// What was told of a campaign's first chunk.
    pub(crate) fn receipts_of(&self, name: &str) -> Vec<ReceiptEntry> {
        self.receipts_of_chunk(ChunkId::new(CampaignId::of("t", name), 0, 1, 0))
    }

    fn receipts_of_chunk(&self, chunk: ChunkId) -> Vec<ReceiptEntry> {
        let partition = Partition(u32::from(chunk.receipts_partition()));
        let records = self.log.inspect(Topic::Receipts, partition).into_iter();
        let receipts = records.map(|record| decode::<Receipt>(&record.value).unwrap());
        receipts
            .filter(|receipt| receipt.chunk.as_slice() == chunk.0)
            .flat_map(|receipt| receipt.entries)
            .collect()
    }

    /// Everybody opts out.
    pub(crate) async fn opt_out(&self) {
        let people = (0..self.chunk_size).map(|index| (format!("+1{index}"), "said so".to_owned()));
        self.store().suppress("t", Channel::Http, people.collect()).await.unwrap();
    }

    /// What the receipt processor stores when it has merged these, all that there is up to a position.
    pub(crate) async fn merge(&self, position: u64, receipts: &[ReceiptEntry]) {
        self.merge_of(chunk(), position, receipts).await;
    }

    /// The same where all of a campaign's chunk was accepted.
    pub(crate) async fn accepted(&self, name: &str, number: u32) {
        let chunk = ChunkId::new(CampaignId::of("t", name), 0, 1, number);
        self.merge_of(chunk, 1, &[entry(Fact::Accepted, 0, SIZE as u16 - 1, 1, 0)]).await;
    }

    async fn merge_of(&self, chunk: ChunkId, position: u64, receipts: &[ReceiptEntry]) {
        let mut state = ChunkState::new();
        receipts.iter().for_each(|entry| state.merge(entry));
        state.merge(&entry(Fact::Closed, 0, SIZE as u16 - 1, 0, 0));
        let counters = state.counters();
        let stamp = Stamp::new(1, position);
        let save = ChunkSave { chunk, stamp, state, counters, details: Vec::new(), details_to: stamp };
        self.store().save_chunks(vec![save]).await.unwrap();
    }

    /// The committed position of the chunk's shard.
    pub(crate) fn committed(&self) -> u64 {
        self.log.inspect_committed("sender", Topic::Chunks, SHARD).map_or(0, |position| position.0)
    }
}

/// A channel. Campaigns whose name has a dash share the template that stands before it.
struct Plain {
    own: OwnLimits,
    has_webhooks: bool,
    rules: Arc<dyn AnswerRules>,
}

struct PlainPlan {
    template: Option<String>,
    has_webhooks: bool,
    rules: Arc<dyn AnswerRules>,
}

impl Messages for Plain {
    fn plan(&self, launch: &CampaignLaunch, _: &PageId) -> Result<Arc<dyn MessagePlan>, PlanProblem> {
        let template = launch.campaign.split_once('-').map(|(template, _)| template.to_owned());
        Ok(Arc::new(PlainPlan { template, has_webhooks: self.has_webhooks, rules: self.rules.clone() }))
    }

    fn page_rate(&self, _: Channel, _: &PageId) -> Option<Rate> {
        self.own.lock().unwrap().0
    }

    fn page_daily(&self, _: Channel, _: &PageId) -> Option<PerDay> {
        self.own.lock().unwrap().1
    }
}

impl MessagePlan for PlainPlan {
    fn render(
        &self,
        send: &SendRequest,
        tag: sluice_core::ids::EchoTag,
    ) -> Result<CallRequest, RenderProblem> {
        let endpoint = Endpoint {
            page: page(),
            method: "POST".to_owned(),
            url: "http://provider.invalid/".to_owned(),
            headers: Vec::new(),
            answers: self.rules.clone(),
            timeout_ms: self.timeout_ms(),
        };
        let body = send.address.clone().into_bytes().into();
        Ok(CallRequest { endpoint: Arc::new(endpoint), body, tag: Some(tag.to_string().into()) })
    }

    fn correlation(&self) -> Correlation {
        Correlation { settles_by_webhook: self.has_webhooks, by_person: false }
    }

    fn timeout_ms(&self) -> u64 {
        2_000
    }

    fn template(&self) -> Option<&str> {
        self.template.as_deref()
    }
}
