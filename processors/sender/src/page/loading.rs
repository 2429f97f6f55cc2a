//! Reading, decoding and rendering beside the page, so that calls go on meanwhile. Nothing here decides: what comes
//! back is looked at by the page as it is then.

use super::{Booked, Ready, ReadySend, SharedContext};
use crate::shard::SenderError;
use sluice_core::chunk_state::entry;
use sluice_core::ids::EchoTag;
use sluice_core::{ChunkId, ChunkState, IndexSet, SendId};
use sluice_runtime::ports::log::{LogError, Partition, Position, ReadLimit, Topic};
use sluice_runtime::ports::messages::MessagePlan;
use sluice_runtime::ports::store::{Store, StoreError, StoreResult};
use sluice_schemas::{Channel, Fact, GateClass, ReceiptEntry, SendRequest, decode};
use std::sync::Arc;
use tracing::{debug, error, warn};

/// Records of `sends` of one read: about 400 KiB, half a window of a page at full speed. Each read brings a look at who
/// opted out.
pub(super) const READ: ReadLimit = ReadLimit { records_max: 2_048, bytes_max: 1 << 20 };

/// Sends of one chunk to be rendered.
pub(super) struct Rendering {
    pub(super) context: SharedContext,
    pub(super) plan: Arc<dyn MessagePlan>,
    pub(super) tenant: String,
    pub(super) channel: Channel,
    pub(super) chunk: ChunkId,
    pub(super) attempt: u8,
    pub(super) class: Arc<GateClass>,
    /// Where attempts of earlier runs are known from; a first attempt has none.
    pub(super) known: Option<Arc<ChunkState>>,
}

/// What a load brought.
pub(super) enum Loaded {
    /// The chunk's state, as it was when the load began or later.
    State(Arc<ChunkState>),
    /// Rendered sends, and what is to be reported of others.
    Sends { ready: Vec<Ready>, reports: Vec<ReceiptEntry>, read_to: Option<u64> },
    /// The records of `sends` are not there any more (hazard 26).
    SpanGone,
    /// The store gave no answer.
    Away(String),
}

/// What a look at a chunk's state brought.
pub(super) enum Seen {
    /// As it was when the look began or later.
    State(Arc<ChunkState>),
    /// The store gave no answer.
    Away(String),
}

impl From<Seen> for Loaded {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::State(state) => Self::State(state),
            Seen::Away(reason) => Self::Away(reason),
        }
    }
}

/// The chunk's state.
pub(super) async fn state(context: SharedContext, chunk: ChunkId) -> Result<Seen, SenderError> {
    match stored(&*context.ports.store, chunk).await {
        Ok(state) => Ok(Seen::State(Arc::new(state))),
        Err(StoreError::Unavailable(reason)) => Ok(Seen::Away(reason)),
        Err(error) => Err(error.into()),
    }
}

/// The state as it is stored; of a chunk that nothing was told of, an empty one.
pub(super) async fn stored(store: &dyn Store, chunk: ChunkId) -> StoreResult<ChunkState> {
    Ok(store.load_chunk(chunk).await?.map(|(_, state)| state).unwrap_or_default())
}

/// Records `first..until` of a span that ends at `end`, as far as they are `wanted`.
pub(super) async fn span(
    rendering: Rendering,
    partition: Partition,
    wanted: IndexSet,
    (first, until, end): (u64, u64, u64),
) -> Result<Loaded, SenderError> {
    let chunk = rendering.chunk;
    let limit = ReadLimit { records_max: (until - first) as usize, ..READ };
    let log = &rendering.context.ports.log;
    let records = match log.read(Topic::Sends, partition, Position(first), limit).await {
        Ok(records) => records,
        Err(
            error @ (LogError::BelowStart { .. } | LogError::Behind { .. } | LogError::NoPartition { .. }),
        ) => {
            // Retention was faster, or the topic was made anew: the recipient rows hold the same payloads.
            debug!(%chunk, %error, "recipients' rows take the place of the sends");
            return Ok(Loaded::SpanGone);
        }
        Err(error) => return Err(error.into()),
    };
    let read_to = records.last().map_or(end, |record| record.offset.0 + 1).min(end);
    let mut sends = Vec::with_capacity(records.len());
    for record in records.iter().filter(|record| record.offset.0 < end) {
        match decode::<SendRequest>(&record.value) {
            Ok(send) if send.chunk.as_slice() == chunk.0 => {
                let is_wanted = u16::try_from(send.index).is_ok_and(|index| wanted.contains(index));
                sends.extend(is_wanted.then_some(send));
            }
            // Another producer's record in between.
            Ok(_) => {}
            Err(error) => warn!(offset = record.offset.0, %error, "record of sends can't be read"),
        }
    }
    rendering.render(sends, Vec::new(), Some(read_to)).await
}

/// The recipient rows of `wanted`. Somebody whose row is missing or damaged can never be sent to: a failure by name,
/// so that the campaign ends (G8) and nobody else waits (G6).
pub(super) async fn rows(rendering: Rendering, wanted: IndexSet) -> Result<Loaded, SenderError> {
    let (chunk, attempt) = (rendering.chunk, rendering.attempt);
    let rows = match rendering.context.ports.store.recipients(chunk, &wanted).await {
        Ok(rows) => rows,
        Err(StoreError::Unavailable(reason)) => return Ok(Loaded::Away(reason)),
        Err(error) => return Err(error.into()),
    };
    let mut missing = wanted;
    let mut sends = Vec::with_capacity(rows.len());
    let mut reports = Vec::new();
    let now_ms = rendering.context.ports.clock.wall_ms();
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
                error!(%chunk, index = row.index, %error, "recipient row can't be read");
                reports.push(lost(row.index, row.index, format!("its row can't be read: {error}")));
            }
        }
    }
    for (first, last) in missing.ranges() {
        error!(%chunk, first, last, "recipient rows are missing");
        reports.push(lost(first, last, "its row is missing in the store".to_owned()));
    }
    rendering.render(sends, reports, None).await
}

impl Rendering {
    /// Renders the requests. Who can't be sent to becomes a failure by name; who opted out meanwhile is skipped.
    async fn render(
        self,
        sends: Vec<SendRequest>,
        mut reports: Vec<ReceiptEntry>,
        read_to: Option<u64>,
    ) -> Result<Loaded, SenderError> {
        let (chunk, attempt) = (self.chunk, self.attempt);
        let ports = &self.context.ports;
        let looked_at = ports.clock.monotonic();
        let addresses: Vec<&str> = sends.iter().map(|send| send.address.as_str()).collect();
        let suppressed = match ports.store.suppressed(&self.tenant, self.channel, &addresses).await {
            Ok(suppressed) => suppressed,
            Err(StoreError::Unavailable(reason)) => return Ok(Loaded::Away(reason)),
            Err(error) => return Err(error.into()),
        };
        let now_ms = ports.clock.wall_ms();
        let by_person = self.plan.correlation().by_person;
        let mut ready = Vec::with_capacity(sends.len());
        for (send, suppressed) in sends.into_iter().zip(suppressed) {
            let Ok(index) = u16::try_from(send.index) else { continue };
            if suppressed {
                reports.push(skipped(index, now_ms));
                continue;
            }
            match self.plan.render(&send, EchoTag { send: SendId { chunk, index }, attempt }) {
                Ok(request) => ready.push(Box::new(ReadySend {
                    chunk,
                    index,
                    attempt,
                    attempts_before_run: self
                        .known
                        .as_ref()
                        .map_or(0, |state| state.recipient(index).reopened()),
                    request,
                    to: send.address,
                    by_person,
                    looked_at,
                    class: self.class.clone(),
                    booked: Booked::default(),
                })),
                Err(problem) => reports.push(ReceiptEntry {
                    reason: Some(problem.code),
                    message: Some(problem.message),
                    ..entry(Fact::FailedForGood, index, index, attempt, now_ms)
                }),
            }
        }
        Ok(Loaded::Sends { ready, reports, read_to })
    }
}

/// Somebody who opted out after the expansion.
pub(super) fn skipped(index: u16, now_ms: i64) -> ReceiptEntry {
    ReceiptEntry { reason: Some("suppressed".to_owned()), ..entry(Fact::Skipped, index, index, 0, now_ms) }
}
