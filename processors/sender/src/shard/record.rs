//! Records of `chunks`: what they ask for, of which page.

use crate::page::Descriptor;
use sluice_core::{ChunkId, PageId};
use sluice_runtime::ports::log::StoredRecord;
use sluice_schemas::{ChunkReady, PageRefused, RetryReady, decode, is};

/// What a record brings.
pub(super) enum Brought {
    /// Work of a page, to be finished.
    Work(PageId, Descriptor),
    /// Something that whoever has the page now should know.
    Refused(PageRefused),
}

/// What a record brings, or why it can't be used.
pub(super) fn parse(record: &StoredRecord) -> Result<Brought, String> {
    if is::<PageRefused>(&record.value) {
        return decode(&record.value).map(Brought::Refused).map_err(|error| error.to_string());
    }
    work(record).map(|(page, descriptor)| Brought::Work(page, descriptor))
}

fn work(record: &StoredRecord) -> Result<(PageId, Descriptor), String> {
    if is::<ChunkReady>(&record.value) {
        let ready: ChunkReady = decode(&record.value).map_err(|error| error.to_string())?;
        let size = u32::try_from(ready.size)
            .ok()
            .filter(|size| (1..=sluice_core::CHUNK_ROWS_MAX).contains(size))
            .ok_or_else(|| format!("a chunk of {} rows", ready.size))?;
        let page = PageId::from(ready.page.as_str());
        let chunk = ChunkId(ready.chunk.into_array());
        Ok((page, Descriptor::First { chunk, size, spans: ready.spans, class: ready.class }))
    } else {
        let retry: RetryReady = decode(&record.value).map_err(|error| error.to_string())?;
        let attempt = u8::try_from(retry.attempt)
            .ok()
            .filter(|attempt| (2..=sluice_core::ATTEMPTS_MAX).contains(attempt))
            .ok_or_else(|| format!("a retry with attempt {}", retry.attempt))?;
        let mut indexes = sluice_core::IndexSet::new();
        for range in &retry.indexes {
            match (u16::try_from(range.first), u16::try_from(range.last)) {
                (Ok(first), Ok(last)) if first <= last && u32::from(last) < sluice_core::CHUNK_ROWS_MAX => {
                    indexes.insert_range(first, last);
                }
                _ => return Err(format!("a retry of indexes {}..={}", range.first, range.last)),
            }
        }
        let page = PageId::from(retry.page.as_str());
        let chunk = ChunkId(retry.chunk.into_array());
        let (not_before_ms, class) = (retry.not_before_ms, retry.class);
        Ok((page, Descriptor::Retry { chunk, attempt, not_before_ms, indexes, class }))
    }
}
