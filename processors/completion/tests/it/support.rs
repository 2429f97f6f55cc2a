//! A world with one campaign, its receipts and its end.

use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_completion::{Completion, CompletionOptions, CompletionPorts, NewRun};
use sluice_core::chunk_state::entry;
use sluice_core::{
    CampaignId, CampaignRow, CampaignState, ChunkId, ChunkRow, Counters, IndexSet, LedgerBody, PageId, Seal,
    Transition,
};
use sluice_log::simulated::SimLog;
use sluice_receipts::{ReceiptOptions, ReceiptPorts, ReceiptProcessor};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Topic};
use sluice_runtime::ports::store::{Granted, Store};
use sluice_runtime::{ShutdownTrigger, shutdown};
use sluice_schemas::{
    Audience, CampaignEvent, CampaignLaunch, Channel, Fact, GateClass, HttpMessage, Message, Missed, Receipt,
    ReceiptEntry, Recurring, RetryReady, Rules, decode, encode, is,
};
use sluice_simulation::{Faults, ProcessId, World};
use sluice_store::simulated::SimStore;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

pub(crate) const SIZE: u16 = 10;

/// Another run for those who failed.
pub(crate) const FAILED_ONES: NewRun = NewRun { include_unknown: false, end_at: None };

/// The same, also for those of whom nobody knows.
pub(crate) const UNKNOWN_TOO: NewRun = NewRun { include_unknown: true, end_at: None };

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) log: SimLog,
    pub(crate) store: SimStore,
    hand: ProcessId,
    /// When the world began.
    pub(crate) began: tokio::time::Instant,
}

/// A process with both processors.
pub(crate) struct Running {
    pub(crate) process: ProcessId,
    tasks: Vec<JoinHandle<()>>,
    triggers: [ShutdownTrigger; 2],
}

pub(crate) fn id() -> CampaignId {
    CampaignId::of("t", "c")
}

pub(crate) fn chunk(number: u32) -> ChunkId {
    ChunkId::new(id(), (number % 4) as u16, 1, number)
}

fn launch() -> CampaignLaunch {
    let message = HttpMessage {
        method: "POST".to_owned(),
        headers: Default::default(),
        body: "{}".to_owned(),
        message_id: None,
    };
    CampaignLaunch {
        tenant: "t".to_owned(),
        audience: Audience { inline: Some(Vec::new()), ..Audience::default() },
        message: Message { http: Some(message), ..Message::default() },
        max_retries: 1,
        ..CampaignLaunch::bare("c", Channel::Http, vec!["page".to_owned()])
    }
}

impl Running {
    /// SIGTERM for the completion processor.
    pub(crate) async fn stop_completion(mut self) {
        self.triggers[1].stop();
        self.tasks.remove(1).await.unwrap();
    }
}

impl Bench {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let world = World::new(seed, faults);
        let (log, store) = (SimLog::new(&world), SimStore::new(&world));
        let hand = world.observer("hand");
        Self { world, log, store, hand, began: tokio::time::Instant::now() }
    }

    pub(crate) fn hand_store(&self) -> Arc<dyn Store> {
        self.store.handle(self.hand)
    }

    /// The ports of a process that no fault touches.
    pub(crate) fn hand_ports(&self) -> CompletionPorts {
        self.ports(self.hand)
    }

    pub(crate) fn ports(&self, process: ProcessId) -> CompletionPorts {
        CompletionPorts {
            log: self.log.handle(process),
            store: self.store.handle(process),
            clock: self.world.clock(process),
        }
    }

    /// A campaign that starts in an hour.
    pub(crate) async fn scheduled(&self) {
        let now_ms = self.world.wall_ms();
        let row = CampaignRow::scheduled(launch(), now_ms, now_ms + 3_600_000);
        self.hand_store().create_campaign(row).await.unwrap();
    }

    /// A campaign that comes every hour and has just booked the occurrence of this hour.
    pub(crate) async fn recurring(&self) {
        let recurring = Some(Recurring { cron: "0 * * * *".to_owned(), missed: Missed::Once });
        let launch = CampaignLaunch { rules: Rules { recurring, ..Rules::default() }, ..launch() };
        let now_ms = self.world.wall_ms();
        let at_ms = now_ms - now_ms.rem_euclid(3_600_000);
        let store = self.hand_store();
        store.create_campaign(CampaignRow::scheduled(launch, at_ms - 1, at_ms)).await.unwrap();
        let booking = self.row().book(at_ms, Some(at_ms + 3_600_000), now_ms);
        store.transition(id(), booking).await.unwrap().unwrap();
    }

    /// A campaign on so many pages.
    pub(crate) async fn campaign_on(&self, pages: usize) {
        let pages = (0..pages).map(|number| format!("page {number}")).collect();
        let row = CampaignRow::launched(CampaignLaunch { pages, ..launch() }, self.world.wall_ms());
        self.hand_store().create_campaign(row).await.unwrap();
    }

    /// A campaign of `chunks` chunks that is not sealed, and whose start was told.
    pub(crate) async fn campaign(&self, chunks: u32) {
        self.untold_campaign(chunks).await;
        self.hand_store().announced(id(), &self.row().start_event_id()).await.unwrap();
    }

    /// The same where the expander died before it told of the start.
    pub(crate) async fn untold_campaign(&self, chunks: u32) {
        let store = self.hand_store();
        store.create_campaign(CampaignRow::launched(launch(), self.world.wall_ms())).await.unwrap();
        store.lease_expansion(id()).await.unwrap();
        self.more_chunks(0..chunks).await;
    }

    /// Chunks that an expansion that goes on commits.
    pub(crate) async fn more_chunks(&self, numbers: Range<u32>) {
        let store = self.hand_store();
        for number in numbers {
            let row = ChunkRow {
                id: chunk(number),
                page: PageId::from("page"),
                size: u32::from(SIZE),
                first_in_class: u64::from(number) * u64::from(SIZE),
                shard: 1,
                spans: Vec::new(),
                skipped: 0,
                class: GateClass::default(),
            };
            store.commit_chunk(1, row).await.unwrap();
            self.receipt(number, vec![entry(Fact::Closed, 0, SIZE - 1, 0, 0)]).await;
        }
    }

    pub(crate) async fn seal(&self, chunks: u32, not_expanded: u64) {
        let total = u64::from(chunks) * u64::from(SIZE) + not_expanded;
        self.hand_store().seal(id(), 1, Seal { chunks, total, not_expanded }).await.unwrap();
    }

    /// Takes a step as a process does that dies right after it.
    pub(crate) async fn step(&self, to: CampaignState) {
        let step = Transition::of(&self.row(), to, None, self.world.wall_ms());
        self.hand_store().transition(id(), step).await.unwrap().unwrap();
    }

    /// Claims first attempts of chunk 0 as the page's owner.
    pub(crate) async fn claim(&self, indexes: &IndexSet) {
        let (store, page) = (self.hand_store(), PageId::from("page"));
        let taken = store.take(&page, "sender").await.unwrap();
        let mut body = LedgerBody::new();
        body.claim(chunk(0), 1, indexes).unwrap();
        assert!(matches!(store.grant(&page, taken.fence, &body).await.unwrap(), Granted::Yes(_)));
    }

    /// How often the page was told to look at its campaigns.
    pub(crate) async fn control(&self) -> u64 {
        let ledger = self.hand_store().ledger(&PageId::from("page")).await.unwrap();
        ledger.map_or(0, |ledger| ledger.fence.control)
    }

    pub(crate) async fn receipt(&self, number: u32, entries: Vec<ReceiptEntry>) {
        let value = encode(&Receipt { chunk: ByteArray::new(chunk(number).0), entries });
        let record = NewRecord { key: Bytes::from_static(b"k"), value: Bytes::from(value) };
        let log: Arc<dyn Log> = self.log.handle(self.hand);
        log.append(Topic::Receipts, Partition(number % 4), vec![record]).await.unwrap();
    }

    pub(crate) async fn all(&self, chunks: u32, fact: Fact, attempt: u8) {
        for number in 0..chunks {
            self.receipt(number, vec![entry(fact, 0, SIZE - 1, attempt, 5)]).await;
        }
    }

    pub(crate) fn start(&self, name: &str) -> Running {
        let process = self.world.start(name);
        let ports = self.ports(process);
        let receipts =
            ReceiptPorts { log: ports.log.clone(), store: ports.store.clone(), clock: ports.clock.clone() };
        let (first, stop_first) = shutdown::channel();
        let (second, stop_second) = shutdown::channel();
        let tasks = vec![
            tokio::spawn(async move {
                ReceiptProcessor::new(receipts, ReceiptOptions::default()).run(stop_first).await.unwrap();
            }),
            tokio::spawn(async move {
                Completion::new(ports, CompletionOptions::default()).run(stop_second).await.unwrap();
            }),
        ];
        Running { process, tasks, triggers: [first, second] }
    }

    /// A process that merges receipts and does nothing else; it runs as long as the trigger is held.
    pub(crate) fn start_receipts(&self) -> ShutdownTrigger {
        let ports = self.ports(self.world.start("receipts"));
        let ports = ReceiptPorts { log: ports.log, store: ports.store, clock: ports.clock };
        let (trigger, stop) = shutdown::channel();
        tokio::spawn(async move {
            ReceiptProcessor::new(ports, ReceiptOptions::default()).run(stop).await.unwrap();
        });
        trigger
    }

    pub(crate) fn crash(&self, running: &Running) {
        self.world.kill(running.process);
        running.tasks.iter().for_each(JoinHandle::abort);
    }

    pub(crate) fn row(&self) -> CampaignRow {
        self.store.snapshot().campaigns[&id()].clone()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.store.snapshot().counters.values().copied().sum()
    }

    /// Waits for a state whose event is durable.
    pub(crate) async fn reaches(&self, state: CampaignState, run: u32) {
        for _ in 0..10_000 {
            let row = self.row();
            if (row.state, row.run) == (state, run) && row.announced == Some(row.event_id()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {state:?}: {:?}, {:?}; {}", self.row(), self.counters(), self.world.report());
    }

    /// Waits for a state, keeping one process alive.
    pub(crate) async fn reaches_with_restarts(
        &self,
        mut running: Running,
        state: CampaignState,
        run: u32,
    ) -> Running {
        loop {
            tokio::select! {
                biased;
                dead = self.world.crashed() => {
                    if dead == running.process {
                        self.crash(&running);
                        running = self.start("next");
                    }
                }
                () = self.reaches(state, run) => return running,
            }
        }
    }

    pub(crate) fn events(&self) -> Vec<CampaignEvent> {
        (0..4)
            .flat_map(|partition| self.log.inspect(Topic::Events, Partition(partition)))
            .map(|record| decode(&record.value).unwrap())
            .collect()
    }

    /// Distinct ids of events.
    pub(crate) fn event_ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.events().into_iter().map(|event| event.id).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    pub(crate) fn retries(&self) -> Vec<RetryReady> {
        let records = self.log.inspect(Topic::Chunks, Partition(1));
        records
            .iter()
            .filter(|record| is::<RetryReady>(&record.value))
            .map(|record| decode(&record.value).unwrap())
            .collect()
    }
}
