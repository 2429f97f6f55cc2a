//! From records of `chunks` to works in lanes.

use super::Page;
use crate::backlog::Line;
use crate::shard::SenderError;
use sluice_core::lane::{Source, SpanCursor, Work};
use sluice_core::{ChunkId, IndexSet, PageId};
use sluice_schemas::{GateClass, PageRefused, Span};

/// What a record of `chunks` asks for.
#[derive(Debug, Clone)]
pub(crate) enum Descriptor {
    First { chunk: ChunkId, size: u32, spans: Vec<Span>, class: GateClass },
    Retry { chunk: ChunkId, attempt: u8, not_before_ms: i64, indexes: IndexSet, class: GateClass },
}

impl Descriptor {
    /// What its record waits together with.
    pub(crate) fn line(&self, page: &PageId) -> Line {
        let (chunk, is_retry) = match self {
            Self::First { chunk, .. } => (chunk, false),
            Self::Retry { chunk, .. } => (chunk, true),
        };
        Line { page: page.clone(), campaign: chunk.campaign(), is_retry }
    }
}

/// A descriptor for a page, and its record of `chunks`.
#[derive(Debug)]
pub(crate) struct OpenWork {
    pub(crate) record: u64,
    pub(crate) descriptor: Descriptor,
}

/// What `chunks` has for a page.
#[derive(Debug)]
pub(crate) enum ForPage {
    Open(OpenWork),
    Refused(PageRefused),
}

impl Page {
    /// Descriptors are opened with the next questions to the store. Many arrive together.
    pub(super) fn take_in(&mut self, first: ForPage) {
        let now = self.now();
        let mut next = Some(first);
        while let Some(brought) = next {
            match brought {
                ForPage::Open(OpenWork { record, descriptor }) => {
                    self.waiting.push((now, record, descriptor));
                }
                ForPage::Refused(refused) => self.told(refused),
            }
            next = self.inbox.try_recv().ok();
        }
    }

    /// Puts a descriptor into its campaign's lane. One of a campaign that has ended needs nothing; one of a
    /// campaign that is being cancelled waits until what is claimed is settled, the finalizer does the rest.
    async fn open(&mut self, record: u64, descriptor: Descriptor) -> Result<(), SenderError> {
        let (Descriptor::First { chunk, .. } | Descriptor::Retry { chunk, .. }) = &descriptor;
        let id = chunk.campaign();
        if !self.lanes.contains_key(&id) && !self.open_lane(id, record, &descriptor).await? {
            return Ok(());
        }
        let work = match descriptor {
            Descriptor::First { chunk, size, spans, class } => {
                let source = Source::Spans(SpanCursor::new(spans));
                Work::open(chunk, 1, 0, source, record, IndexSet::full(size)).of_class(class)
            }
            Descriptor::Retry { chunk, attempt, not_before_ms, indexes, class } => {
                Work::open(chunk, attempt, not_before_ms, Source::Rows, record, indexes).of_class(class)
            }
        };
        if let Some(state) = self.lanes.get_mut(&id) {
            state.lane.add(work);
        }
        Ok(())
    }

    pub(super) async fn retry_waiting(&mut self) -> Result<(), SenderError> {
        let now = self.now();
        if self.stop.is_some() || self.waiting.iter().all(|(due, ..)| *due > now) {
            return Ok(());
        }
        let (due, later) = std::mem::take(&mut self.waiting).into_iter().partition(|(due, ..)| *due <= now);
        self.waiting = later;
        let due: Vec<_> = due;
        for (_, record, descriptor) in due {
            self.open(record, descriptor).await?;
        }
        Ok(())
    }
}
