//! One attempt of some recipients of a chunk: who of them may be decoded, who was, and whose outcome is not shown yet.

use super::spans::SpanCursor;
use crate::chunk_state::ChunkState;
use crate::facts::{Recipient, Status};
use crate::ids::ChunkId;
use crate::index_set::IndexSet;
use sluice_schemas::GateClass;
use std::sync::Arc;

/// Where the payloads of a work come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Records of `sends`, read in order from a cursor.
    Spans(SpanCursor),
    /// The recipient rows: retries, and first attempts whose records are gone (hazard 26).
    Rows,
}

/// One attempt of some recipients of one chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The chunk.
    pub chunk: ChunkId,
    /// The attempt.
    pub attempt: u8,
    /// Earliest start, in ms since 1970; 0 for first attempts.
    pub not_before_ms: i64,
    /// Where payloads come from.
    pub source: Source,
    /// The records of `chunks` that asked for it: finished together.
    pub records: Vec<u64>,
    /// What its gate looks at.
    pub class: Arc<GateClass>,
    pub(super) asked: Asked,
    /// Recipients whose outcome of this attempt the chunk state does not show yet.
    pub(super) unfinished: IndexSet,
    /// Those of them that are neither claimed nor decoded.
    pub(super) unloaded: IndexSet,
    /// Those that were given out for decoding: each only once, until [`Work::restart`].
    pub(super) taken: IndexSet,
}

/// What becomes of one recipient of a work.
enum Fate {
    /// May be claimed now.
    Open,
    /// Not decided yet: claimed, or the failure before is not shown yet.
    Waiting,
    /// Nothing is left to do.
    Finished,
}

impl Work {
    /// The recipients `asked` at this attempt, as far as `state` and the ledger's claims leave any.
    pub fn open(
        chunk: ChunkId,
        attempt: u8,
        not_before_ms: i64,
        source: Source,
        record: u64,
        asked: IndexSet,
    ) -> Self {
        let asked_for = match attempt {
            1 => (chunk, 1, 0, 0),
            _ => (chunk, attempt, asked.iter().next().unwrap_or(0), asked.len()),
        };
        Self {
            chunk,
            attempt,
            not_before_ms,
            source,
            records: vec![record],
            class: Arc::default(),
            asked: asked_for,
            unfinished: asked,
            unloaded: IndexSet::new(),
            taken: IndexSet::new(),
        }
    }

    /// The same, of a class.
    pub fn of_class(self, class: GateClass) -> Self {
        Self { class: Arc::new(class), ..self }
    }

    /// Looks at the chunk state: drops what is finished, and offers what may be claimed and is not yet
    /// (`busy`: claimed in the ledger, or decoded already).
    pub fn observe(&mut self, state: &ChunkState, busy: &IndexSet) {
        let mut finished = IndexSet::new();
        let mut open = IndexSet::new();
        for index in self.unfinished.iter() {
            match fate(state.recipient(index), self.attempt) {
                Fate::Open => {
                    open.insert(index);
                }
                Fate::Finished => {
                    finished.insert(index);
                }
                Fate::Waiting => {}
            }
        }
        self.unfinished.subtract(&finished);
        open.subtract(busy);
        open.subtract(&self.taken);
        self.unloaded = open;
        self.skip_finished(state);
    }

    /// Records lie in the order of their indexes, and every index has one, except where the row was skipped when the
    /// audience was expanded: as many lie before the first that is wanted. An owner that takes a chunk over in the
    /// middle does not read what was called long ago. Another producer's records in between only put the first wanted
    /// one further back, and one that were missed nevertheless would be read from its row.
    fn skip_finished(&mut self, state: &ChunkState) {
        if let (Source::Spans(cursor), Some(first)) = (&mut self.source, self.unloaded.iter().next()) {
            let has_record = |index: &u16| !state.recipient(*index).is_excluded();
            cursor.skip_to((0..first).filter(has_record).count() as u64);
        }
    }

    /// Takes at most `limit` recipients that may be decoded now.
    pub fn take_unloaded(&mut self, limit: usize) -> IndexSet {
        let taken: IndexSet = self.unloaded.iter().take(limit).collect();
        self.unloaded.subtract(&taken);
        self.taken.union_with(&taken);
        taken
    }

    /// Puts recipients back that could not be decoded now.
    pub fn put_back(&mut self, indexes: &IndexSet) {
        self.taken.subtract(indexes);
        self.unloaded.union_with(indexes);
    }

    /// Forgets what was decoded: the page changed hands, and only a new look at ledger and chunk state tells
    /// who may still be called.
    pub(super) fn restart(&mut self) {
        if !self.taken.is_empty() {
            self.source = Source::Rows;
        }
        self.taken = IndexSet::new();
        self.unloaded = IndexSet::new();
    }

    /// Takes one recipient if it may be decoded now.
    pub fn take_one(&mut self, index: u16) -> bool {
        self.unloaded.remove(index) && self.taken.insert(index)
    }

    /// Recipients that may be decoded.
    pub fn unloaded(&self) -> &IndexSet {
        &self.unloaded
    }

    /// Recipients whose outcome is not shown.
    pub fn unfinished(&self) -> &IndexSet {
        &self.unfinished
    }

    /// Whether the outcome of every recipient is shown.
    pub fn is_finished(&self) -> bool {
        self.unfinished.is_empty()
    }
}

fn fate(recipient: Recipient, attempt: u8) -> Fate {
    if recipient.may_attempt(attempt) {
        return Fate::Open;
    }
    if recipient.is_settled(attempt) || recipient.is_excluded() || recipient.status() != Status::Pending {
        return Fate::Finished;
    }
    Fate::Waiting
}

/// By what a descriptor that is delivered again is found: chunk, attempt, first and number of the recipients asked
/// for. First attempts ask for whole chunks.
pub(super) type Asked = (ChunkId, u8, u16, u32);
