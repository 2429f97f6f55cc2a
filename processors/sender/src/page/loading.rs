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
use std::time::Duration;
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
    let mut rendered = rendering.begin(records.len());
    for record in records.iter().filter(|record| record.offset.0 < end) {
        match decode::<SendRequest>(&record.value) {
            Ok(send) if send.chunk.as_slice() == chunk.0 => {
                if u16::try_from(send.index).is_ok_and(|index| wanted.contains(index)) {
                    rendered.push(send);
                }
            }
            // Another producer's record in between.
            Ok(_) => {}
            Err(error) => warn!(offset = record.offset.0, %error, "record of sends can't be read"),
        }
    }
    rendered.finish(Vec::new(), Some(read_to)).await
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
    let now_ms = rendering.context.ports.clock.wall_ms();
    let mut rendered = rendering.begin(rows.len());
    let mut reports = Vec::new();
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
            Ok(send) => rendered.push(send),
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
    rendered.finish(reports, None).await
}

impl Rendering {
    /// For so many sends. Opt-outs are looked at after this moment.
    fn begin(self, sends: usize) -> Rendered {
        let looked_at = self.context.ports.clock.monotonic();
        let now_ms = self.context.ports.clock.wall_ms();
        Rendered { rendering: self, looked_at, now_ms, sends: Vec::with_capacity(sends) }
    }
}

/// Sends of one chunk, each rendered as soon as it is decoded: what was decoded of it is a kilobyte in a dozen pieces,
/// and of a thousand sends no processor keeps those at hand.
struct Rendered {
    rendering: Rendering,
    looked_at: Duration,
    now_ms: i64,
    sends: Vec<Result<Ready, Unsendable>>,
}

/// Who can't be sent to, unless they opted out and are not to be sent to anyway.
struct Unsendable {
    to: String,
    index: u16,
    report: ReceiptEntry,
}

impl Rendered {
    fn push(&mut self, send: SendRequest) {
        let Rendering { plan, chunk, attempt, class, known, .. } = &self.rendering;
        let (chunk, attempt) = (*chunk, *attempt);
        let Ok(index) = u16::try_from(send.index) else { return };
        let rendered = plan.render(&send, EchoTag { send: SendId { chunk, index }, attempt });
        let to = send.address;
        self.sends.push(match rendered {
            Ok(request) => Ok(Box::new(ReadySend {
                chunk,
                index,
                attempt,
                attempts_before_run: known.as_ref().map_or(0, |state| state.recipient(index).reopened()),
                request,
                to,
                by_person: plan.correlation().by_person,
                looked_at: self.looked_at,
                class: class.clone(),
                booked: Booked::default(),
            })),
            Err(problem) => {
                let report = ReceiptEntry {
                    reason: Some(problem.code),
                    message: Some(problem.message),
                    ..entry(Fact::FailedForGood, index, index, attempt, self.now_ms)
                };
                Err(Unsendable { to, index, report })
            }
        });
    }

    /// Looks at who opted out: they are skipped. Who can't be sent to otherwise becomes a failure by name.
    async fn finish(
        self,
        mut reports: Vec<ReceiptEntry>,
        read_to: Option<u64>,
    ) -> Result<Loaded, SenderError> {
        let Rendering { context, tenant, channel, .. } = &self.rendering;
        let to = self.sends.iter().map(|send| match send {
            Ok(ready) => ready.to.as_str(),
            Err(unsendable) => unsendable.to.as_str(),
        });
        let addresses: Vec<&str> = to.collect();
        let suppressed = match context.ports.store.suppressed(tenant, *channel, &addresses).await {
            Ok(suppressed) => suppressed,
            Err(StoreError::Unavailable(reason)) => return Ok(Loaded::Away(reason)),
            Err(error) => return Err(error.into()),
        };
        let now_ms = context.ports.clock.wall_ms();
        let mut ready = Vec::with_capacity(self.sends.len());
        for (send, suppressed) in self.sends.into_iter().zip(suppressed) {
            match send {
                Ok(send) if suppressed => reports.push(skipped(send.index, now_ms)),
                Err(unsendable) if suppressed => reports.push(skipped(unsendable.index, now_ms)),
                Ok(send) => ready.push(send),
                Err(Unsendable { report, .. }) => reports.push(report),
            }
        }
        Ok(Loaded::Sends { ready, reports, read_to })
    }
}

/// Somebody who opted out after the expansion.
pub(super) fn skipped(index: u16, now_ms: i64) -> ReceiptEntry {
    ReceiptEntry { reason: Some("suppressed".to_owned()), ..entry(Fact::Skipped, index, index, 0, now_ms) }
}
