//! The tables, and how they are reached.

use sluice_engine::{Engine, EngineError, Keyspace, Priority, Shape, Snapshot, Tx};
use sluice_runtime::ports::store::{StoreError, StoreResult};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// One a kind of row.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pub(crate) campaigns: Keyspace,
    pub(crate) chunks: Keyspace,
    pub(crate) ledgers: Keyspace,
    pub(crate) quotas: Keyspace,
    pub(crate) recipients: Keyspace,
    pub(crate) states: Keyspace,
    pub(crate) counters: Keyspace,
    pub(crate) details: Keyspace,
    /// Sends under what webhooks name them by.
    pub(crate) sends: Keyspace,
    /// Facts that came before their sends.
    pub(crate) facts: Keyspace,
    /// Message facts by the time of their receipt.
    pub(crate) facts_by_time: Keyspace,
    pub(crate) suppressions: Keyspace,
    /// Owners that took a page in this process: such a one may still run; all others are gone, since the data
    /// directory belongs to one process.
    pub(crate) owners: Arc<Mutex<HashSet<String>>>,
}

impl Tables {
    pub(crate) fn open(engine: &Engine) -> Result<Self, EngineError> {
        Ok(Self {
            campaigns: engine.keyspace("store.campaigns", Shape::Rows)?,
            chunks: engine.keyspace("store.chunks", Shape::Rows)?,
            ledgers: engine.keyspace("store.ledgers", Shape::Rows)?,
            quotas: engine.keyspace("store.quotas", Shape::Rows)?,
            recipients: engine.keyspace("store.recipients", Shape::Blocks)?,
            states: engine.keyspace("store.states", Shape::Blocks)?,
            counters: engine.keyspace("store.counters", Shape::Rows)?,
            details: engine.keyspace("store.details", Shape::Blocks)?,
            sends: engine.keyspace("store.sends", Shape::Rows)?,
            facts: engine.keyspace("store.facts", Shape::Rows)?,
            facts_by_time: engine.keyspace("store.facts_by_time", Shape::Rows)?,
            suppressions: engine.keyspace("store.suppressions", Shape::Rows)?,
            owners: Arc::default(),
        })
    }
}

/// Engine and tables together.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) engine: Arc<Engine>,
    pub(crate) tables: Tables,
}

impl Access {
    /// A small write that somebody waits for.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Tx, &Tables) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.write_as(Priority::High, write).await
    }

    pub(crate) async fn write_as<T: Send + 'static>(
        &self,
        priority: Priority,
        write: impl FnOnce(&mut Tx, &Tables) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let tables = self.tables.clone();
        self.engine.write(priority, move |tx| write(tx, &tables)).await.map_err(storage)?
    }

    /// A read of many rows, apart from the threads that serve others.
    pub(crate) async fn scan<T: Send + 'static>(
        &self,
        scan: impl FnOnce(&Snapshot, &Tables) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let (snapshot, tables) = (self.engine.snapshot(), self.tables.clone());
        let scanned = tokio::task::spawn_blocking(move || scan(&snapshot, &tables)).await;
        scanned.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

pub(crate) fn storage(error: EngineError) -> StoreError {
    match error {
        EngineError::Closed => StoreError::Unavailable(error.to_string()),
        EngineError::Damaged { .. } => {
            StoreError::Damaged { what: "data directory".to_owned(), reason: error.to_string() }
        }
        _ => StoreError::Storage(error.to_string()),
    }
}
