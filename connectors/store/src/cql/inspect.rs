//! What a database is like, read from its own tables.

use super::error::CqlError;
use super::options::CqlOptions;
use super::session::Connected;
use scylla::cluster::Node;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::{Consistency, Statement};
use scylla::value::CqlTimestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::time::Instant;

/// This machine's time, given once and carried on by the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalTime {
    wall_ms: i64,
    at: Instant,
}

impl LocalTime {
    pub(crate) fn new(wall_ms: i64) -> Self {
        Self { wall_ms, at: Instant::now() }
    }

    fn now_ms(self) -> i64 {
        self.wall_ms + self.at.elapsed().as_millis() as i64
    }
}

/// A keyspace as it was created.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keyspace {
    pub(crate) durable_writes: bool,
    /// As the database keeps it: `class`, then replicas by data centre or `replication_factor`.
    pub(crate) replication: BTreeMap<String, String>,
    /// Only ScyllaDB has them.
    pub(crate) tablets: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) is_scylla: bool,
    /// Of the database.
    pub(crate) release: String,
    /// Nodes by address, with their data centres.
    pub(crate) nodes: BTreeMap<String, String>,
    pub(crate) keyspace: Option<Keyspace>,
    /// Of the tables; 0 where there are none.
    pub(crate) schema: u32,
    /// `periodic`, `batch` or `group`, where it can be read.
    pub(crate) commit_log: Option<String>,
    /// The clock of each node that answers, minus this machine's, ms.
    pub(crate) skew_ms: BTreeMap<String, i64>,
}

impl Facts {
    pub(crate) fn data_centres(&self) -> BTreeSet<&str> {
        self.nodes.values().map(String::as_str).collect()
    }
}

/// Reads all of it.
pub(crate) async fn look(
    connected: &Connected,
    options: &CqlOptions,
    time: LocalTime,
) -> Result<Facts, CqlError> {
    let state = connected.session.get_cluster_state();
    let nodes = state.get_nodes_info();
    let centre = |node: &Arc<Node>| node.datacenter.clone().unwrap_or_default();
    let mut facts = Facts {
        is_scylla: nodes.iter().any(|node| node.sharder().is_some()),
        nodes: nodes.iter().map(|node| (node.address.to_string(), centre(node))).collect(),
        ..Facts::default()
    };
    // With another centre the driver has no node to ask.
    data_centre(&facts, options)?;
    facts.release = release(connected, facts.is_scylla).await?;
    facts.keyspace = keyspace(connected, &options.keyspace, facts.is_scylla).await?;
    if facts.keyspace.is_some() {
        facts.schema = schema(connected, &options.keyspace).await?;
    }
    facts.commit_log = commit_log(connected, facts.is_scylla).await;
    for node in nodes {
        if let Some(skew_ms) = skew(connected, node, time).await {
            facts.skew_ms.insert(node.address.to_string(), skew_ms);
        }
    }
    Ok(facts)
}

/// Whether the data centre to work in is known.
pub(crate) fn data_centre(facts: &Facts, options: &CqlOptions) -> Result<(), CqlError> {
    use super::options::CqlConsistency::Local;
    let known = facts.data_centres();
    let reason = match &options.local_dc {
        Some(name) if !known.contains(name.as_str()) => format!("there is no data centre {name:?}"),
        None if known.len() > 1 && options.consistency == Local => {
            "name the one to work in, or conditional writes of two processes would not see each other"
                .to_owned()
        }
        _ => return Ok(()),
    };
    Err(CqlError::DataCentre { reason, known: known.into_iter().collect::<Vec<_>>().join(", ") })
}

/// Runs a query on tables that every node has for itself.
async fn query<R>(connected: &Connected, text: &str, values: impl SerializeRow) -> Result<Vec<R>, CqlError>
where
    R: for<'frame> DeserializeRow<'frame, 'frame>,
{
    let mut statement = Statement::new(text);
    statement.set_consistency(Consistency::LocalOne);
    statement.set_is_idempotent(true);
    run(connected, statement, values).await
}

async fn run<R>(
    connected: &Connected,
    statement: Statement,
    values: impl SerializeRow,
) -> Result<Vec<R>, CqlError>
where
    R: for<'frame> DeserializeRow<'frame, 'frame>,
{
    let text = statement.contents.clone();
    let result = connected.session.query_unpaged(statement, values).await;
    rows_of(&text, result)
}

fn rows_of<R>(text: &str, result: Result<QueryResult, ExecutionError>) -> Result<Vec<R>, CqlError>
where
    R: for<'frame> DeserializeRow<'frame, 'frame>,
{
    let failed = |reason: String| CqlError::failed(text, reason);
    let rows = result.map_err(|error| failed(error.to_string()))?.into_rows_result();
    let rows = rows.map_err(|error| failed(error.to_string()))?;
    let rows = rows.rows::<R>().map_err(|error| failed(error.to_string()))?;
    rows.map(|row| row.map_err(|error| failed(error.to_string()))).collect()
}

async fn release(connected: &Connected, is_scylla: bool) -> Result<String, CqlError> {
    let text = if is_scylla {
        "SELECT version FROM system.versions WHERE key = 'local'"
    } else {
        "SELECT release_version FROM system.local WHERE key = 'local'"
    };
    let rows = query::<(String,)>(connected, text, ()).await?;
    Ok(rows.into_iter().next().map(|(release,)| release).unwrap_or_default())
}

/// The keyspace, if it is there.
pub(crate) async fn keyspace(
    connected: &Connected,
    name: &str,
    is_scylla: bool,
) -> Result<Option<Keyspace>, CqlError> {
    let text = "SELECT durable_writes, replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let rows = query::<(bool, BTreeMap<String, String>)>(connected, text, (name,)).await?;
    let Some((durable_writes, replication)) = rows.into_iter().next() else { return Ok(None) };
    let tablets = is_scylla && {
        let text = "SELECT initial_tablets FROM system_schema.scylla_keyspaces WHERE keyspace_name = ?";
        let rows = query::<(Option<i32>,)>(connected, text, (name,)).await?;
        rows.iter().any(|(tablets,)| tablets.is_some())
    };
    Ok(Some(Keyspace { durable_writes, replication, tablets }))
}

/// The version of the tables.
pub(crate) async fn schema(connected: &Connected, keyspace: &str) -> Result<u32, CqlError> {
    let text = format!("SELECT version FROM \"{keyspace}\".schema_migrations WHERE name = 'version'");
    let mut statement = Statement::new(&text);
    statement.set_consistency(connected.serial);
    statement.set_is_idempotent(true);
    let result = match connected.session.query_unpaged(statement, ()).await {
        // There is no such table. The list of tables would not say so as reliably: it has one before its node
        // can read it.
        Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _))) => {
            return Ok(0);
        }
        result => result,
    };
    let rows = rows_of::<(Option<i32>,)>(&text, result)?;
    Ok(rows.into_iter().next().and_then(|(version,)| version).unwrap_or(0) as u32)
}

/// Virtual tables that not every release has, and that not everybody may read.
async fn commit_log(connected: &Connected, is_scylla: bool) -> Option<String> {
    let text = if is_scylla {
        "SELECT value FROM system.config WHERE name = 'commitlog_sync'"
    } else {
        "SELECT value FROM system_views.settings WHERE name = 'commitlog_sync'"
    };
    let rows = query::<(String,)>(connected, text, ()).await.ok()?;
    Some(rows.into_iter().next()?.0.trim_matches('"').to_owned())
}

async fn skew(connected: &Connected, node: &Arc<Node>, time: LocalTime) -> Option<i64> {
    let mut statement = Statement::new("SELECT toTimestamp(now()) FROM system.local WHERE key = 'local'");
    statement.set_consistency(Consistency::One);
    let target = NodeIdentifier::Node(node.clone());
    statement.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(target, None)));
    let before_ms = time.now_ms();
    let rows = run::<(CqlTimestamp,)>(connected, statement, ()).await.ok()?;
    let after_ms = time.now_ms();
    let (CqlTimestamp(node_ms),) = rows.into_iter().next()?;
    // Somewhere between both; what lies between them is not the clocks' fault.
    Some(node_ms - node_ms.clamp(before_ms, after_ms))
}
