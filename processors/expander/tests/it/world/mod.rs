//! Everything around the expander, in memory: what a test looks at afterwards.

mod audience;
mod fuel;
mod log;
mod store;

pub(crate) use audience::{Person, Source};
pub(crate) use fuel::Fuel;

use log::MemoryLog;
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkRow, Seal};
use sluice_expander::{Expander, ExpanderOptions, ExpanderPorts};
use sluice_runtime::ports::audience::Audiences;
use sluice_runtime::ports::log::{NewRecord, Topic};
use sluice_runtime::{Clock, shutdown};
use sluice_schemas::{
    Audience, CampaignEvent, CampaignLaunch, Channel, ChunkReady, DeadLetter, Fact, GateClass, HttpMessage,
    Message, OnUnknown, Receipt, Rules, SendRequest, decode, encode,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::MemoryStore;

pub(crate) const CAMPAIGN: &str = "spring-sale";
const TENANT: &str = "default";

/// The clock of the test runtime: it stands still unless everybody waits.
#[derive(Debug)]
struct TestClock(tokio::time::Instant);

impl Clock for TestClock {
    fn wall_ms(&self) -> i64 {
        1_700_000_000_000 + self.0.elapsed().as_millis() as i64
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) source: Source,
    /// What the expander opens: `source`, unless a test puts another there.
    pub(crate) audiences: Arc<dyn Audiences>,
    pub(crate) fuel: Arc<Fuel>,
    clock: Arc<TestClock>,
}

pub(crate) fn options() -> ExpanderOptions {
    ExpanderOptions { chunk_rows_max: 7, refresh_ms: 20, ..ExpanderOptions::default() }
}

pub(crate) fn launch(pages: usize) -> CampaignLaunch {
    CampaignLaunch {
        campaign: CAMPAIGN.to_owned(),
        tenant: TENANT.to_owned(),
        channel: Channel::Http,
        pages: (0..pages).map(|page| format!("page-{page}")).collect(),
        audience: Audience { path: Some("people.csv".to_owned()), ..Audience::default() },
        message: Message {
            http: Some(HttpMessage {
                method: "POST".to_owned(),
                headers: BTreeMap::new(),
                body: "{\"to\":\"{{address}}\"}".to_owned(),
                message_id: None,
            }),
            ..Message::default()
        },
        variables: BTreeMap::new(),
        rate: None,
        max_retries: 3,
        on_unknown: OnUnknown::Keep,
        time_zone: None,
        rules: Rules::default(),
    }
}

impl World {
    pub(crate) fn new(people: Vec<Person>) -> Self {
        let (fuel, source) = (Arc::new(Fuel::default()), Source::new(people));
        Self {
            log: Arc::new(MemoryLog::new(fuel.clone())),
            store: Arc::new(MemoryStore::new(fuel.clone())),
            audiences: Arc::new(source.clone()),
            source,
            fuel,
            clock: Arc::new(TestClock(tokio::time::Instant::now())),
        }
    }

    pub(crate) fn submit(&self, launch: &CampaignLaunch) {
        self.submit_bytes(encode(launch));
    }

    pub(crate) fn submit_bytes(&self, value: Vec<u8>) {
        self.log.put_launch(NewRecord { key: CAMPAIGN.into(), value: value.into() }, self.now_ms());
    }

    /// Runs an expander for at most `time`, or until `done`.
    pub(crate) async fn run(&self, options: ExpanderOptions, time: Duration, done: impl Fn(&World) -> bool) {
        self.run_and_stop(options, time, done).await;
    }

    /// The same; whether it ended in order.
    pub(crate) async fn run_and_stop(
        &self,
        options: ExpanderOptions,
        time: Duration,
        done: impl Fn(&World) -> bool,
    ) -> bool {
        let (trigger, shutdown) = shutdown::channel();
        let watch = async {
            while !done(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // What follows the end of a job is finished as well.
            tokio::time::sleep(Duration::from_millis(5)).await;
            trigger.stop();
            std::future::pending::<()>().await;
        };
        let both = async {
            tokio::select! {
                ended = Expander::new(self.ports(), options).run(shutdown) => ended.unwrap(),
                () = watch => {}
            }
        };
        // Beyond the time it is dropped where it stands: a crash.
        tokio::time::timeout(time, both).await.is_ok()
    }

    /// Runs an expander until it is dropped where it stands after this time, however long: nobody watches.
    pub(crate) async fn run_for(&self, time: Duration) {
        let (_trigger, shutdown) = shutdown::channel();
        let ended = tokio::time::timeout(time, Expander::new(self.ports(), options()).run(shutdown)).await;
        assert!(ended.is_err(), "{ended:?}");
    }

    fn ports(&self) -> ExpanderPorts {
        ExpanderPorts {
            log: self.log.clone(),
            store: self.store.clone(),
            audiences: self.audiences.clone(),
            clock: self.clock.clone(),
        }
    }

    pub(crate) async fn run_until_over(&self) {
        self.run(options(), Duration::from_secs(60), World::is_over).await;
    }

    /// ms since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    pub(crate) fn id(&self) -> CampaignId {
        CampaignId::of(TENANT, CAMPAIGN)
    }

    pub(crate) fn row(&self) -> Option<CampaignRow> {
        self.store.peek(self.id())
    }

    pub(crate) fn seal(&self) -> Option<Seal> {
        self.row()?.seal
    }

    pub(crate) fn is_over(&self) -> bool {
        self.row().is_some_and(|row| row.seal.is_some() || row.state.is_ended())
    }

    pub(crate) fn chunks(&self) -> Vec<ChunkRow> {
        self.store.committed(self.id())
    }

    pub(crate) fn events(&self) -> Vec<CampaignEvent> {
        self.log.all(Topic::Events).iter().map(|value| decode(value).unwrap()).collect()
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.log.all(Topic::DeadLetters).iter().map(|value| decode(value).unwrap()).collect()
    }

    /// Lines of the people in committed chunks, each with why it is skipped.
    pub(crate) fn committed_lines(&self) -> Vec<(u64, Option<String>)> {
        let rows = self.chunks().into_iter().flat_map(|chunk| self.store.stored(chunk.id));
        let mut lines: Vec<_> = rows.map(|row| (row.line, row.skipped)).collect();
        lines.sort();
        lines
    }

    /// Every promise that must hold whenever nothing is running (G2, hazards 1 and 2).
    pub(crate) fn check_committed(&self) {
        let mut positions: BTreeMap<(String, GateClass), u64> = BTreeMap::new();
        for (number, chunk) in self.chunks().into_iter().enumerate() {
            assert_eq!(chunk.id.number() as usize, number, "numbers have no gaps");
            let class = (chunk.page.as_str().to_owned(), chunk.class.clone());
            let position = positions.entry(class).or_default();
            assert_eq!(chunk.first_in_class, *position, "{:?}: prefixes have no gaps", chunk.id);
            *position += u64::from(chunk.size);
            let rows = self.store.stored(chunk.id);
            assert!(
                rows.iter().map(|row| u32::from(row.index)).eq(0..chunk.size),
                "{:?}: indexes are dense",
                chunk.id
            );
            assert_eq!(rows.iter().filter(|row| row.skipped.is_some()).count() as u32, chunk.skipped);
            let sends: Vec<_> =
                rows.iter().filter(|row| row.skipped.is_none()).map(|row| &row.payload).collect();
            let shard = self.log.partition(Topic::Sends, chunk.shard);
            let spans = chunk.spans.iter().flat_map(|span| &shard[span.first as usize..span.end as usize]);
            assert_eq!(
                spans.map(|record| &record.value).collect::<Vec<_>>(),
                sends,
                "the spans hold what is sent"
            );
            for row in &rows {
                let send: SendRequest = decode(&row.payload).unwrap();
                assert_eq!((ChunkId(*send.chunk), send.index), (chunk.id, i32::from(row.index)));
            }
        }
        let lines: BTreeSet<u64> = self.committed_lines().iter().map(|(line, _)| *line).collect();
        assert_eq!(lines.len(), self.committed_lines().len(), "nobody is in two chunks");
    }

    /// What must hold once the campaign is sealed.
    pub(crate) fn check_sealed(&self, people: usize) {
        self.check_committed();
        let (seal, chunks) = (self.seal().expect("sealed"), self.chunks());
        let expanded: u64 = chunks.iter().map(|chunk| u64::from(chunk.size)).sum();
        let expected = Seal {
            chunks: chunks.len() as u32,
            total: people as u64,
            not_expanded: people as u64 - expanded,
        };
        assert_eq!(seal, expected);

        let mut ready: BTreeMap<ChunkId, ChunkReady> = BTreeMap::new();
        for value in self.log.all(Topic::Chunks) {
            let record: ChunkReady = decode(&value).unwrap();
            let id = ChunkId(*record.chunk);
            assert_eq!(*ready.entry(id).or_insert_with(|| record.clone()), record, "emitted again as before");
        }
        let mut receipts: BTreeMap<ChunkId, Receipt> = BTreeMap::new();
        for value in self.log.all(Topic::Receipts) {
            let record: Receipt = decode(&value).unwrap();
            receipts.insert(ChunkId(*record.chunk), record);
        }
        for chunk in &chunks {
            match ready.remove(&chunk.id) {
                Some(record) => {
                    assert_eq!((record.spans, record.size as u32), (chunk.spans.clone(), chunk.size));
                    assert_eq!(record.class, chunk.class);
                    let shard = self.log.partition(Topic::Chunks, chunk.shard);
                    let keys = shard.iter().filter(|record| record.key == chunk.page.as_str().as_bytes());
                    assert!(keys.count() > 0, "it is in the shard of its page");
                }
                None => assert_eq!(chunk.skipped, chunk.size, "{:?} was never emitted", chunk.id),
            }
            let receipt = receipts.remove(&chunk.id).expect("a receipt says its size");
            let closed = receipt.entries.iter().find(|entry| entry.fact == Fact::Closed).unwrap();
            assert_eq!((closed.first, closed.last as u32), (0, chunk.size - 1));
            let skipped: BTreeMap<i32, &str> = receipt
                .entries
                .iter()
                .filter(|entry| entry.fact == Fact::Skipped)
                .flat_map(|entry| {
                    (entry.first..=entry.last).map(|index| (index, entry.reason.as_deref().unwrap()))
                })
                .collect();
            let rows = self.store.stored(chunk.id);
            let stored = rows.iter().filter_map(|row| Some((i32::from(row.index), row.skipped.as_deref()?)));
            assert!(skipped.into_iter().eq(stored), "{:?}: the receipt names who is skipped", chunk.id);
        }
        assert!(ready.is_empty() && receipts.is_empty(), "nothing is emitted that was not committed");
        let started: BTreeSet<String> = self.events().into_iter().map(|event| event.id).collect();
        assert_eq!(started.len(), 1, "hazard 22: one id");
        assert!(!self.log.all(Topic::Control).is_empty(), "somebody is woken");
    }
}
