//! A world with one campaign, and processes that merge its receipts.

use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::chunk_state::entry;
use sluice_core::partition::partition_of;
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, ChunkState, PageId, Seal};
use sluice_log::simulated::SimLog;
use sluice_receipts::{
    ParseWebhook, ParsedWebhook, ReceiptError, ReceiptOptions, ReceiptPorts, ReceiptProcessor, WebhookFact,
    WebhookOptions, WebhookPorts, WebhookProcessor, WebhookTarget,
};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Topic};
use sluice_runtime::ports::store::Store;
use sluice_runtime::{ShutdownTrigger, shutdown};
use sluice_schemas::{
    CampaignLaunch, Channel, Fact, GateClass, OnUnknown, PageRefused, Receipt, ReceiptEntry, RetryReady,
    WebhookReceived, decode, encode, is,
};
use sluice_simulation::{Faults, ProcessId, World};
use sluice_store::simulated::SimStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

pub(crate) const PAGE: &str = "page";
pub(crate) const SIZE: u16 = 40;

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) log: SimLog,
    pub(crate) store: SimStore,
    pub(crate) hand: ProcessId,
    pub(crate) options: ReceiptOptions,
}

pub(crate) struct Running {
    pub(crate) process: ProcessId,
    pub(crate) task: JoinHandle<Result<(), ReceiptError>>,
    pub(crate) trigger: ShutdownTrigger,
}

pub(crate) fn launch(max_retries: i32, on_unknown: OnUnknown) -> CampaignLaunch {
    let bare = CampaignLaunch::bare("c", Channel::Messenger, vec![PAGE.to_owned()]);
    CampaignLaunch { tenant: "t".to_owned(), max_retries, on_unknown, ..bare }
}

pub(crate) fn chunk(number: u32) -> ChunkId {
    ChunkId::new(CampaignId::of("t", "c"), (number % 4) as u16, 1, number)
}

/// A sealed campaign of `chunks` chunks.
pub(crate) async fn prepare(store: &dyn Store, launch: CampaignLaunch, chunks: u32, now_ms: i64) {
    let row = CampaignRow::launched(launch, now_ms);
    let id = row.id;
    store.create_campaign(row).await.unwrap();
    store.lease_expansion(id).await.unwrap();
    for number in 0..chunks {
        let row = ChunkRow {
            id: chunk(number),
            page: PageId::from(PAGE),
            size: u32::from(SIZE),
            first_in_class: u64::from(number) * u64::from(SIZE),
            shard: 1,
            spans: Vec::new(),
            skipped: 0,
            class: GateClass::default(),
        };
        store.commit_chunk(1, row).await.unwrap();
    }
    let total = u64::from(chunks) * u64::from(SIZE);
    store.seal(id, 1, Seal { chunks, total, not_expanded: 0 }).await.unwrap();
}

impl Bench {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let world = World::new(seed, faults);
        let (log, store) = (SimLog::new(&world), SimStore::new(&world));
        let hand = world.observer("hand");
        Self { world, log, store, hand, options: ReceiptOptions::default() }
    }

    pub(crate) fn hand_log(&self) -> Arc<dyn Log> {
        self.log.handle(self.hand)
    }

    pub(crate) fn hand_store(&self) -> Arc<dyn Store> {
        self.store.handle(self.hand)
    }

    /// A sealed campaign of `chunks` chunks.
    pub(crate) async fn campaign(&self, launch: CampaignLaunch, chunks: u32) {
        prepare(&*self.hand_store(), launch, chunks, self.world.wall_ms()).await;
    }

    pub(crate) async fn receipt(&self, chunk: ChunkId, entries: Vec<ReceiptEntry>) {
        let value = encode(&Receipt { chunk: ByteArray::new(chunk.0), entries });
        self.raw(Topic::Receipts, u32::from(chunk.receipts_partition()), value).await;
    }

    pub(crate) async fn raw(&self, topic: Topic, partition: u32, value: Vec<u8>) {
        let record = NewRecord { key: Bytes::from_static(b"k"), value: Bytes::from(value) };
        self.hand_log().append(topic, Partition(partition), vec![record]).await.unwrap();
    }

    pub(crate) async fn webhook(&self, lines: &str) {
        let received = WebhookReceived {
            channel: Channel::Messenger,
            page: Some(PAGE.to_owned()),
            received_at_ms: self.world.wall_ms(),
            body: lines.as_bytes().to_vec(),
        };
        self.raw(Topic::WebhooksRaw, 0, encode(&received)).await;
    }

    pub(crate) fn receipts(&self, name: &str) -> Running {
        let process = self.world.start(name);
        let ports = ReceiptPorts {
            log: self.log.handle(process),
            store: self.store.handle(process),
            clock: self.world.clock(process),
        };
        let (trigger, stop) = shutdown::channel();
        let task = tokio::spawn(ReceiptProcessor::new(ports, self.options.clone()).run(stop));
        Running { process, task, trigger }
    }

    pub(crate) fn webhooks(&self, name: &str, options: WebhookOptions) -> Running {
        let process = self.world.start(name);
        let ports = WebhookPorts {
            log: self.log.handle(process),
            store: self.store.handle(process),
            clock: self.world.clock(process),
            parse: Arc::new(Lines),
        };
        let (trigger, stop) = shutdown::channel();
        let task = tokio::spawn(WebhookProcessor::new(ports, options).run(stop));
        Running { process, task, trigger }
    }

    pub(crate) fn crash(&self, running: &Running) {
        self.world.kill(running.process);
        running.task.abort();
    }

    /// Waits until everything in `receipts` is committed, the processors' own receipts included.
    pub(crate) async fn settled(&self) {
        for _ in 0..20_000 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if self.is_settled("receipts", Topic::Receipts) && self.is_settled("webhooks", Topic::WebhooksRaw)
            {
                return;
            }
        }
        panic!("never settled; {}", self.world.report());
    }

    fn is_settled(&self, group: &str, topic: Topic) -> bool {
        (0..self.hand_log().partitions(topic)).map(Partition).all(|partition| {
            let end = self.log.inspect(topic, partition).last().map_or(0, |record| record.offset.next().0);
            let committed = self.log.inspect_committed(group, topic, partition).map_or(0, |at| at.0);
            committed >= end
        })
    }

    /// All entries of a chunk in the log.
    fn told(&self, chunk: ChunkId) -> Vec<ReceiptEntry> {
        let records = self.log.inspect(Topic::Receipts, Partition(u32::from(chunk.receipts_partition())));
        let receipts = records.iter().filter_map(|record| decode::<Receipt>(&record.value).ok());
        receipts.filter(|receipt| *receipt.chunk == chunk.0).flat_map(|receipt| receipt.entries).collect()
    }

    /// What all receipts of a chunk in the log say.
    pub(crate) fn recount(&self, chunk: ChunkId) -> ChunkState {
        let mut state = ChunkState::new();
        self.told(chunk).iter().for_each(|entry| state.merge(entry));
        state
    }

    /// Stored states and counters equal a recount of the log (G3).
    pub(crate) fn check_states(&self, chunks: u32) {
        let snapshot = self.store.snapshot();
        for number in 0..chunks {
            let recount = self.recount(chunk(number));
            let (_, stored) = snapshot.states.get(&chunk(number)).cloned().unwrap_or_default();
            assert_eq!(stored, recount, "chunk {number}; {}", self.world.report());
            self.check_readers(number, &recount);
        }
    }

    /// Whichever replicas a reader asks, it gets the counters of the state, and what the log says of each recipient.
    fn check_readers(&self, number: u32, recount: &ChunkState) {
        let told = self.told(chunk(number));
        for seen in self.store.readers(chunk(number)) {
            assert_eq!(seen.counters, recount.counters(), "chunk {number}; {}", self.world.report());
            let lost: Vec<_> = told.iter().filter(|entry| !seen.details.contains(entry)).collect();
            assert!(lost.is_empty(), "chunk {number} lost {lost:?}; {}", self.world.report());
        }
    }

    /// All retry records.
    pub(crate) fn retries(&self) -> Vec<RetryReady> {
        let records = self.log.inspect(Topic::Chunks, Partition(1));
        records
            .iter()
            .filter(|record| is::<RetryReady>(&record.value))
            .map(|record| decode(&record.value).unwrap())
            .collect()
    }

    /// What owners of a page are told, in its shard.
    pub(crate) fn refused(&self, page: &str) -> Vec<PageRefused> {
        let shard = partition_of(page.as_bytes(), self.hand_log().partitions(Topic::Chunks));
        let records = self.log.inspect(Topic::Chunks, Partition(shard));
        let refused = records.iter().filter(|record| is::<PageRefused>(&record.value));
        let refused = refused.map(|record| decode::<PageRefused>(&record.value).unwrap());
        refused.filter(|refused| refused.page == page).collect()
    }

    /// Whether somebody is told to make this attempt.
    pub(crate) fn is_retried(&self, chunk: ChunkId, index: u16, attempt: u8) -> bool {
        self.retries().iter().any(|retry| {
            *retry.chunk == chunk.0
                && retry.attempt == i32::from(attempt)
                && retry
                    .indexes
                    .iter()
                    .any(|range| range.first <= i32::from(index) && i32::from(index) <= range.last)
        })
    }

    pub(crate) fn dead_letters(&self) -> Vec<sluice_schemas::DeadLetter> {
        (0..self.hand_log().partitions(Topic::DeadLetters))
            .flat_map(|partition| self.log.inspect(Topic::DeadLetters, Partition(partition)))
            .map(|record| decode(&record.value).unwrap())
            .collect()
    }
}

pub(crate) fn one(fact: Fact, index: u16, attempt: u8, at_ms: i64) -> ReceiptEntry {
    entry(fact, index, index, attempt, at_ms)
}

/// Reads lines: `tag <echo tag> <fact> <at>`, `message <id> <fact> <at>`, `person <address> <fact> <at>`,
/// `refused <page> <reason> <at>`.
pub(crate) struct Lines;

impl ParseWebhook for Lines {
    fn parse(&self, received: &WebhookReceived) -> Result<ParsedWebhook, String> {
        let text = std::str::from_utf8(&received.body).map_err(|error| error.to_string())?;
        let (refused, facts): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with("refused "));
        let facts = facts.into_iter().map(fact_of).collect::<Option<Vec<WebhookFact>>>();
        let refused = refused.into_iter().map(refused_of).collect::<Option<Vec<PageRefused>>>();
        let (facts, refused) = (facts.ok_or("not a line")?, refused.ok_or("not a line")?);
        Ok(ParsedWebhook { facts, refused, ..ParsedWebhook::default() })
    }
}

fn refused_of(line: &str) -> Option<PageRefused> {
    let words: Vec<&str> = line.split(' ').collect();
    let [_, page, reason, at] = words[..] else { return None };
    Some(PageRefused {
        page: page.to_owned(),
        reason: reason.to_owned(),
        detail: "131042: payment problem".to_owned(),
        at_ms: at.parse().ok()?,
        wait_ms: None,
    })
}

fn fact_of(line: &str) -> Option<WebhookFact> {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, name, fact, at] = words[..] else { return None };
    let target = match kind {
        "tag" => WebhookTarget::Tag(name.parse().ok()?),
        "message" => WebhookTarget::Message(Channel::Messenger, name.to_owned()),
        "person" => WebhookTarget::Person { page: PageId::from(PAGE), address: name.to_owned() },
        _ => return None,
    };
    let fact = match fact {
        "sent" => Fact::Accepted,
        "delivered" => Fact::Delivered,
        "read" => Fact::Read,
        "responded" => Fact::Responded,
        "failed" => Fact::Failed,
        _ => return None,
    };
    let provider_id = (kind == "tag").then(|| format!("id-of-{name}"));
    Some(WebhookFact { target, fact, at_ms: at.parse().ok()?, reason: None, message: None, provider_id })
}
