//! Closing and opening again; damage.

use crate::open;
use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::{CampaignId, CampaignRow, ChunkId, ChunkState, IndexSet, LedgerBody, PageId};
use sluice_engine::{Engine, EngineOptions, Shape};
use sluice_runtime::ports::store::{
    ChunkSave, CorrelatedSend, CorrelationKey, Predecessor, RecipientRow, Store, StoreError,
};
use sluice_schemas::{CampaignLaunch, Channel, Fact};
use sluice_store::EmbeddedStore;
use std::sync::Arc;

fn chunk() -> ChunkId {
    ChunkId::new(CampaignId::of("default", "c"), 1, 1, 0)
}

fn launch() -> CampaignLaunch {
    serde_json::from_str(
        r#"{"campaign":"c","channel":"sms","pages":["p"],"audience":{"path":"x.csv"},
            "message":{"http":{"body":{"to":"{{address}}"},"headers":{"a":"b"}}},"variables":{"k":"v"}}"#,
    )
    .unwrap()
}

fn save(sent: u16, stamp: u64) -> ChunkSave {
    let mut state = ChunkState::new();
    state.merge(&entry(Fact::Accepted, 0, sent, 1, 5));
    let counters = state.counters();
    let details = vec![entry(Fact::Accepted, 0, sent, 1, 5)];
    let stamp = Stamp(stamp);
    ChunkSave { chunk: chunk(), stamp, state, counters, details, details_to: stamp }
}

#[tokio::test]
async fn everything_is_there_after_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    let page = PageId::from("p");
    let row = CampaignRow::launched(launch(), 5);
    let recipient = RecipientRow { index: 7, line: 9, skipped: None, payload: "payload".into() };
    let key = CorrelationKey::Message(Channel::Sms, "m".to_owned());
    let send =
        CorrelatedSend { send: sluice_core::SendId { chunk: chunk(), index: 7 }, attempt: 2, sent_at_ms: -3 };
    let mut body = LedgerBody::new();
    body.claim(chunk(), 1, &IndexSet::full(9)).unwrap();
    {
        let store = open(dir.path());
        store.create_campaign(row.clone()).await.unwrap();
        let fence = store.take(&page, "before").await.unwrap().fence;
        store.grant(&page, fence, &body).await.unwrap();
        store.write_recipients(chunk(), vec![recipient.clone()]).await.unwrap();
        store.save_chunks(vec![save(3, 10)]).await.unwrap();
        store.correlate(vec![(key.clone(), send)]).await.unwrap();
    }
    let store = open(dir.path());
    assert_eq!(store.campaign(row.id).await, Ok(Some(row)));
    assert_eq!(store.recipients(chunk(), &IndexSet::full(100)).await, Ok(vec![recipient]));
    assert_eq!(store.load_chunk(chunk()).await, Ok(Some((Stamp(10), save(3, 10).state))));
    assert_eq!(store.details(chunk()).await, Ok(save(3, 10).details));
    assert_eq!(store.correlated(&key).await, Ok(vec![send]));
    let taken = store.take(&page, "after").await.unwrap();
    assert_eq!((taken.predecessor, taken.body), (Predecessor::Gone, body), "its process is gone");
    assert_eq!(store.take(&page, "other").await.unwrap().predecessor, Predecessor::MayRun, "this one is not");
}

#[tokio::test]
async fn hazard_16_of_two_states_with_one_stamp_the_first_stays_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.save_chunks(vec![save(3, 10), save(3, 10)]).await.unwrap();
    assert_eq!(store.conflicting_saves(), 0);
    store.save_chunks(vec![save(4, 10)]).await.unwrap();
    assert_eq!(store.conflicting_saves(), 1);
    assert_eq!(store.load_chunk(chunk()).await, Ok(Some((Stamp(10), save(3, 10).state))));
    assert_eq!(store.details(chunk()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn damaged_values_are_errors_that_name_the_row() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
    let store = EmbeddedStore::open(engine.clone()).unwrap();
    let row = CampaignRow::launched(launch(), 5);
    store.create_campaign(row.clone()).await.unwrap();
    store.take(&PageId::from("p"), "me").await.unwrap();
    let one = RecipientRow { index: 7, line: 9, skipped: None, payload: "payload".into() };
    store.write_recipients(chunk(), vec![one]).await.unwrap();
    store.save_chunks(vec![save(3, 10)]).await.unwrap();
    for name in ["campaigns", "ledgers", "recipients", "states", "counters", "details"] {
        let table = engine.keyspace(&format!("store.{name}"), Shape::Rows).unwrap();
        let (key, value) = engine.snapshot().prefix(&table, b"").next().unwrap().unwrap();
        let half = value[..value.len() / 2].to_vec();
        engine.write_blocking(move |tx| tx.insert(&table, key, half)).unwrap();
    }
    let all = IndexSet::full(100);
    let errors = [
        (store.campaign(row.id).await.unwrap_err(), format!("campaign {}", row.id)),
        (store.lease_expansion(row.id).await.unwrap_err(), format!("campaign {}", row.id)),
        (store.ledger(&PageId::from("p")).await.unwrap_err(), "ledger of page p".to_owned()),
        (store.take(&PageId::from("p"), "me").await.unwrap_err(), "ledger of page p".to_owned()),
        (store.recipients(chunk(), &all).await.unwrap_err(), format!("recipients {} from 0", chunk())),
        (store.load_chunk(chunk()).await.unwrap_err(), format!("state of chunk {}", chunk())),
        (store.counters(row.id).await.unwrap_err(), format!("counters of chunk {}", chunk())),
        (store.details(chunk()).await.unwrap_err(), format!("details of chunk {}", chunk())),
    ];
    for (error, expected) in errors {
        assert!(
            matches!(&error, StoreError::Damaged { what, .. } if *what == expected),
            "{error}, not {expected}"
        );
    }
}

#[tokio::test]
async fn after_closing_nothing_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let engine = Arc::new(Engine::open(dir.path(), EngineOptions::default()).unwrap());
    let store = EmbeddedStore::open(engine.clone()).unwrap();
    engine.close();
    let refused = store.create_campaign(CampaignRow::launched(launch(), 5)).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}
