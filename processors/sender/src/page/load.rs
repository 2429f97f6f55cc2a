//! From descriptors to sends that could be granted now: a bounded window of decoded and rendered requests.

use super::loading::{self, Loaded, READ, Rendering, Seen};
use super::{Descriptor, LaneState, Page};
use crate::campaigns::{Campaign, CampaignProblem};
use crate::shard::SenderError;
use sluice_core::lane::{Lane, Source};
use sluice_core::{CampaignId, ChunkId, ChunkState, IndexSet};
use sluice_runtime::ports::log::Partition;
use sluice_runtime::ports::store::StoreError;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, warn};

/// What is decoded ahead, in seconds of calls: people who opt out meanwhile cost another look.
const WINDOW_S: u64 = 2;

/// Sends decoded ahead at least: tiny reads would cost a slow page more than looking again does (hazard 29).
const WINDOW_MIN: usize = 64;

/// Loads of one page at once: enough to keep the log and the store busy, few enough not to crowd out other pages.
const LOADS_MAX: usize = 4;

/// A load under way for one lane.
#[derive(Debug)]
pub(super) struct Loading {
    number: u64,
    work: u64,
    chunk: ChunkId,
    /// May be in what it brings.
    indexes: IndexSet,
    /// A claim of the chunk was settled since it began: the state that it brings may be from before.
    is_stale: bool,
}

/// The end of a load: whose it is, its number, what it brought.
pub(super) type LoadEnd = (CampaignId, u64, Result<Loaded, SenderError>);

impl Page {
    /// Opens the campaign of a descriptor. `false`: the descriptor is finished or waits for another try.
    pub(super) async fn open_lane(
        &mut self,
        id: CampaignId,
        record: u64,
        descriptor: &Descriptor,
    ) -> Result<bool, SenderError> {
        let ports = &self.context.ports;
        // A former owner may still be calling until then, also for this campaign (G4).
        let empty_at = self.ownership.as_ref().map_or(Duration::ZERO, |ownership| ownership.grants_from);
        let opened =
            Campaign::open(&self.context.rows, &*ports.messages, id, &self.id, empty_at, self.now()).await;
        let again = |page: &mut Self, ms: u64| {
            let due = page.now() + page.ms(ms);
            page.waiting.push((due, record, descriptor.clone()));
        };
        let known = self.problems.remove(&id);
        match opened {
            Ok(campaign) => {
                let state = LaneState {
                    quotas: self.tokens.of(&self.id, &campaign.row.launch.tenant),
                    template: self.template_of(&campaign, id),
                    refusals: 0,
                    campaign,
                    watched: self.context.watch.open(id),
                    lane: Lane::default(),
                    window: VecDeque::new(),
                    granted: VecDeque::new(),
                    deferred: BTreeMap::new(),
                    loading: None,
                    load_from: Duration::ZERO,
                };
                self.lanes.insert(id, Box::new(state));
                return Ok(true);
            }
            Err(CampaignProblem::NotRunning) => {
                debug!(page = %self.id, campaign = %id, "descriptor of a campaign that does not run");
                self.shard.finish(&[record]);
            }
            Err(CampaignProblem::Cancelling { channel, settles_by_webhook }) => {
                self.close(id, channel, settles_by_webhook, [record]);
            }
            Err(CampaignProblem::Configuration(problem)) => {
                if known.as_ref() != Some(&problem) {
                    warn!(page = %self.id, campaign = %id, %problem, "campaign can't be sent");
                }
                self.problems.insert(id, problem);
                again(self, self.context.options.hold.wait_ms_max.min(5_000));
            }
            Err(CampaignProblem::Store(StoreError::Unavailable(reason))) => {
                self.problems.extend(known.map(|known| (id, known)));
                again(self, self.context.options.again_ms);
                self.away = Some(reason);
            }
            Err(CampaignProblem::Store(error)) => return Err(error.into()),
        }
        Ok(false)
    }

    /// Begins to fill windows that have become short.
    pub(super) fn start_loads(&mut self) {
        if self.ownership.is_none() {
            return;
        }
        let now = self.now();
        let ids: Vec<CampaignId> = self
            .lanes
            .iter()
            .filter(|(_, state)| state.loading.is_none() && state.load_from <= now && !state.lane.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            if self.loads.len() >= LOADS_MAX {
                return;
            }
            let has = self.lanes.get(&id).map_or(0, |state| state.window.len() + state.deferred.len());
            let wanted = self.window_wanted(id, now);
            if has <= wanted {
                self.start_load(id, wanted.clamp(WINDOW_MIN, READ.records_max), None);
            }
        }
    }

    /// When lanes that wait for the store are looked at again.
    pub(super) fn next_load(&self) -> Option<Duration> {
        let now = self.now();
        self.lanes.values().map(|state| state.load_from).filter(|from| *from > now).min()
    }

    /// Sends of a campaign that should be decoded: what can be called in two seconds.
    fn window_wanted(&self, id: CampaignId, now: Duration) -> usize {
        let page = self.ownership.as_ref().and_then(|ownership| ownership.slots.per_second(now));
        let campaign = self.lanes.get(&id).and_then(|state| state.campaign.gcra.as_ref());
        let limits = page.into_iter().chain(campaign.map(|gcra| gcra.per_second()));
        let slowest = limits.map(|per_second| per_second * WINDOW_S as f64).reduce(f64::min);
        let measured = || self.throughput.in_ms(now, WINDOW_S * 1_000).max(self.ramp.sends() as f64);
        let wanted = slowest.unwrap_or_else(measured);
        let max = (self.context.options.window_sends_max / 2).max(1);
        (wanted as usize).clamp(WINDOW_MIN.min(max), max)
    }

    /// Begins to decode at most `limit` sends of the lane's next work; `looked`: its state was just looked at.
    fn start_load(&mut self, id: CampaignId, limit: usize, looked: Option<Arc<ChunkState>>) {
        let wall = self.context.ports.clock.wall_ms();
        let Some(state) = self.lanes.get_mut(&id) else { return };
        let Some(number) = state.next_open(wall) else { return };
        let Some(work) = state.lane.work(number) else { return };
        let (chunk, attempt, class) = (work.chunk, work.attempt, work.class.clone());
        let context = self.context.clone();
        if looked.is_none() && (work.unloaded().is_empty() || attempt > 1) {
            let load = async move { loading::state(context, chunk).await.map(Loaded::from) };
            return self.begin(id, number, chunk, IndexSet::new(), load);
        }
        if let Source::Spans(cursor) = &work.source
            && cursor.next().is_none()
        {
            // What no record was found for: skipped rows, or records that are gone.
            work.source = Source::Rows;
        }
        let launch = &state.campaign.row.launch;
        let rendering = Rendering {
            context,
            plan: state.campaign.plan.clone(),
            tenant: launch.tenant.clone(),
            channel: launch.channel,
            chunk,
            attempt,
            class,
            known: looked,
        };
        match &work.source {
            Source::Spans(cursor) => {
                let Some((first, end)) = cursor.next() else { return };
                let wanted = work.unloaded().clone();
                let partition = Partition(self.shard.partition.0);
                let bounds = (first, end.min(first + limit as u64), end);
                let load = loading::span(rendering, partition, wanted.clone(), bounds);
                self.begin(id, number, chunk, wanted, load);
            }
            Source::Rows => {
                let wanted = work.take_unloaded(limit);
                let load = loading::rows(rendering, wanted.clone());
                self.begin(id, number, chunk, wanted, load);
            }
        }
    }

    fn begin(
        &mut self,
        id: CampaignId,
        work: u64,
        chunk: ChunkId,
        indexes: IndexSet,
        load: impl Future<Output = Result<Loaded, SenderError>> + Send + 'static,
    ) {
        self.load_number += 1;
        let number = self.load_number;
        if let Some(state) = self.lanes.get_mut(&id) {
            state.loading = Some(Loading { number, work, chunk, indexes, is_stale: false });
            self.loads.spawn(async move { (id, number, load.await) });
        }
    }

    /// What a load brought becomes part of the window. A lane that started over meanwhile does not want it.
    pub(super) fn loaded(&mut self, (id, number, loaded): LoadEnd) -> Result<(), SenderError> {
        let loaded = loaded?;
        let now = self.now();
        let is_mine =
            |state: &&mut Box<LaneState>| state.loading.as_ref().is_some_and(|load| load.number == number);
        let Some(state) = self.lanes.get_mut(&id).filter(is_mine) else { return Ok(()) };
        let Some(load) = state.loading.take() else { return Ok(()) };
        if !matches!(loaded, Loaded::Away(_)) {
            self.load_away = None;
        }
        match loaded {
            Loaded::State(seen) => self.observed(id, load, &seen),
            Loaded::SpanGone => {
                if let Some(work) = state.lane.work(load.work) {
                    work.source = Source::Rows;
                }
            }
            Loaded::Away(reason) => {
                state.load_from = now + Duration::from_millis(self.context.options.again_ms);
                if let Some(work) = state.lane.work(load.work)
                    && work.source == Source::Rows
                {
                    work.put_back(&load.indexes);
                }
                self.load_away = Some(reason);
            }
            Loaded::Sends { ready, reports, read_to } => {
                let Some(work) = state.lane.work(load.work) else { return Ok(()) };
                let is_ours: Box<dyn Fn(u16) -> bool> = match read_to {
                    // Of records, each person is taken as it is found; of rows, when the load began.
                    Some(read_to) => {
                        if let Source::Spans(cursor) = &mut work.source {
                            cursor.advance(read_to);
                        }
                        let found = ready.iter().map(|ready| ready.index);
                        let found = found.chain(reports.iter().map(|report| report.first as u16));
                        let taken: IndexSet = found.filter(|index| work.take_one(*index)).collect();
                        Box::new(move |index| taken.contains(index))
                    }
                    None => Box::new(|_| true),
                };
                state.window.extend(ready.into_iter().filter(|ready| is_ours(ready.index)));
                for report in reports.into_iter().filter(|report| is_ours(report.first as u16)) {
                    self.report(load.chunk, report);
                }
            }
        }
        Ok(())
    }

    /// The state of the chunk that is to be decoded next: who may still be called is read at once.
    fn observed(&mut self, id: CampaignId, load: Loading, seen: &Arc<ChunkState>) {
        self.settle_claims(load.chunk, seen);
        if load.is_stale {
            return;
        }
        let busy = self.busy(load.chunk);
        let now = self.now();
        let wall = self.context.ports.clock.wall_ms();
        let Some(state) = self.lanes.get_mut(&id) else { return };
        let Some(work) = state.lane.work(load.work) else { return };
        work.observe(seen, &busy);
        if work.unloaded().is_empty() {
            state.lane.is_decoded(load.work);
            self.settling.look(load.chunk, now, self.ms(self.context.options.settle_ms));
            return;
        }
        // A retry that has become due meanwhile goes first, after a look of its own.
        if state.next_open(wall) == Some(load.work) {
            let wanted = self.window_wanted(id, now);
            self.start_load(id, wanted.clamp(WINDOW_MIN, READ.records_max), Some(seen.clone()));
        }
    }

    /// A claim of the chunk was settled: a state that is being read may be from before it, and would offer people
    /// again who were called.
    pub(super) fn outdate_loads(&mut self, chunk: ChunkId) {
        if let Some(load) = self.lanes.get_mut(&chunk.campaign()).and_then(|state| state.loading.as_mut())
            && load.chunk == chunk
        {
            load.is_stale = true;
        }
    }

    /// The chunk's state; `None` while the store is not available.
    pub(super) async fn chunk_state(
        &mut self,
        chunk: ChunkId,
    ) -> Result<Option<Arc<ChunkState>>, SenderError> {
        match loading::state(self.context.clone(), chunk).await? {
            Seen::State(state) => Ok(Some(state)),
            Seen::Away(reason) => {
                self.wait_for_store(reason).await;
                Ok(None)
            }
        }
    }

    /// Claimed, about to be claimed, or decoded already.
    pub(super) fn busy(&self, chunk: ChunkId) -> IndexSet {
        let mut busy = IndexSet::new();
        if let Some(ownership) = &self.ownership {
            busy.union_with(&ownership.body.claimed(chunk));
        }
        if let Some(grant) = &self.grant {
            busy.union_with(&grant.body.claimed(chunk));
        }
        busy.extend(self.calling.range((chunk, 0)..=(chunk, u16::MAX)).map(|((_, index), _)| *index));
        if let Some(state) = self.lanes.get(&chunk.campaign()) {
            let granted = state.granted.iter().map(|granted| &granted.ready);
            let decoded = state.window.iter().chain(state.deferred.values()).chain(granted);
            busy.extend(decoded.filter(|ready| ready.chunk == chunk).map(|ready| ready.index));
            if let Some(load) = state.loading.as_ref().filter(|load| load.chunk == chunk) {
                busy.union_with(&load.indexes);
            }
        }
        busy
    }
}
