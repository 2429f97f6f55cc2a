//! The rows of a chunk as bytes: encoded once, for the recipient rows and for the log alike.

use bytes::Bytes;
use serde_bytes::ByteArray;
use sluice_core::ChunkId;
use sluice_core::chunk_state::entry;
use sluice_core::row::RowDecision;
use sluice_runtime::ports::audience::DecidedRow;
use sluice_runtime::ports::log::NewRecord;
use sluice_runtime::ports::store::RecipientRow;
use sluice_schemas::{Fact, ReceiptEntry, SendRequest, encode_into};

/// Why a valid row is skipped that the audience knows nothing of.
const SUPPRESSED: &str = "suppressed";

/// Bytes of an encoded row, as a first guess.
const ROW_BYTES: usize = 128;

/// Encodes row after row into one buffer.
#[derive(Debug)]
pub(crate) struct Encoder {
    chunk: ChunkId,
    buffer: Vec<u8>,
    rows: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    end: usize,
    line: u64,
    skipped: Option<&'static str>,
}

impl Encoder {
    pub(crate) fn new(chunk: ChunkId, rows: usize) -> Self {
        Self { chunk, buffer: Vec::with_capacity(rows * ROW_BYTES), rows: Vec::with_capacity(rows) }
    }

    /// Takes the row with the next index.
    pub(crate) fn push(&mut self, row: DecidedRow, suppressed: bool) {
        let mut send = SendRequest {
            chunk: ByteArray::new(self.chunk.0),
            index: self.rows.len() as i32,
            address: String::new(),
            name: None,
            customer_id: None,
            time_zone: None,
            variables: Default::default(),
        };
        let skipped = match row.decision {
            RowDecision::Skipped { reason, .. } => Some(reason.as_str()),
            RowDecision::Valid { address, name, customer_id, time_zone, variables, .. } => {
                send = SendRequest { address, name, customer_id, time_zone, variables, ..send };
                suppressed.then_some(SUPPRESSED)
            }
        };
        encode_into(&send, &mut self.buffer);
        self.rows.push(Place { end: self.buffer.len(), line: row.line, skipped });
    }

    pub(crate) fn finish(self) -> EncodedChunk {
        EncodedChunk { bytes: Bytes::from(self.buffer), rows: self.rows }
    }
}

/// All rows of a chunk.
#[derive(Debug)]
pub(crate) struct EncodedChunk {
    bytes: Bytes,
    rows: Vec<Place>,
}

impl EncodedChunk {
    pub(crate) fn size(&self) -> u32 {
        self.rows.len() as u32
    }

    pub(crate) fn skipped(&self) -> u32 {
        self.rows.iter().filter(|row| row.skipped.is_some()).count() as u32
    }

    fn payloads(&self) -> impl Iterator<Item = (Place, Bytes)> {
        let mut start = 0;
        self.rows.iter().map(move |row| {
            let payload = self.bytes.slice(start..row.end);
            start = row.end;
            (*row, payload)
        })
    }

    /// Every row, also skipped ones.
    pub(crate) fn recipients(&self) -> Vec<RecipientRow> {
        let recipient = |(index, (row, payload)): (usize, (Place, Bytes))| RecipientRow {
            index: index as u16,
            line: row.line,
            skipped: row.skipped.map(str::to_owned),
            payload,
        };
        self.payloads().enumerate().map(recipient).collect()
    }

    /// What is to be sent.
    pub(crate) fn sends(&self, key: &Bytes) -> Vec<NewRecord> {
        let valid = self.payloads().filter(|(row, _)| row.skipped.is_none());
        valid.map(|(_, value)| NewRecord { key: key.clone(), value }).collect()
    }

    /// What is not, as receipts say it.
    pub(crate) fn skips(&self, at_ms: i64) -> Vec<ReceiptEntry> {
        let skipped =
            self.rows.iter().enumerate().filter_map(|(index, row)| Some((index as u16, row.skipped?)));
        skip_entries(skipped, at_ms)
    }
}

/// Ranges of consecutive indexes with equal reasons. Indexes ascend.
pub(crate) fn skip_entries<'a>(
    skipped: impl Iterator<Item = (u16, &'a str)>,
    at_ms: i64,
) -> Vec<ReceiptEntry> {
    let mut entries: Vec<ReceiptEntry> = Vec::new();
    for (index, reason) in skipped {
        match entries.last_mut() {
            Some(range) if range.last + 1 == i32::from(index) && range.reason.as_deref() == Some(reason) => {
                range.last += 1;
            }
            _ => {
                let range = entry(Fact::Skipped, index, index, 0, at_ms);
                entries.push(ReceiptEntry { reason: Some(reason.to_owned()), ..range });
            }
        }
    }
    entries
}

/// What a row holds in memory, in bytes, for the budget of open chunks.
pub(crate) fn weight(row: &DecidedRow) -> usize {
    /// A node of a small map with room for eleven pairs of strings.
    const MAP_BYTES: usize = 544;
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    size_of::<DecidedRow>()
        + match &row.decision {
            RowDecision::Skipped { detail, .. } => detail.len(),
            RowDecision::Valid {
                address,
                name,
                customer_id,
                time_zone,
                page_id,
                send_date: _,
                variables,
                warnings,
            } => {
                let pairs: usize = variables.iter().map(|(name, value)| name.len() + value.len()).sum();
                let map = variables.len().div_ceil(11) * MAP_BYTES + pairs;
                let warnings: usize =
                    warnings.iter().map(|warning| size_of::<String>() + warning.len()).sum();
                address.len()
                    + text(name)
                    + text(customer_id)
                    + text(time_zone)
                    + text(page_id)
                    + map
                    + warnings
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::CampaignId;
    use sluice_core::row::SkipReason;
    use sluice_schemas::decode;

    fn valid(line: u64, address: &str) -> DecidedRow {
        let decision = RowDecision::Valid {
            address: address.to_owned(),
            name: Some("Ana".to_owned()),
            customer_id: None,
            time_zone: None,
            page_id: None,
            send_date: None,
            variables: [("coupon".to_owned(), "TEN".to_owned())].into(),
            warnings: Vec::new(),
        };
        DecidedRow { line, decision }
    }

    fn skipped(line: u64, reason: SkipReason) -> DecidedRow {
        DecidedRow { line, decision: RowDecision::Skipped { reason, detail: String::new() } }
    }

    fn chunk() -> EncodedChunk {
        let mut encoder = Encoder::new(ChunkId::new(CampaignId::of("t", "c"), 0, 1, 0), 6);
        encoder.push(valid(2, "+1"), false);
        encoder.push(skipped(3, SkipReason::Duplicate), false);
        encoder.push(skipped(4, SkipReason::Duplicate), false);
        encoder.push(skipped(5, SkipReason::InvalidAddress), false);
        encoder.push(valid(6, "+2"), true);
        encoder.push(valid(7, "+3"), false);
        encoder.finish()
    }

    #[test]
    fn hazard_1_skipped_and_suppressed_rows_keep_their_index() {
        let recipients = chunk().recipients();
        assert!(recipients.iter().map(|row| row.index).eq(0..6));
        assert!(recipients.iter().map(|row| row.line).eq(2..8));
        let reasons: Vec<_> = recipients.iter().map(|row| row.skipped.as_deref()).collect();
        let [duplicate, invalid, suppressed] = ["duplicate", "invalid_address", "suppressed"].map(Some);
        assert_eq!(reasons, [None, duplicate, duplicate, invalid, suppressed, None]);
    }

    #[test]
    fn the_log_carries_the_very_bytes_of_the_recipient_rows_that_are_sent() {
        let (recipients, sends) = (chunk().recipients(), chunk().sends(&Bytes::from_static(b"page")));
        let valid: Vec<_> =
            recipients.iter().filter(|row| row.skipped.is_none()).map(|row| &row.payload).collect();
        assert_eq!(sends.iter().map(|record| &record.value).collect::<Vec<_>>(), valid);
        let last: SendRequest = decode(&sends[1].value).unwrap();
        assert_eq!((last.index, last.address.as_str(), last.variables["coupon"].as_str()), (5, "+3", "TEN"));
    }

    #[test]
    fn neighbours_with_one_reason_share_a_receipt_entry() {
        let entries = chunk().skips(7);
        let ranges: Vec<_> =
            entries.iter().map(|entry| (entry.first, entry.last, entry.reason.as_deref().unwrap())).collect();
        assert_eq!(ranges, [(1, 2, "duplicate"), (3, 3, "invalid_address"), (4, 4, "suppressed")]);
        assert_eq!((chunk().size(), chunk().skipped()), (6, 4));
    }
}
