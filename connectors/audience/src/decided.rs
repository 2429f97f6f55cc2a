//! Rows with what becomes of them: the decision of the core, then deduplication.

use crate::batch::{Batch, Row, RowContent};
use crate::error::AudienceError;
use crate::pin::SourcePin;
use crate::reader::AudienceReader;
use crate::seen::SeenSet;
use sluice_core::address::recipient_key;
use sluice_core::row::{Columns, SkipReason, Verdict};
use sluice_schemas::Channel;
use std::sync::Arc;

/// Said of a row whose address an earlier one has.
const DUPLICATE: &str = "an earlier row has the same address";

/// A reader with a memory of the addresses it gave.
#[derive(Debug)]
pub struct DecidedRows {
    reader: AudienceReader,
    channel: Channel,
    seen: SeenSet,
}

/// One row of a batch, decided.
#[derive(Debug)]
pub struct Decided<'a> {
    /// As it was read.
    pub row: Row<'a>,
    /// What becomes of it.
    pub verdict: Verdict<'a>,
}

impl DecidedRows {
    /// The rows of `reader` for `channel`, the first of equal addresses in `seen` wins.
    pub fn new(reader: AudienceReader, channel: Channel, seen: SeenSet) -> Self {
        DecidedRows { reader, channel, seen }
    }

    /// What the content was when it was opened.
    pub fn pin(&self) -> SourcePin {
        self.reader.pin()
    }

    /// The columns of the cells.
    pub fn columns(&self) -> &Arc<Columns> {
        self.reader.columns()
    }

    /// The next rows as they were read; every one is to be given to [`DecidedRows::decide`], in order.
    pub fn next_batch(&mut self, rows_max: usize) -> Result<Option<Batch>, AudienceError> {
        self.reader.next_batch(rows_max)
    }

    /// Decides about a row of the last batch.
    pub fn decide<'a>(&mut self, batch: &'a Batch, row: Row<'a>) -> Result<Decided<'a>, AudienceError> {
        let cells = match row.content {
            RowContent::Malformed { reason, .. } => {
                let verdict = Verdict::Skipped { reason: SkipReason::MalformedRow, detail: reason.into() };
                return Ok(Decided { row, verdict });
            }
            RowContent::Cells(cells) => cells,
        };
        let verdict = batch.columns().decide(cells);
        if let Verdict::Valid(valid) = &verdict {
            let new = self
                .seen
                .insert(recipient_key(self.channel, &valid.address))
                .map_err(|source| AudienceError::Temporary { path: self.seen.parent().to_owned(), source })?;
            if !new {
                let verdict = Verdict::Skipped { reason: SkipReason::Duplicate, detail: DUPLICATE.into() };
                return Ok(Decided { row, verdict });
            }
        }
        Ok(Decided { row, verdict })
    }
}
