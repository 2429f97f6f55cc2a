//! From descriptors to sends that could be granted now: a bounded window of decoded and rendered requests.

use super::{Descriptor, LaneState, Page, Ready};
use crate::campaigns::{Campaign, CampaignProblem};
use crate::shard::SenderError;
use sluice_core::chunk_state::entry;
use sluice_core::ids::EchoTag;
use sluice_core::lane::{Source, Work};
use sluice_core::{CampaignId, ChunkId, ChunkState, IndexSet, SendId};
use sluice_runtime::ports::log::{LogError, Partition, Position, ReadLimit, Topic};
use sluice_runtime::ports::store::StoreError;
use sluice_schemas::{Fact, ReceiptEntry, SendRequest, decode};
use std::time::Duration;
use tracing::{debug, error, warn};

/// Records of `sends` of one read: about 100 KiB, and a tenth of a window.
const READ: ReadLimit = ReadLimit { records_max: 512, bytes_max: 1 << 20 };

/// What is decoded ahead, in seconds of calls: people who opt out meanwhile cost another look.
const WINDOW_S: u64 = 2;

/// Sends decoded ahead at least: tiny reads would cost a slow page more than looking again does (hazard 29).
const WINDOW_MIN: usize = 64;

/// Works looked at in one round, so that calls go on while long queues are skipped.
const LOOKS_MAX: usize = 8;

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
        let opened = Campaign::open(&*ports.store, &*ports.messages, id, &self.id, empty_at).await;
        let again = |page: &mut Self, ms: u64| {
            let due = page.now() + page.ms(ms);
            page.waiting.push((due, record, copy(descriptor)));
        };
        match opened {
            Ok(campaign) => {
                self.problem = None;
                let state = LaneState {
                    campaign,
                    lane: sluice_core::lane::Lane::default(),
                    window: std::collections::VecDeque::new(),
                    granted: std::collections::VecDeque::new(),
                };
                self.lanes.insert(id, state);
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
                if self.problem.as_ref() != Some(&problem) {
                    warn!(page = %self.id, campaign = %id, %problem, "campaign can't be sent");
                    self.problem = Some(problem);
                }
                again(self, self.context.options.hold.wait_ms_max.min(5_000));
            }
            Err(CampaignProblem::Store(StoreError::Unavailable(reason))) => {
                again(self, self.context.options.again_ms);
                self.away = Some(reason);
            }
            Err(CampaignProblem::Store(error)) => return Err(error.into()),
        }
        Ok(false)
    }

    /// Fills the windows of all lanes.
    pub(super) async fn load(&mut self) -> Result<(), SenderError> {
        if self.ownership.is_none() {
            return Ok(());
        }
        let now = self.now();
        let ids: Vec<CampaignId> = self.lanes.keys().copied().collect();
        for id in ids {
            for _ in 0..LOOKS_MAX {
                let Some(state) = self.lanes.get_mut(&id) else { break };
                let has = state.window.len();
                let wanted = self.window_wanted(id, now);
                if has > wanted {
                    break;
                }
                if !self.load_some(id, wanted.clamp(WINDOW_MIN, READ.records_max)).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends of a campaign that should be decoded: what can be called in two seconds.
    fn window_wanted(&self, id: CampaignId, now: Duration) -> usize {
        let page = self.ownership.as_ref().and_then(|ownership| ownership.gcra.as_ref());
        let campaign = self.lanes.get(&id).and_then(|state| state.campaign.gcra.as_ref());
        let limits = page.into_iter().chain(campaign).map(|gcra| gcra.per_second() * WINDOW_S as f64);
        let slowest = limits.reduce(f64::min);
        let wanted = slowest.unwrap_or_else(|| self.throughput.in_ms(now, WINDOW_S * 1_000));
        let max = (self.context.options.window_sends_max / 2).max(1);
        (wanted as usize).clamp(WINDOW_MIN.min(max), max)
    }

    /// Decodes some sends of the lane's next work, at most `limit`. `false`: nothing (more) can be decoded now.
    async fn load_some(&mut self, id: CampaignId, limit: usize) -> Result<bool, SenderError> {
        let wall = self.context.ports.clock.wall_ms();
        let Some(work) = self.lanes.get_mut(&id).and_then(|state| state.lane.next(wall)) else {
            return Ok(false);
        };
        let (chunk, attempt, source) = (work.chunk, work.attempt, work.source.clone());
        let mut known = None;
        if work.unloaded().is_empty() || attempt > 1 {
            let Some(state) = self.chunk_state(chunk).await? else { return Ok(false) };
            self.settle_claims(chunk, &state);
            let busy = self.busy(chunk);
            let Some(work) = self.lanes.get_mut(&id).and_then(|state| state.lane.next(wall)) else {
                return Ok(false);
            };
            work.observe(&state, &busy);
            if work.unloaded().is_empty() {
                if let Some(state) = self.lanes.get_mut(&id) {
                    state.lane.next_is_decoded(wall);
                }
                self.settling.look_soon(chunk, self.context.ports.clock.monotonic());
                return Ok(true);
            }
            known = Some(state);
        }
        let sends = match source {
            Source::Spans(cursor) => match cursor.next() {
                Some((first, end)) => {
                    self.read_span(id, wall, chunk, first, end.min(first + limit as u64), end).await?
                }
                None => {
                    // What no record was found for: skipped rows, or records that are gone.
                    self.change_work(id, wall, |work| work.source = Source::Rows);
                    return Ok(true);
                }
            },
            Source::Rows => self.read_rows(id, wall, chunk, attempt, limit).await?,
        };
        let Some(sends) = sends else { return Ok(false) };
        self.render(id, chunk, attempt, sends, known.as_ref()).await?;
        Ok(true)
    }

    fn change_work<T>(
        &mut self,
        id: CampaignId,
        wall: i64,
        change: impl FnOnce(&mut Work) -> T,
    ) -> Option<T> {
        self.lanes.get_mut(&id).and_then(|state| state.lane.next(wall)).map(change)
    }

    /// The chunk's state; `None` while the store is not available.
    pub(super) async fn chunk_state(&mut self, chunk: ChunkId) -> Result<Option<ChunkState>, SenderError> {
        match self.context.ports.store.load_chunk(chunk).await {
            Ok(found) => Ok(Some(found.map(|(_, state)| state).unwrap_or_default())),
            Err(StoreError::Unavailable(reason)) => {
                self.wait_for_store(reason).await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
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
            let decoded = state.window.iter().chain(state.granted.iter().map(|granted| &granted.ready));
            busy.extend(decoded.filter(|ready| ready.chunk == chunk).map(|ready| ready.index));
        }
        busy
    }

    async fn read_span(
        &mut self,
        id: CampaignId,
        wall: i64,
        chunk: ChunkId,
        first: u64,
        until: u64,
        end: u64,
    ) -> Result<Option<Vec<SendRequest>>, SenderError> {
        let limit = ReadLimit { records_max: (until - first) as usize, ..READ };
        let partition = Partition(self.shard.partition.0);
        let records = match self.context.ports.log.read(Topic::Sends, partition, Position(first), limit).await
        {
            Ok(records) => records,
            Err(
                error
                @ (LogError::BelowStart { .. } | LogError::Behind { .. } | LogError::NoPartition { .. }),
            ) => {
                // Retention was faster, or the topic was made anew: the recipient rows hold the same payloads
                // (hazard 26).
                debug!(page = %self.id, %chunk, %error, "recipients' rows take the place of the sends");
                self.change_work(id, wall, |work| work.source = Source::Rows);
                return Ok(Some(Vec::new()));
            }
            Err(error) => return Err(error.into()),
        };
        let read_to = records.last().map_or(end, |record| record.offset.0 + 1).min(end);
        let mut sends = Vec::with_capacity(records.len());
        for record in records.iter().filter(|record| record.offset.0 < end) {
            match decode::<SendRequest>(&record.value) {
                Ok(send) if send.chunk.as_slice() == chunk.0 => sends.push(send),
                // Another producer's record in between.
                Ok(_) => {}
                Err(error) => {
                    warn!(page = %self.id, offset = record.offset.0, %error, "record of sends can't be read")
                }
            }
        }
        let sends = self.change_work(id, wall, |work| {
            if let Source::Spans(cursor) = &mut work.source {
                cursor.advance(read_to);
            }
            sends.retain(|send| u16::try_from(send.index).is_ok_and(|index| work.take_one(index)));
            sends
        });
        Ok(sends)
    }

    /// Somebody whose row is missing or damaged can never be sent to: a failure by name, so that the campaign ends
    /// (G8) and nobody else waits (G6).
    async fn read_rows(
        &mut self,
        id: CampaignId,
        wall: i64,
        chunk: ChunkId,
        attempt: u8,
        limit: usize,
    ) -> Result<Option<Vec<SendRequest>>, SenderError> {
        let Some(wanted) = self.change_work(id, wall, |work| work.take_unloaded(limit)) else {
            return Ok(None);
        };
        let rows = match self.context.ports.store.recipients(chunk, &wanted).await {
            Ok(rows) => rows,
            Err(StoreError::Unavailable(reason)) => {
                self.change_work(id, wall, |work| work.put_back(&wanted));
                self.wait_for_store(reason).await;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut missing = wanted;
        let mut sends = Vec::with_capacity(rows.len());
        let now_ms = self.context.ports.clock.wall_ms();
        let lost = |first, last, message: String| ReceiptEntry {
            reason: Some("recipient_lost".to_owned()),
            message: Some(message),
            ..entry(Fact::FailedForGood, first, last, attempt, now_ms)
        };
        for row in rows {
            missing.remove(row.index);
            if row.skipped.is_some() {
                continue;
            }
            match decode::<SendRequest>(&row.payload) {
                Ok(send) => sends.push(send),
                Err(error) => {
                    error!(page = %self.id, %chunk, index = row.index, %error, "recipient row can't be read");
                    self.report(chunk, lost(row.index, row.index, format!("its row can't be read: {error}")));
                }
            }
        }
        for (first, last) in missing.ranges() {
            error!(page = %self.id, %chunk, first, last, "recipient rows are missing");
            self.report(chunk, lost(first, last, "its row is missing in the store".to_owned()));
        }
        Ok(Some(sends))
    }

    /// Renders the requests. Who can't be sent to becomes a failure by name; who opted out meanwhile is skipped.
    async fn render(
        &mut self,
        id: CampaignId,
        chunk: ChunkId,
        attempt: u8,
        sends: Vec<SendRequest>,
        known: Option<&ChunkState>,
    ) -> Result<(), SenderError> {
        let addresses: Vec<&str> = sends.iter().map(|send| send.address.as_str()).collect();
        let looked_at = self.now();
        let suppressed = loop {
            if let Some(suppressed) = self.suppressed(id, &addresses).await? {
                break suppressed;
            }
        };
        let Some(state) = self.lanes.get(&id) else { return Ok(()) };
        let now_ms = self.context.ports.clock.wall_ms();
        let by_person = state.campaign.plan.correlation().by_person;
        let mut ready = Vec::with_capacity(sends.len());
        let mut reports: Vec<ReceiptEntry> = Vec::new();
        for (send, suppressed) in sends.into_iter().zip(suppressed) {
            let Ok(index) = u16::try_from(send.index) else { continue };
            let report = |fact, attempt, reason: &str, message: Option<String>| ReceiptEntry {
                reason: Some(reason.to_owned()),
                message,
                ..entry(fact, index, index, attempt, now_ms)
            };
            if suppressed {
                reports.push(skipped(index, now_ms));
                continue;
            }
            let tag = EchoTag { send: SendId { chunk, index }, attempt };
            match state.campaign.plan.render(&send, tag) {
                Ok(request) => ready.push(Ready {
                    chunk,
                    index,
                    attempt,
                    attempts_before_run: known.map_or(0, |state| state.recipient(index).reopened()),
                    request,
                    to: send.address,
                    by_person,
                    looked_at,
                }),
                Err(problem) => {
                    reports.push(report(Fact::FailedForGood, attempt, &problem.code, Some(problem.message)));
                }
            }
        }
        if let Some(state) = self.lanes.get_mut(&id) {
            state.window.extend(ready);
        }
        for report in reports {
            self.report(chunk, report);
        }
        Ok(())
    }
}

/// Somebody who opted out after the expansion.
pub(super) fn skipped(index: u16, now_ms: i64) -> ReceiptEntry {
    ReceiptEntry { reason: Some("suppressed".to_owned()), ..entry(Fact::Skipped, index, index, 0, now_ms) }
}

fn copy(descriptor: &Descriptor) -> Descriptor {
    match descriptor {
        Descriptor::First { chunk, size, spans } => {
            Descriptor::First { chunk: *chunk, size: *size, spans: spans.clone() }
        }
        Descriptor::Retry { chunk, attempt, not_before_ms, indexes } => Descriptor::Retry {
            chunk: *chunk,
            attempt: *attempt,
            not_before_ms: *not_before_ms,
            indexes: indexes.clone(),
        },
    }
}
