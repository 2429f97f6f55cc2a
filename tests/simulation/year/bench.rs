//! One real sender with one page, over the simulated ports.

use super::case::{Case, PAGE};
use super::judge::BEFORE_MS;
use super::zones::{MINUTE_MS, YEAR_MS};
use crate::live::LiveLimits;
use crate::messages::SimMessages;
use sluice_core::{CampaignRow, ChunkId};
use sluice_log::simulated::SimLog;
use sluice_runtime::ports::log::{NewRecord, Partition, Topic};
use sluice_runtime::ports::store::RecipientRow;
use sluice_runtime::{ShutdownTrigger, shutdown};
use sluice_schemas::{ChunkReady, SendRequest, StringMap, encode};
use sluice_sender::{Sender, SenderError, SenderOptions, SenderPorts};
use sluice_simulation::world::EPOCH_MS;
use sluice_simulation::{Faults, ProcessId, ProviderFaults, SimProvider, World};
use sluice_store::simulated::SimStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const SHARD: Partition = Partition(0);
/// So long after each step is lived.
const AFTER: Duration = Duration::from_millis(300);
/// Claims are not settled here, nobody merges receipts.
const NEVER_MS: u64 = 400 * 86_400_000;

pub(super) struct Bench {
    world: World,
    log: SimLog,
    store: SimStore,
    provider: SimProvider,
    hand: ProcessId,
}

pub(super) struct Running {
    task: JoinHandle<Result<(), SenderError>>,
    trigger: ShutdownTrigger,
}

impl Running {
    pub(super) async fn stop(self) {
        self.trigger.stop();
        self.task.await.unwrap().unwrap();
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let world = World::new(1, Faults::none());
        let faults = ProviderFaults { latency_ms_max: 0, ..ProviderFaults::none() };
        Self {
            log: SimLog::new(&world),
            store: SimStore::new(&world),
            provider: SimProvider::new(&world, faults),
            hand: world.observer("hand"),
            world,
        }
    }

    /// A campaign with these hours, so many people in that zone, and `rate`.
    pub(super) async fn campaign(&self, case: Case, rate: &str, people: u32) {
        let row = CampaignRow::launched(case.launch(rate), self.world.wall_ms());
        let chunk = ChunkId::new(row.id, 0, 1, 0);
        let store = self.store.handle(self.hand);
        store.create_campaign(row).await.unwrap();
        let rows = (0..people).map(|index| recipient(chunk, index)).collect();
        store.write_recipients(chunk, rows).await.unwrap();
        let ready = ChunkReady {
            chunk: chunk.0.into(),
            page: PAGE.to_owned(),
            size: people as i32,
            spans: Vec::new(),
            class: case.class(),
        };
        let record = NewRecord { key: Vec::new().into(), value: encode(&ready).into() };
        self.log.handle(self.hand).append(Topic::Chunks, SHARD, vec![record]).await.unwrap();
    }

    pub(super) fn start(&self) -> Running {
        let process = self.world.start("sender");
        let messages = SimMessages {
            settles_by_webhook: false,
            limits: LiveLimits::default(),
            page_daily: None,
            timeout_ms: 2_000,
        };
        let ports = SenderPorts {
            log: self.log.handle(process),
            store: self.store.handle(process),
            caller: self.provider.caller(process),
            messages: Arc::new(messages),
            clock: self.world.clock(process),
        };
        // Few are decoded ahead: whatever closes is put back.
        let options = SenderOptions {
            window_sends_max: 4,
            commit_ms: 3_600_000,
            settle_ms: NEVER_MS,
            unresolved_after_ms: NEVER_MS,
            ..SenderOptions::default()
        };
        let (trigger, stop) = shutdown::channel();
        let sender = Sender::new(ports, options, "sender".to_owned());
        Running { task: tokio::spawn(sender.run(stop)), trigger }
    }

    /// Lives through these minutes of the year (UTC, ascending): from a moment before each to a moment after it. Between
    /// them the clocks jump.
    pub(super) async fn live(&self, steps: impl Iterator<Item = i64>) {
        for minute in steps {
            let after_start_ms = YEAR_MS + minute * MINUTE_MS - EPOCH_MS;
            let step = Duration::from_millis(u64::try_from(after_start_ms).unwrap());
            tokio::time::advance(
                (step - Duration::from_millis(BEFORE_MS as u64)).saturating_sub(self.world.now()),
            )
            .await;
            self.world.sleep_until(step + AFTER).await;
        }
    }

    /// When the provider was called for a campaign, in ms since the year began (UTC).
    pub(super) fn calls_ms(&self, case: Case) -> Vec<i64> {
        let id = case.id();
        let calls = self.provider.truth().calls.into_iter();
        let of_campaign = calls.filter(|call| call.send.chunk.campaign() == id);
        of_campaign.map(|call| call.at.as_millis() as i64 + EPOCH_MS - YEAR_MS).collect()
    }
}

fn recipient(chunk: ChunkId, index: u32) -> RecipientRow {
    let send = SendRequest {
        chunk: chunk.0.into(),
        index: index as i32,
        address: format!("+1415{index:07}"),
        name: None,
        customer_id: None,
        time_zone: None,
        variables: StringMap::from([("coupon".to_owned(), "WELCOME".to_owned())]),
    };
    RecipientRow { index: index as u16, line: u64::from(index), skipped: None, payload: encode(&send).into() }
}
