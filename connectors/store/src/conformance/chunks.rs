//! Recipients and chunk states.

use super::{campaign, chunk_id, chunk_row};
use bytes::Bytes;
use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::{CampaignId, ChunkId, ChunkState, Counters, IndexSet};
use sluice_runtime::ports::store::{ChunkSave, RecipientRow, Store};
use sluice_schemas::Fact;

fn recipient(index: u16) -> RecipientRow {
    RecipientRow {
        index,
        line: u64::from(index) + 2,
        skipped: index.is_multiple_of(7).then(|| "no_address".to_owned()),
        payload: Bytes::from(format!("payload of {index} {}", "x".repeat(usize::from(index % 50)))),
    }
}

/// Those that exist of those asked for, in order.
pub async fn recipients_are_read_by_index(store: &dyn Store) {
    let id = campaign("spring-sale", 1).id;
    let (full, other) = (chunk_id(id, 1, 0), chunk_id(id, 1, 1));
    let rows: Vec<RecipientRow> = (0..1_000).map(recipient).collect();
    store.write_recipients(full, rows.clone()).await.unwrap();
    store.write_recipients(other, vec![recipient(3)]).await.unwrap();
    assert_eq!(store.recipients(full, &IndexSet::full(1_000)).await.unwrap(), rows);
    assert_eq!(store.recipients(full, &IndexSet::new()).await.unwrap(), []);
    let some: IndexSet = [0, 255, 256, 511, 512, 999, 1_000, 8_191].into_iter().collect();
    let read: Vec<u16> = store.recipients(full, &some).await.unwrap().iter().map(|row| row.index).collect();
    assert_eq!(read, [0, 255, 256, 511, 512, 999]);
    assert_eq!(store.recipients(other, &IndexSet::full(8_192)).await.unwrap(), [recipient(3)]);
    assert_eq!(store.recipients(chunk_id(id, 1, 2), &some).await.unwrap(), []);
}

/// The same rows again change nothing; parts add up wherever they are cut.
pub async fn recipients_may_be_written_in_parts_and_again(store: &dyn Store) {
    let chunk = chunk_id(campaign("spring-sale", 1).id, 1, 0);
    let rows: Vec<RecipientRow> = (0..600).map(recipient).collect();
    for part in [&rows[..100], &rows[100..400], &rows[400..], &rows[50..350]] {
        store.write_recipients(chunk, part.to_vec()).await.unwrap();
    }
    assert_eq!(store.recipients(chunk, &IndexSet::full(8_192)).await.unwrap(), rows);
}

fn state(sent: u16) -> ChunkState {
    let mut state = ChunkState::new();
    state.merge(&entry(Fact::Closed, 0, 99, 0, 0));
    if sent > 0 {
        state.merge(&entry(Fact::Accepted, 0, sent - 1, 1, 10));
    }
    state
}

fn save(chunk: ChunkId, stamp: Stamp, sent: u16) -> ChunkSave {
    let state = state(sent);
    let counters = state.counters();
    let details = vec![entry(Fact::Accepted, sent, sent, 1, i64::from(sent))];
    ChunkSave { chunk, stamp, state, counters, details, details_to: stamp }
}

/// Counters are those of committed chunks; others are nobody's.
async fn commit(store: &dyn Store, name: &str, numbers: impl IntoIterator<Item = u32>) -> CampaignId {
    let row = campaign(name, 1);
    store.create_campaign(row.clone()).await.unwrap();
    let epoch = store.lease_expansion(row.id).await.unwrap().row.exp_epoch;
    assert_eq!(epoch, 1, "the names of the chunks say so");
    for number in numbers {
        store.commit_chunk(epoch, chunk_row(row.id, 1, number)).await.unwrap();
    }
    row.id
}

/// A replay or a former owner that writes late loses, in whichever order the writes arrive.
pub async fn hazard_15_the_highest_stamp_wins_in_any_order(store: &dyn Store) {
    let id = commit(store, "spring-sale", 0..6).await;
    assert_eq!(store.load_chunk(chunk_id(id, 1, 9)).await, Ok(None));
    let orders = [[1u16, 2, 3], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2], [3, 2, 1]];
    for (number, order) in orders.into_iter().enumerate() {
        let chunk = chunk_id(id, 1, number as u32);
        for sent in order {
            store.save_chunks(vec![save(chunk, Stamp::new(1, u64::from(sent) * 100), sent)]).await.unwrap();
        }
        assert_eq!(store.load_chunk(chunk).await, Ok(Some((Stamp::new(1, 300), state(3)))), "{order:?}");
        let counters = store.counters(id).await.unwrap();
        assert_eq!(counters[number], (chunk, state(3).counters()), "the counters belong to the state");
    }
    // Hazard 17: a new generation of the topic outranks every offset of the old one.
    let chunk = chunk_id(id, 1, 0);
    store.save_chunks(vec![save(chunk, Stamp::new(2, 0), 4)]).await.unwrap();
    assert_eq!(store.load_chunk(chunk).await, Ok(Some((Stamp::new(2, 0), state(4)))));
}

/// A flush is repeated with identical bytes, and is then without effect.
pub async fn hazard_16_an_equal_stamp_changes_nothing(store: &dyn Store) {
    let chunk = chunk_id(campaign("spring-sale", 1).id, 1, 0);
    let first = save(chunk, Stamp::new(1, 100), 5);
    for _ in 0..3 {
        store.save_chunks(vec![first.clone()]).await.unwrap();
    }
    assert_eq!(store.load_chunk(chunk).await, Ok(Some((first.stamp, first.state))));
    assert_eq!(store.details(chunk).await, Ok(first.details));
}

/// One per stored chunk of the campaign, by number.
pub async fn counters_are_those_beside_the_states(store: &dyn Store) {
    let id = commit(store, "spring-sale", 0..7).await;
    let other = commit(store, "winback", 0..4).await;
    let saves = [5u32, 0, 2, 1].map(|number| save(chunk_id(id, 1, number), Stamp::new(1, 7), number as u16));
    store.save_chunks(saves.to_vec()).await.unwrap();
    store.save_chunks(vec![save(chunk_id(other, 1, 3), Stamp::new(1, 8), 9)]).await.unwrap();
    let expected: Vec<(ChunkId, Counters)> =
        [0u32, 1, 2, 5].map(|number| (chunk_id(id, 1, number), state(number as u16).counters())).to_vec();
    assert_eq!(store.counters(id).await, Ok(expected));
    assert_eq!(store.counters(campaign("nobody", 1).id).await, Ok(Vec::new()));
}

/// Each save adds its entries, in order. Those of one that lost are facts as well, and come with the save of
/// the winner, too: a store that writes blindly may keep them, at their place.
pub async fn details_come_in_order_of_stamps(store: &dyn Store) {
    let id = campaign("spring-sale", 1).id;
    let (chunk, other) = (chunk_id(id, 1, 0), chunk_id(id, 1, 1));
    assert_eq!(store.details(chunk).await, Ok(Vec::new()));
    let mut full = save(chunk, Stamp::new(1, 300), 3);
    full.details[0].reason = Some("131026".to_owned());
    full.details[0].message = Some("undeliverable".to_owned());
    full.details[0].provider_id = Some("wamid.1".to_owned());
    let saves = vec![save(chunk, Stamp::new(1, 100), 1), save(other, Stamp::new(1, 100), 8), full];
    let expected = vec![saves[0].details[0].clone(), saves[2].details[0].clone()];
    store.save_chunks(saves).await.unwrap();
    let lost = save(chunk, Stamp::new(1, 200), 2);
    store.save_chunks(vec![lost.clone()]).await.unwrap();
    let mut kept = store.details(chunk).await.unwrap();
    if kept.get(1) == lost.details.first() {
        kept.remove(1);
    }
    assert_eq!(kept, expected);
    let before = store.details(chunk).await.unwrap();
    let silent = ChunkSave { details: Vec::new(), ..save(chunk, Stamp::new(1, 400), 4) };
    store.save_chunks(vec![silent]).await.unwrap();
    assert_eq!(store.details(chunk).await.unwrap(), before);
}
