//! The recipients of a campaign, a part at a time: memory is bounded by a part, whoever asks and however many there are.

use super::people::{Person, of_chunk};
use super::place::Place;
use crate::error::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use sluice_core::ChunkRow;
use sluice_core::facts::{Recipient, Status};
use sluice_runtime::ports::store::Store;
use std::time::Duration;
use tokio::time::Instant;

/// Recipients of a part at most: those of a full chunk.
pub const PART_MAX: usize = sluice_core::CHUNK_ROWS_MAX as usize;

/// Chunks that are looked at for a part at most: an answer comes soon, also where nobody is found.
const CHUNKS_MAX: usize = 32;

/// A part ends with the chunk at which this is over, far below the patience of whoever asks: where the store is slow, a
/// list gets on all the same.
pub(super) const PART_TIME_MAX: Duration = Duration::from_secs(2);

const STATUSES: [Status; 10] = [
    Status::Pending,
    Status::Sent,
    Status::Delivered,
    Status::Read,
    Status::Responded,
    Status::Failed,
    Status::OptedOut,
    Status::Skipped,
    Status::Cancelled,
    Status::Unknown,
];

/// Who is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Only these.
    pub status: Option<Status>,
    /// Only those after it.
    pub after: Option<Place>,
    /// At most so many; at most [`PART_MAX`] come at once.
    pub limit: usize,
}

/// Some recipients, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// They; none at all does not mean that there are no more.
    pub recipients: Vec<Person>,
    /// After this the next part begins; `None`: this was the last one.
    pub next: Option<String>,
}

impl Wanted {
    /// Of the words of a command or a request.
    pub fn read(status: Option<&str>, after: Option<&str>, limit: usize) -> Outcome<Self> {
        let (status, after) = (status.map(status_of).transpose()?, after.map(Place::parse).transpose()?);
        Ok(Self { status, after, limit })
    }

    /// What is still asked for after a part; `None` where that was all.
    pub fn rest(self, part: &Part) -> Outcome<Option<Self>> {
        let left = self.limit.saturating_sub(part.recipients.len());
        let after = part.next.as_deref().map(Place::parse).transpose()?;
        Ok(after.filter(|_| left > 0).map(|after| Self { after: Some(after), limit: left, ..self }))
    }

    fn is(&self, place: Place, recipient: Recipient) -> bool {
        self.after.is_none_or(|after| place > after)
            && self.status.is_none_or(|status| recipient.status() == status)
    }
}

/// The first part of those who are asked for. `chunks`: the campaign's, by number.
pub async fn part(store: &dyn Store, chunks: &[ChunkRow], wanted: &Wanted) -> Outcome<Part> {
    let limit = wanted.limit.min(PART_MAX);
    let is_left = |chunk: &&ChunkRow| wanted.after.is_none_or(|after| Place::last_of(chunk) > after);
    let (mut recipients, mut looked_at, mut reached) = (Vec::new(), 0, wanted.after);
    let began = Instant::now();
    for chunk in chunks.iter().filter(is_left) {
        let room = limit - recipients.len();
        let is_late = looked_at > 0 && began.elapsed() >= PART_TIME_MAX;
        if room == 0 || looked_at == CHUNKS_MAX || is_late {
            return Ok(Part { recipients, next: reached.map(|place| place.to_string()) });
        }
        let number = chunk.id.number();
        let is_wanted = |index, recipient| wanted.is(Place { chunk: number, index }, recipient);
        // One more than there is room for tells whether the chunk has more.
        let mut found = of_chunk(store, chunk, is_wanted, room.saturating_add(1)).await?;
        if found.len() > room {
            found.truncate(room);
            recipients.extend(found);
            let next = recipients.last().map(|person: &Person| person.id.clone());
            return Ok(Part { recipients, next });
        }
        recipients.extend(found);
        looked_at += 1;
        reached = Some(Place::last_of(chunk));
    }
    Ok(Part { recipients, next: None })
}

fn status_of(word: &str) -> Outcome<Status> {
    STATUSES.into_iter().find(|status| status.as_str() == word).ok_or_else(|| {
        let words: Vec<&str> = STATUSES.iter().map(|status| status.as_str()).collect();
        let to_do = match sluice_core::launch::nearest(word, words.iter().copied()) {
            Some(near) => format!("perhaps `{near}` is meant"),
            None => format!("use one of {}", words.join(", ")),
        };
        Failure::usage("status", format!("`{word}` is not a status"), to_do)
    })
}

#[cfg(test)]
mod tests {
    use super::super::stored::tests::{row, stored};
    use super::*;
    use bytes::Bytes;
    use sluice_core::Stamp;
    use sluice_core::chunk_state::{ChunkState, entry};
    use sluice_engine::{Engine, EngineOptions};
    use sluice_runtime::ports::store::{ChunkSave, RecipientRow};
    use sluice_schemas::{Fact, SendRequest, encode};
    use sluice_store::EmbeddedStore;
    use std::sync::Arc;

    /// `count` chunks of five recipients, of whom those with index 3 failed.
    async fn chunks(store: &dyn Store, count: usize) -> Vec<ChunkRow> {
        let campaign = row("null", "{}");
        let chunks = stored(campaign.clone(), &vec![("a", 5); count]).chunks;
        for chunk in chunks.iter() {
            let rows = (0..5).map(|index| {
                let send = SendRequest {
                    chunk: chunk.id.0.into(),
                    index: i32::from(index),
                    address: format!("p{index}@example.com"),
                    name: None,
                    customer_id: None,
                    time_zone: None,
                    variables: Default::default(),
                };
                RecipientRow { index, line: 1, skipped: None, payload: Bytes::from(encode(&send)) }
            });
            store.write_recipients(chunk.id, rows.collect()).await.unwrap();
            let failed = entry(Fact::FailedForGood, 3, 3, 1, 1_000);
            let mut state = ChunkState::new();
            state.merge(&failed);
            let (stamp, counters) = (Stamp::new(1, 1), state.counters());
            let save = ChunkSave {
                chunk: chunk.id,
                stamp,
                state,
                counters,
                details: vec![failed],
                details_to: stamp,
            };
            store.save_chunks(vec![save]).await.unwrap();
        }
        chunks.to_vec()
    }

    /// The sizes of the parts, and the ids of all of them.
    async fn all(store: &dyn Store, chunks: &[ChunkRow], wanted: Wanted) -> (Vec<usize>, Vec<String>) {
        let (mut sizes, mut ids, mut left) = (Vec::new(), Vec::new(), Some(wanted));
        while let Some(wanted) = left {
            // A part travels as JSON.
            let part = serde_json::to_vec(&part(store, chunks, &wanted).await.unwrap()).unwrap();
            let part: Part = serde_json::from_slice(&part).unwrap();
            sizes.push(part.recipients.len());
            left = wanted.rest(&part).unwrap();
            ids.extend(part.recipients.into_iter().map(|person| person.id));
        }
        (sizes, ids)
    }

    #[tokio::test]
    async fn d2_g9_parts_are_bounded_and_together_are_all_whom_was_asked_for_once_each() {
        let place = tempfile::tempdir().unwrap();
        let engine = Engine::open(place.path(), EngineOptions::default()).unwrap();
        let store = EmbeddedStore::open(Arc::new(engine)).unwrap();
        let chunks = chunks(&store, CHUNKS_MAX + 2).await;
        let wanted = |status, after, limit| Wanted::read(status, after, limit).unwrap();

        let (sizes, ids) = all(&store, &chunks, wanted(None, None, usize::MAX)).await;
        assert_eq!(sizes, [CHUNKS_MAX * 5, 10]);
        let each = (0..CHUNKS_MAX + 2).flat_map(|chunk| (0..5).map(move |index| format!("{chunk}.{index}")));
        assert_eq!(ids, each.collect::<Vec<_>>());

        let (sizes, ids) = all(&store, &chunks, wanted(Some("failed"), Some("0.3"), 3)).await;
        assert_eq!((sizes, ids), (vec![3], ["1.3", "2.3", "3.3"].map(str::to_owned).to_vec()));
        let (sizes, ids) = all(&store, &chunks, wanted(None, Some("1.3"), 3)).await;
        assert_eq!((sizes, ids), (vec![3], ["1.4", "2.0", "2.1"].map(str::to_owned).to_vec()));
        // Nobody is found in the first part: the list goes on all the same.
        let (sizes, ids) = all(&store, &chunks, wanted(Some("sent"), None, 3)).await;
        assert_eq!((sizes, ids.len()), (vec![0, 0], 0));
    }

    #[test]
    fn a_mistyped_status_names_the_nearest() {
        assert_eq!(status_of("failed").unwrap(), Status::Failed);
        assert!(status_of("faild").unwrap_err().actionable.contains("`failed`"));
    }
}
