//! Recipients as people ask for them: who, where they are, when, and why.

use super::place::Place;
use crate::error::{Outcome, storage};
use crate::view::numbers::time;
use serde::{Deserialize, Serialize};
use sluice_core::details::Details;
use sluice_core::facts::{Recipient, Status};
use sluice_core::{ChunkRow, IndexSet};
use sluice_runtime::ports::store::{RecipientRow, Store};
use sluice_schemas::{SendRequest, decode};

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Its [`Place`]: where to go on with `--after`.
    pub id: String,
    /// Line in the audience, from 1; of a row of the launch itself its number. 0: it was read by an earlier version, which
    /// counted no rows of launches.
    pub line: u64,
    /// Normalised; as given where the row was skipped.
    pub address: String,
    /// From the audience.
    pub name: Option<String>,
    /// From the audience.
    pub customer_id: Option<String>,
    /// The page that sends.
    pub page: String,
    /// Where it is.
    pub status: String,
    /// Attempts beyond the first.
    pub retry_count: u8,
    /// RFC 3339.
    pub sent_at: Option<String>,
    /// RFC 3339.
    pub delivered_at: Option<String>,
    /// RFC 3339.
    pub read_at: Option<String>,
    /// RFC 3339.
    pub responded_at: Option<String>,
    /// RFC 3339.
    pub failed_at: Option<String>,
    /// RFC 3339.
    pub last_retry_at: Option<String>,
    /// Code of the failure, or why it was skipped.
    pub reason: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
}

/// The columns of an export, in order.
pub const COLUMNS: [&str; 17] = [
    "id",
    "line",
    "address",
    "name",
    "customer_id",
    "page",
    "status",
    "retry_count",
    "sent_at",
    "delivered_at",
    "read_at",
    "responded_at",
    "failed_at",
    "last_retry_at",
    "reason",
    "message",
    "provider_id",
];

impl Person {
    /// Cells in the order of [`COLUMNS`].
    pub fn cells(&self) -> [String; 17] {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        [
            self.id.clone(),
            self.line.to_string(),
            self.address.clone(),
            text(&self.name),
            text(&self.customer_id),
            self.page.clone(),
            self.status.clone(),
            self.retry_count.to_string(),
            text(&self.sent_at),
            text(&self.delivered_at),
            text(&self.read_at),
            text(&self.responded_at),
            text(&self.failed_at),
            text(&self.last_retry_at),
            text(&self.reason),
            text(&self.message),
            text(&self.provider_id),
        ]
    }
}

/// The first recipients of a chunk for which `wanted` holds, `most` of them, by index.
pub async fn of_chunk(
    store: &dyn Store,
    chunk: &ChunkRow,
    wanted: impl Fn(u16, Recipient) -> bool,
    most: usize,
) -> Outcome<Vec<Person>> {
    let state = store.load_chunk(chunk.id).await?.map(|(_, state)| state).unwrap_or_default();
    let indexes: IndexSet = (0..chunk.size)
        .map(|index| index as u16)
        .filter(|&index| wanted(index, state.recipient(index)))
        .take(most)
        .collect();
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = store.recipients(chunk.id, &indexes).await?;
    let details = details_of(store, chunk, &indexes).await?;
    rows.iter()
        .map(|row| person(chunk, row, state.recipient(row.index), &details[usize::from(row.index)]))
        .collect()
}

/// What receipts said about `indexes` of a chunk, by index.
pub async fn details_of(store: &dyn Store, chunk: &ChunkRow, indexes: &IndexSet) -> Outcome<Vec<Details>> {
    let mut details = vec![Details::default(); chunk.size as usize];
    for entry in store.details(chunk.id).await? {
        let (Ok(first), Ok(last)) = (u16::try_from(entry.first), u16::try_from(entry.last)) else { continue };
        for index in (first..=last).filter(|&index| indexes.contains(index)) {
            if let Some(known) = details.get_mut(usize::from(index)) {
                known.fold(&entry);
            }
        }
    }
    Ok(details)
}

fn person(chunk: &ChunkRow, row: &RecipientRow, state: Recipient, details: &Details) -> Outcome<Person> {
    let send: SendRequest = decode(&row.payload).map_err(|error| {
        storage(format!("damaged recipient {} of chunk {}: {error}", row.index, chunk.id))
    })?;
    let status = state.status();
    // An accepted retry leaves the earlier failure in the details: it is no reason any more.
    let speaks = matches!(
        status,
        Status::Failed | Status::OptedOut | Status::Skipped | Status::Unknown | Status::Pending
    );
    let reason = details.reason.clone().filter(|_| speaks).or_else(|| row.skipped.clone());
    Ok(Person {
        id: Place { chunk: chunk.id.number(), index: row.index }.to_string(),
        line: row.line,
        address: send.address,
        name: send.name,
        customer_id: send.customer_id,
        page: chunk.page.to_string(),
        status: status.as_str().to_owned(),
        retry_count: state.attempts().saturating_sub(1),
        sent_at: details.sent_at_ms.map(time),
        delivered_at: details.delivered_at_ms.map(time),
        read_at: details.read_at_ms.map(time),
        responded_at: details.responded_at_ms.map(time),
        failed_at: details.failed_at_ms.map(time),
        last_retry_at: details.last_retry_at_ms.map(time),
        reason,
        message: details.message.clone().filter(|_| speaks),
        provider_id: details.provider_id.clone(),
    })
}
