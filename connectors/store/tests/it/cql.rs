//! The store on a real CQL database.

use sluice_runtime::{Clock, SystemClock};
use sluice_store::conformance;
use sluice_store::cql::{CqlOptions, migrate};
use sluice_store::{CqlStore, cql};
use std::sync::atomic::{AtomicU32, Ordering};

/// A keyspace of one test; it goes when the test is over.
pub(crate) struct Keyspace {
    pub(crate) options: CqlOptions,
}

/// The data centre of the databases that tests start.
const CENTRE: &str = "datacenter1";

/// Options for a keyspace that nobody used before; it is not there yet.
pub(crate) fn fresh() -> Keyspace {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let keyspace = format!("store_{}_{}_{number}", std::process::id(), SystemClock.wall_ms());
    let options = CqlOptions {
        contact_points: vec![sluice_engines::shared_cql().to_owned()],
        keyspace,
        replication: [(CENTRE.to_owned(), 1)].into(),
        ..CqlOptions::default()
    };
    Keyspace { options }
}

/// The driver as it is, for what the store does not offer.
pub(crate) async fn session() -> scylla::client::session::Session {
    let builder = scylla::client::session_builder::SessionBuilder::new();
    builder.known_node(sluice_engines::shared_cql()).build().await.unwrap()
}

impl Keyspace {
    pub(crate) async fn store(&self) -> CqlStore {
        migrate(&self.options).await.unwrap();
        self.connect().await
    }

    pub(crate) async fn connect(&self) -> CqlStore {
        CqlStore::connect(&self.options, SystemClock.wall_ms()).await.unwrap()
    }

    pub(crate) async fn drop(self) {
        let text = format!("DROP KEYSPACE IF EXISTS {}", self.options.keyspace);
        session().await.query_unpaged(text, ()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cql_store_gives_every_guarantee_of_the_port() {
    let keyspace = fresh();
    let store = keyspace.store().await;
    conformance::run_all_shared(&store, "a").await;
    assert_eq!(sluice_runtime::ports::store::Store::trouble(&store), None);
    keyspace.drop().await;
    let _ = cql::SCHEMA_VERSION;
}
