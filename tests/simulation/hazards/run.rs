//! A run whose schedule the test decides.

use crate::checks;
use crate::cluster::{Cluster, PARTITIONS, Scenario};
use crate::node::Node;
use crate::seeds::simulate;
use sluice_completion::CompletionPorts;
use sluice_core::facts::Status;
use sluice_core::{CampaignState, PageId, SendId};
use sluice_runtime::ports::log::{Partition, Topic};
use sluice_runtime::ports::store::LedgerRow;
use sluice_schemas::{SendRequest, decode};
use sluice_simulation::truth::calls_per_attempt;
use sluice_simulation::{ProcessId, TruthCall};
use std::collections::BTreeMap;
use std::time::Duration;

/// Names the run in which a test failed.
struct Running(String);

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with {}", self.0);
        }
    }
}

/// One simulated world for each value.
pub(super) fn for_each<F: Future<Output = ()>>(
    what: &str,
    values: impl IntoIterator<Item = u64>,
    run: impl Fn(u64) -> F,
) {
    for value in values {
        let _running = Running(format!("{what} {value}"));
        simulate(run(value));
    }
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) struct Run {
    pub(super) cluster: Cluster,
    pub(super) scenario: Scenario,
    pub(super) nodes: Vec<Node>,
}

impl Run {
    /// A launched campaign; no process runs yet.
    pub(super) async fn new(seed: u64, scenario: &Scenario) -> Self {
        let cluster = Cluster::new(seed, scenario);
        cluster.launch().await;
        Self { cluster, scenario: scenario.clone(), nodes: Vec::new() }
    }

    /// A launched campaign with the scenario's processes.
    pub(super) async fn started(seed: u64, scenario: &Scenario) -> Self {
        let mut run = Self::new(seed, scenario).await;
        run.start_all();
        run
    }

    pub(super) fn start_all(&mut self) {
        for node in 1..=self.scenario.nodes {
            self.start(&format!("node-{node}"));
        }
    }

    pub(super) fn start(&mut self, name: &str) -> ProcessId {
        self.nodes.push(Node::start(&self.cluster, name));
        self.nodes[self.nodes.len() - 1].process
    }

    fn take(&mut self, process: ProcessId) -> Node {
        let position = self.nodes.iter().position(|node| node.process == process).unwrap();
        self.nodes.remove(position)
    }

    /// kill -9.
    pub(super) fn kill(&mut self, process: ProcessId) {
        self.cluster.world.kill(process);
        drop(self.take(process));
    }

    /// SIGTERM.
    pub(super) async fn stop(&mut self, process: ProcessId) {
        self.take(process).stop().await;
    }

    /// SIGTERM to everybody.
    pub(super) async fn stop_all(&mut self) {
        for node in std::mem::take(&mut self.nodes) {
            node.stop().await;
        }
    }

    /// Freezes a process for some time.
    pub(super) fn freeze(&self, process: ProcessId, time: Duration) {
        let world = self.cluster.world.clone();
        world.freeze(process);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            world.thaw(process);
        });
    }

    /// The next process that dies of a seeded crash within `limit`; its tasks are gone then.
    pub(super) async fn crash(&mut self, limit: Duration) -> Option<ProcessId> {
        let process = tokio::time::timeout(limit, self.cluster.world.crashed()).await.ok()?;
        drop(self.take(process));
        Some(process)
    }

    /// Lets time pass until `is_there`, at most a virtual half hour.
    pub(super) async fn until(&self, what: &str, is_there: impl Fn(&Cluster) -> bool) {
        let limit = self.cluster.world.now() + Duration::from_secs(1_800);
        let mut looks = 0;
        while !is_there(&self.cluster) {
            assert!(self.cluster.world.now() < limit, "never: {what}\n{}", checks::stuck(&self.cluster));
            // A look costs a copy of the store: what takes long may take a little longer.
            looks += 1;
            tokio::time::sleep(if looks < 400 { ms(5) } else { ms(50) }).await;
        }
    }

    /// Until the run's end is announced; whoever crashes is started again.
    pub(super) async fn reaches(&mut self, state: CampaignState) {
        self.cluster.run_nodes(&mut self.nodes, &self.scenario, &[state]).await;
    }

    /// To the end, and all guarantees.
    pub(super) async fn completes(mut self) -> Cluster {
        self.reaches(CampaignState::Completed).await;
        self.ends().await
    }

    /// Ends the processes and looks at the guarantees.
    pub(super) async fn ends(self) -> Cluster {
        let Self { cluster, nodes, .. } = self;
        cluster.stop(nodes).await;
        checks::guarantees(&cluster);
        cluster
    }

    /// Who the ledger of `page-1` belongs to.
    pub(super) fn owner(&self) -> Option<ProcessId> {
        let owner = self.cluster.ledger().and_then(|ledger| ledger.owner)?;
        self.nodes.iter().map(|node| node.process).find(|process| owner.ends_with(&format!("-{process}")))
    }
}

impl Cluster {
    pub(super) fn page() -> PageId {
        PageId::from("page-1")
    }

    /// Who has `page-1` now.
    pub(super) async fn owner_name(&self) -> Option<String> {
        self.hands.store.ledger(&Self::page()).await.unwrap().and_then(|ledger| ledger.owner)
    }

    /// The ledger of `page-1`.
    pub(super) fn ledger(&self) -> Option<LedgerRow> {
        self.store.snapshot().ledgers.get(&Self::page()).cloned()
    }

    pub(super) fn calls(&self) -> Vec<TruthCall> {
        self.provider.truth().calls
    }

    /// What commands of a person stand on: a process of its own, which takes its time.
    pub(super) fn commands(&self) -> CompletionPorts {
        self.ports(self.world.start("person"))
    }

    /// When the newest grant that had hung was tried after all; zero before the first.
    pub(super) fn late_grants(&self) -> Duration {
        let trace = self.world.trace();
        let late = trace.iter().rev().find(|entry| entry.what.starts_with("ledger grant: wakes up"));
        late.map_or(Duration::ZERO, |entry| entry.at)
    }

    pub(super) fn has_descriptors(&self) -> bool {
        (0..PARTITIONS).any(|partition| !self.log.inspect(Topic::Chunks, Partition(partition)).is_empty())
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.store.snapshot().campaigns.get(&self.id()).is_some_and(|row| row.seal.is_some())
    }

    /// The states of all recipients of committed chunks.
    pub(super) fn statuses(&self) -> BTreeMap<SendId, Status> {
        let snapshot = self.store.snapshot();
        let mut statuses = BTreeMap::new();
        for (chunk, row) in &snapshot.chunks {
            let state = snapshot.states.get(chunk).map(|(_, state)| state.clone()).unwrap_or_default();
            for index in 0..row.size as u16 {
                statuses.insert(SendId { chunk: *chunk, index }, state.recipient(index).status());
            }
        }
        statuses
    }

    /// How many recipients are in this state.
    pub(super) fn count(&self, status: Status) -> u64 {
        self.statuses().values().filter(|found| **found == status).count() as u64
    }

    /// Committed recipients of a chunk that could be sent to: send, address.
    pub(super) fn people(&self) -> BTreeMap<SendId, SendRequest> {
        let snapshot = self.store.snapshot();
        let mut people = BTreeMap::new();
        for chunk in snapshot.chunks.keys() {
            for row in snapshot.recipients[chunk].iter().filter(|row| row.skipped.is_none()) {
                people.insert(SendId { chunk: *chunk, index: row.index }, decode(&row.payload).unwrap());
            }
        }
        people
    }

    /// G1 where the provider refuses nothing: no attempt reached it twice.
    pub(super) fn assert_no_attempt_twice(&self) {
        let counts = calls_per_attempt(&self.provider.truth());
        assert!(
            counts.values().all(|&calls| calls == 1),
            "G1: an attempt reached the provider twice: {counts:#?}"
        );
    }
}
