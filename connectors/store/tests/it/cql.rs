//! The store on a real CQL database.

use sluice_core::chunk_state::{Stamp, entry};
use sluice_core::{CampaignId, CampaignRow, CampaignState, ChunkId, ChunkState, IndexSet};
use sluice_runtime::ports::log::Generations;
use sluice_runtime::ports::store::{ChunkSave, RecipientRow, Store, Transition};
use sluice_runtime::{Clock, SystemClock};
use sluice_schemas::Fact;
use sluice_store::CqlStore;
use sluice_store::conformance;
use sluice_store::cql::{CqlOptions, migrate};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

/// The data centre of the databases that tests start.
const CENTRE: &str = "datacenter1";

/// Options for a keyspace that nobody used before; it is not there yet. Its name holds the process.
pub(crate) fn fresh() -> CqlOptions {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    CqlOptions {
        contact_points: vec![sluice_engines::shared_cql().to_owned()],
        keyspace: format!("store_{}_{}_{number}", std::process::id(), SystemClock.wall_ms()),
        replication: [(CENTRE.to_owned(), 1)].into(),
        ..CqlOptions::default()
    }
}

/// The keyspace of all tests that work under names of their own: making one takes a second or two. The next run
/// removes it.
pub(crate) async fn shared() -> &'static CqlOptions {
    static SHARED: OnceCell<CqlOptions> = OnceCell::const_new();
    let made = SHARED.get_or_init(async || {
        let options = fresh();
        remove_leftovers().await;
        migrate(&options).await.unwrap();
        options
    });
    made.await
}

/// Drops the keyspaces of processes that are gone.
async fn remove_leftovers() {
    let session = session().await;
    let text = "SELECT keyspace_name FROM system_schema.keyspaces";
    let rows = session.query_unpaged(text, ()).await.unwrap().into_rows_result().unwrap();
    for row in rows.rows::<(String,)>().unwrap() {
        let (name,) = row.unwrap();
        let process = name.strip_prefix("store_").and_then(|rest| rest.split('_').next());
        if process.is_some_and(|process| !std::path::Path::new("/proc").join(process).exists()) {
            session.query_unpaged(format!("DROP KEYSPACE IF EXISTS {name}"), ()).await.unwrap();
        }
    }
}

/// The driver as it is, for what the store does not offer.
pub(crate) async fn session() -> scylla::client::session::Session {
    let builder = scylla::client::session_builder::SessionBuilder::new();
    builder.known_node(sluice_engines::shared_cql()).build().await.unwrap()
}

pub(crate) async fn connect(options: &CqlOptions) -> CqlStore {
    CqlStore::connect(options, SystemClock.wall_ms()).await.unwrap()
}

pub(crate) async fn drop_keyspace(options: &CqlOptions) {
    session().await.query_unpaged(format!("DROP KEYSPACE IF EXISTS {}", options.keyspace), ()).await.unwrap();
}

/// A campaign of one test.
pub(crate) fn campaign(test: &str) -> CampaignRow {
    let launch = serde_json::json!({
        "tenant": test, "campaign": "c", "channel": "http", "pages": ["p"], "audience": { "path": "people.csv" },
        "message": { "http": { "body": {} } },
    });
    CampaignRow::launched(serde_json::from_value(launch).unwrap(), 1)
}

/// A chunk of one test.
pub(crate) fn chunk(test: &str, number: u32) -> ChunkId {
    ChunkId::new(CampaignId::of(test, "c"), 0, 1, number)
}

fn payloads(count: u16, bytes: usize) -> Vec<RecipientRow> {
    let row = |index: u16| {
        let payload: Vec<u8> = (0..bytes).map(|at| (at * 7 + at / 251 * usize::from(index)) as u8).collect();
        RecipientRow { index, line: u64::from(index), skipped: None, payload: payload.into() }
    };
    (0..count).map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_store_gives_every_guarantee_of_the_port() {
    let store = connect(shared().await).await;
    conformance::run_all_shared(&store, "a").await;
    assert_eq!(store.trouble(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_of_any_size_are_cut_into_writes_that_the_database_takes() {
    let store = connect(shared().await).await;
    for (number, rows) in
        [payloads(8_192, 60), payloads(300, 5_000), payloads(3, 400_000)].into_iter().enumerate()
    {
        let chunk = chunk("sizes", number as u32);
        for _ in 0..2 {
            store.write_recipients(chunk, rows.clone()).await.unwrap();
        }
        assert!(store.recipients(chunk, &IndexSet::full(8_192)).await.unwrap() == rows, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_16_of_two_states_with_one_stamp_one_stays_whole() {
    let store = connect(shared().await).await;
    let save = |fact| {
        let mut state = ChunkState::new();
        state.merge(&entry(Fact::Closed, 0, 9, 0, 0));
        state.merge(&entry(fact, 0, 3, 1, 0));
        let counters = state.counters();
        ChunkSave {
            chunk: chunk("stamps", 0),
            stamp: Stamp::new(1, 50),
            state,
            counters,
            details: Vec::new(),
            details_to: Stamp::new(1, 50),
        }
    };
    let (left, right) = (save(Fact::Accepted), save(Fact::FailedForGood));
    for saves in [[&left, &right], [&right, &left]] {
        for one in saves {
            store.save_chunks(vec![one.clone()]).await.unwrap();
        }
    }
    let (stamp, state) = store.load_chunk(chunk("stamps", 0)).await.unwrap().unwrap();
    assert_eq!(stamp, left.stamp);
    assert!(state == left.state || state == right.state);
    let next = ChunkSave { stamp: Stamp::new(1, 51), ..left };
    store.save_chunks(vec![next.clone()]).await.unwrap();
    store.save_chunks(vec![right]).await.unwrap();
    assert_eq!(store.load_chunk(chunk("stamps", 0)).await, Ok(Some((next.stamp, next.state))));
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_of_campaigns_that_are_over_are_removed_when_they_are_read() {
    let store = connect(shared().await).await;
    let row = campaign("notes");
    store.create_campaign(row.clone()).await.unwrap();
    let end = Transition {
        from: CampaignState::Running,
        run: 1,
        to: CampaignState::Completed,
        reason: None,
        at_ms: 2,
        terms: None,
        under: None,
    };
    let ended = store.transition(row.id, end).await.unwrap().unwrap();
    store.announced(row.id, &ended.event_id()).await.unwrap();
    let (session, keyspace) = (session().await, &shared().await.keyspace);
    let bucket = i32::from(row.id.0[7]) % 8;
    let notes = async || {
        let text = format!("SELECT run FROM {keyspace}.open_campaigns WHERE bucket = ? AND id = ?");
        let rows = session.query_unpaged(text, (bucket, row.id.0)).await.unwrap().into_rows_result().unwrap();
        rows.rows::<(i64,)>().unwrap().map(|row| row.unwrap().0).collect::<Vec<i64>>()
    };
    assert_eq!(notes().await, [0; 0], "it went with the announcement");
    let stale = format!("INSERT INTO {keyspace}.open_campaigns (bucket, id, run) VALUES (?, ?, ?)");
    for run in [1i64, 2] {
        session.query_unpaged(stale.as_str(), (bucket, row.id.0, run)).await.unwrap();
    }
    assert!(!store.unfinished().await.unwrap().iter().any(|found| found.id == row.id));
    assert_eq!(notes().await, [2], "run 2 may be about to begin");
}

#[tokio::test(flavor = "multi_thread")]
async fn hazard_17_the_lives_of_a_topic_are_numbered_once_for_all_processes() {
    let options = shared().await;
    let (a, b) = (connect(options).await, connect(options).await);
    let (left, right) = tokio::join!(a.generation("receipts", "id-1"), b.generation("receipts", "id-1"));
    assert_eq!((left, right), (Ok(1), Ok(1)));
    assert_eq!(b.generation("receipts", "id-2").await, Ok(2));
    assert_eq!(a.generation("receipts", "id-2").await, Ok(2));
    assert_eq!(a.generation("chunks", "id-1").await, Ok(1), "another topic");
    let older = a.generation("receipts", "id-1").await.unwrap_err();
    assert!(older.contains("id-1") && older.contains("id-2"), "{older}");
}
