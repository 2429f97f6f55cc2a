//! A few processes over one log, store and provider, and what a run of them is.

use crate::audience::SimAudience;
use crate::checks;
use crate::gates::seeded::Ruled;
use crate::live::LiveLimits;
use crate::messages::SimMessages;
use crate::node::{Node, NodeOptions};
use crate::webhooks;
use sluice_completion::CompletionPorts;
use sluice_core::partition::partition_of;
use sluice_core::rate::PerDay;
use sluice_core::{CampaignId, CampaignRow, CampaignState};
use sluice_log::simulated::{GroupTimes, SimLog};
use sluice_runtime::ports::log::{Log, NewRecord, Partition, Topic};
use sluice_runtime::ports::store::Store;
use sluice_schemas::{
    Audience, CampaignEvent, CampaignLaunch, Channel, HttpMessage, Message, OnUnknown, StringMap,
};
use sluice_schemas::{decode, encode};
use sluice_simulation::{Faults, ProcessId, ProviderFaults, SimProvider, Status, World};
use sluice_store::simulated::SimStore;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// What a run is made of.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) faults: Faults,
    pub(crate) provider: ProviderFaults,
    pub(crate) rows: u64,
    pub(crate) pages: usize,
    pub(crate) nodes: usize,
    pub(crate) chunk_rows: u32,
    pub(crate) settles_by_webhook: bool,
    pub(crate) page_rate: Option<&'static str>,
    /// Of each page.
    pub(crate) page_daily: Option<u64>,
    pub(crate) ruled: Ruled,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) group: GroupTimes,
    /// After this nothing new goes wrong, so that the run can end.
    pub(crate) bad_time: Duration,
    /// The run must have ended by then.
    pub(crate) time_max: Duration,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            faults: Faults::none(),
            provider: ProviderFaults::none(),
            rows: 60,
            pages: 2,
            nodes: 2,
            chunk_rows: 16,
            settles_by_webhook: true,
            page_rate: None,
            page_daily: None,
            ruled: Ruled::default(),
            on_unknown: OnUnknown::Keep,
            group: GroupTimes::default(),
            bad_time: Duration::from_secs(120),
            time_max: Duration::from_secs(3_600),
        }
    }
}

/// Whose campaign it is.
pub(crate) const TENANT: &str = "default";
/// Its name.
pub(crate) const CAMPAIGN: &str = "simulated";

/// Of each topic.
pub(crate) const PARTITIONS: u32 = 4;

/// The outside of all processes.
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) log: SimLog,
    pub(crate) store: SimStore,
    pub(crate) provider: SimProvider,
    pub(crate) audience: SimAudience,
    pub(crate) messages: SimMessages,
    pub(crate) launch: CampaignLaunch,
    /// Of every process that starts from now on.
    pub(crate) options: NodeOptions,
    /// Of every process.
    pub(crate) limits: LiveLimits,
    /// A test's own hands: no fault touches them.
    pub(crate) hands: Hands,
}

pub(crate) struct Hands {
    process: ProcessId,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) store: Arc<dyn Store>,
}

impl Cluster {
    pub(crate) fn new(seed: u64, scenario: &Scenario) -> Self {
        let world = World::new(seed, scenario.faults.clone());
        let log = SimLog::with(&world, |_| PARTITIONS, scenario.group);
        let store = SimStore::new(&world);
        let pages: Vec<String> = (1..=scenario.pages).map(|page| format!("page-{page}")).collect();
        let observer = world.observer("test");
        let hands = Hands { process: observer, log: log.handle(observer), store: store.handle(observer) };
        let page_rate = scenario.page_rate.map(|rate| rate.parse().unwrap());
        let limits = LiveLimits::new(page_rate, scenario.ruled.configured(scenario.faults.skew_ms_max));
        let cluster = Self {
            provider: SimProvider::new(&world, scenario.provider.clone()),
            audience: SimAudience {
                rows: scenario.rows,
                pages: pages.clone(),
                pause: Duration::from_millis(30),
                pause_before_end: Duration::ZERO,
                batch: 24,
            },
            messages: SimMessages {
                settles_by_webhook: scenario.settles_by_webhook,
                limits: limits.clone(),
                page_daily: scenario.page_daily.and_then(NonZeroU64::new).map(PerDay),
                timeout_ms: 2_000,
            },
            launch: launch(pages, scenario),
            options: NodeOptions::new(scenario.chunk_rows),
            limits,
            world,
            log,
            store,
            hands,
        };
        webhooks::start_gateway(&cluster);
        cluster
    }

    pub(crate) fn id(&self) -> CampaignId {
        CampaignId::of(&self.launch.tenant, &self.launch.campaign)
    }

    /// The partition of launches whose owner expands the campaign.
    pub(crate) fn home(&self) -> Partition {
        Partition(partition_of(&self.id().0, PARTITIONS))
    }

    /// Produces the launch event, twice, as an upstream system that retries does.
    pub(crate) async fn launch(&self) {
        self.launch_at(self.home()).await;
    }

    /// The same by a producer with a partitioner of its own.
    pub(crate) async fn launch_at(&self, partition: Partition) {
        for _ in 0..2 {
            let key = self.launch.campaign.clone().into_bytes().into();
            let record = NewRecord { key, value: encode(&self.launch).into() };
            self.hands.log.append(Topic::Launches, partition, vec![record]).await.unwrap();
        }
    }

    pub(crate) async fn row(&self) -> Option<CampaignRow> {
        self.hands.store.campaign(self.id()).await.unwrap()
    }

    /// What commands of a person stand on who gives them from this process.
    pub(crate) fn ports(&self, process: ProcessId) -> CompletionPorts {
        let (log, store) = (self.log.handle(process), self.store.handle(process));
        CompletionPorts { log, store, clock: self.world.clock(process) }
    }

    /// The same by a test's own hands.
    pub(crate) fn hand_ports(&self) -> CompletionPorts {
        self.ports(self.hands.process)
    }

    pub(crate) fn events(&self) -> Vec<CampaignEvent> {
        let partitions = self.hands.log.partitions(Topic::Events);
        (0..partitions)
            .flat_map(|partition| self.log.inspect(Topic::Events, Partition(partition)))
            .map(|record| decode(&record.value).unwrap())
            .collect()
    }

    /// Runs `nodes` processes until the campaign is in one of `until` and announced, restarting whoever crashes.
    pub(crate) async fn run_until(&self, scenario: &Scenario, until: &[CampaignState]) -> Vec<Node> {
        let mut nodes: Vec<Node> =
            (1..=scenario.nodes).map(|node| Node::start(self, &format!("node-{node}"))).collect();
        self.run_nodes(&mut nodes, scenario, until).await;
        nodes
    }

    pub(crate) async fn run_nodes(
        &self,
        nodes: &mut Vec<Node>,
        scenario: &Scenario,
        until: &[CampaignState],
    ) {
        let mut look = tokio::time::interval(Duration::from_millis(500));
        let mut bad = true;
        loop {
            let crashed = async {
                let process = self.world.crashed().await;
                nodes.iter().position(|node| node.process == process)
            };
            tokio::select! {
                biased;
                position = crashed => if let Some(position) = position {
                    let name = self.world.name(nodes[position].process);
                    drop(nodes.remove(position));
                    // A supervisor needs a moment.
                    let pause = self.world.draw(|random| random.between(1, 15_000));
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    nodes.push(Node::start(self, &name));
                },
                _ = look.tick() => {
                    if bad && self.world.now() > scenario.bad_time {
                        bad = false;
                        self.world.set_faults(Faults { latency_ms_max: scenario.faults.latency_ms_max, ..Faults::none() });
                    }
                    if let Some(row) = self.row().await
                        && until.contains(&row.state) && row.announced == Some(row.event_id())
                    {
                        return;
                    }
                    assert!(self.world.now() < scenario.time_max, "not {until:?} in time: {}", checks::stuck(self));
                }
            }
            for node in nodes.iter_mut() {
                if self.world.status(node.process) != Status::Dead {
                    let ended = std::pin::pin!(node.role_ended());
                    if let std::task::Poll::Ready((role, result)) = futures_poll_once(ended).await {
                        panic!("{role} ended by itself: {result:?}");
                    }
                }
            }
        }
    }
}

impl Cluster {
    /// The end of a run: nothing goes wrong any more, and whoever lives ends in order.
    pub(crate) async fn stop(&self, nodes: Vec<Node>) {
        self.world.set_faults(Faults::none());
        for node in nodes {
            self.world.thaw(node.process);
            if self.world.status(node.process) != Status::Dead {
                node.stop().await;
            }
        }
    }
}

async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await
}

fn launch(pages: Vec<String>, scenario: &Scenario) -> CampaignLaunch {
    let http = HttpMessage {
        method: "POST".to_owned(),
        headers: StringMap::new(),
        body: r#"{"to":"{{address}}","coupon":"{{coupon}}"}"#.to_owned(),
        message_id: Some("/id".to_owned()),
    };
    CampaignLaunch {
        campaign: CAMPAIGN.to_owned(),
        tenant: TENANT.to_owned(),
        channel: Channel::Http,
        pages,
        audience: Audience { path: Some("made.csv".to_owned()), ..Audience::default() },
        message: Message { http: Some(http), ..Message::default() },
        variables: StringMap::new(),
        rate: scenario.ruled.rate.map(str::to_owned),
        max_retries: 3,
        on_unknown: scenario.on_unknown,
        time_zone: None,
        rules: scenario.ruled.rules(),
    }
}
