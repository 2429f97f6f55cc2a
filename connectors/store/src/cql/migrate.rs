//! Creates the tables, and brings older ones up to date.

use super::check::SCHEMA_VERSION;
use super::error::CqlError;
use super::inspect::{self, LocalTime};
use super::lock::{self, is_applied};
use super::options::CqlOptions;
use super::session::{self, Connected};
use scylla::errors::{DbError, RequestAttemptError, UseKeyspaceError};
use scylla::policies::load_balancing::{
    LoadBalancingPolicy, NodeIdentifier, SingleTargetLoadBalancingPolicy,
};
use scylla::statement::Statement;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries to use a keyspace that was made a moment ago.
const USE_AGAIN: Duration = Duration::from_millis(50);

/// The migrations, from version 1. What was released is never changed; a change is another one. Each statement
/// may be run again.
pub(crate) const MIGRATIONS: [&str; 2] =
    [include_str!("migrations/0001_tables.cql"), include_str!("migrations/0002_quotas.cql")];

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateReport {
    /// Whether it created the keyspace.
    pub is_new_keyspace: bool,
    /// The version before; 0 without tables.
    pub from: u32,
    /// The version now.
    pub to: u32,
}

/// Brings the keyspace to [`SCHEMA_VERSION`]. Doing it again changes nothing; several processes may do it at
/// once. The keyspace is created where [`CqlOptions::replication`] says how.
///
/// # Errors
/// Says what is wrong and what to do. What was done so far stays, and the next run goes on from there.
pub async fn migrate(options: &CqlOptions) -> Result<MigrateReport, CqlError> {
    let connected = session::connect(options).await?;
    // The clocks don't matter here.
    let facts = inspect::look(&connected, options, LocalTime::new(0)).await?;
    let schema = Schema { connected: &connected, options, coordinator: coordinator(&connected)? };
    let is_new_keyspace = facts.keyspace.is_none();
    if is_new_keyspace {
        for name in options.replication.keys() {
            if !facts.data_centres().contains(name.as_str()) {
                let known = facts.data_centres().into_iter().collect::<Vec<_>>().join(", ");
                let reason = format!("replication names {name:?}, which is none");
                return Err(CqlError::DataCentre { reason, known });
            }
        }
        schema.run(&create_keyspace(options, facts.is_scylla)?).await?;
    }
    use_keyspace(&connected, options).await?;
    let from = schema.version().await?;
    if from > SCHEMA_VERSION {
        return Err(CqlError::NewerSchema {
            keyspace: options.keyspace.clone(),
            found: from,
            expected: SCHEMA_VERSION,
        });
    }
    if from < SCHEMA_VERSION {
        let lock = lock::acquire(&connected, &options.keyspace).await?;
        let applied = schema.apply(&lock).await;
        lock.release().await;
        applied?;
    }
    Ok(MigrateReport { is_new_keyspace, from, to: SCHEMA_VERSION })
}

/// Has all connections use the keyspace. Where another process has made it just now, Cassandra may say for a moment longer
/// that there is none, although it said that it exists.
async fn use_keyspace(connected: &Connected, options: &CqlOptions) -> Result<(), CqlError> {
    let until = Instant::now() + Duration::from_millis(options.schema_agreement_ms);
    loop {
        let error = match connected.session.use_keyspace(&options.keyspace, true).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let is_unknown = matches!(
            error,
            UseKeyspaceError::RequestError(RequestAttemptError::DbError(DbError::Invalid, _))
        );
        if !is_unknown || Instant::now() >= until {
            return Err(CqlError::failed(format!("using keyspace {}", options.keyspace), error));
        }
        tokio::time::sleep(USE_AGAIN).await;
    }
}

/// The node that all processes give their changes of the schema to, so that Cassandra makes them one after the
/// other: of two nodes each could make a table of the same name.
fn coordinator(connected: &Connected) -> Result<Arc<dyn LoadBalancingPolicy>, CqlError> {
    let state = connected.session.get_cluster_state();
    let connected_nodes = state.get_nodes_info().iter().filter(|node| node.is_connected());
    let node = connected_nodes.min_by_key(|node| node.host_id);
    let node = node.ok_or_else(|| CqlError::failed("changing the schema", "no node is connected"))?;
    Ok(SingleTargetLoadBalancingPolicy::new(NodeIdentifier::Node(node.clone()), None))
}

fn create_keyspace(options: &CqlOptions, is_scylla: bool) -> Result<String, CqlError> {
    if options.replication.is_empty() {
        return Err(CqlError::NoKeyspace(options.keyspace.clone()));
    }
    let centres: Vec<String> =
        options.replication.iter().map(|(name, replicas)| format!("'{name}': {replicas}")).collect();
    // Not every release of ScyllaDB makes conditional writes on tablets.
    let tablets = if is_scylla { " AND tablets = {'enabled': false}" } else { "" };
    Ok(format!(
        "CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = {{'class': 'NetworkTopologyStrategy', {}}} AND \
         durable_writes = true{tablets}",
        options.keyspace,
        centres.join(", ")
    ))
}

struct Schema<'a> {
    connected: &'a Connected,
    options: &'a CqlOptions,
    coordinator: Arc<dyn LoadBalancingPolicy>,
}

impl Schema<'_> {
    /// Makes one change; returns when all nodes agree on it.
    async fn run(&self, text: &str) -> Result<(), CqlError> {
        let mut statement = Statement::new(text);
        statement.set_request_timeout(Some(Duration::from_millis(self.options.schema_agreement_ms)));
        statement.set_load_balancing_policy(Some(self.coordinator.clone()));
        // Every one says IF NOT EXISTS.
        statement.set_is_idempotent(true);
        let first_line = text.lines().next().unwrap_or_default().to_owned();
        let done = self.connected.session.query_unpaged(statement, ()).await;
        done.map_err(|error| CqlError::failed(&first_line, error))?;
        // Where it was there already, another process may have made it just now.
        let agreed = self.connected.session.await_schema_agreement().await;
        agreed.map(drop).map_err(|error| CqlError::failed(first_line, error))
    }

    /// The version; its table is created where it is missing.
    async fn version(&self) -> Result<u32, CqlError> {
        let keyspace = &self.options.keyspace;
        let found = inspect::schema(self.connected, keyspace).await?;
        if found > 0 {
            return Ok(found);
        }
        self.run(
            "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, version int, holder text)",
        )
        .await?;
        let text = format!(
            "INSERT INTO \"{keyspace}\".schema_migrations (name, version) VALUES ('version', 0) IF NOT EXISTS"
        );
        is_applied(self.connected, text, ()).await?;
        inspect::schema(self.connected, keyspace).await
    }

    async fn apply(&self, lock: &lock::Lock<'_>) -> Result<(), CqlError> {
        let keyspace = &self.options.keyspace;
        // Under the lock: another one may have done it meanwhile.
        let mut version = self.version().await?;
        while let Some(migration) = MIGRATIONS.get(version as usize) {
            for statement in statements(migration) {
                lock.renew().await?;
                self.run(&statement).await?;
            }
            let text = format!(
                "UPDATE \"{keyspace}\".schema_migrations SET version = ? WHERE name = 'version' IF version = ?"
            );
            is_applied(self.connected, text, (version as i32 + 1, version as i32)).await?;
            let now = self.version().await?;
            if now <= version {
                return Err(CqlError::failed(format!("noting version {}", version + 1), "it is not there"));
            }
            version = now;
        }
        Ok(())
    }
}

/// Cuts a file into statements; comments stand on lines of their own.
fn statements(migration: &str) -> Vec<String> {
    let code: Vec<&str> = migration.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let statements = code.join("\n");
    statements
        .split(';')
        .map(|statement| statement.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_a_migration_may_be_run_again() {
        for migration in MIGRATIONS {
            let statements = statements(migration);
            assert!(!statements.is_empty());
            for statement in statements {
                assert!(statement.contains("IF NOT EXISTS"), "{statement}");
            }
        }
    }

    #[test]
    fn hazard_4_no_table_has_a_ttl_of_its_own() {
        for migration in MIGRATIONS {
            assert!(!migration.contains("default_time_to_live"));
        }
    }

    #[test]
    fn a_new_keyspace_is_durable_and_has_no_tablets() {
        let options = CqlOptions { replication: [("dc1".to_owned(), 3)].into(), ..CqlOptions::default() };
        let text = create_keyspace(&options, true).unwrap();
        assert!(text.contains("'dc1': 3") && text.contains("durable_writes = true"));
        assert!(text.contains("tablets = {'enabled': false}"));
        assert!(!create_keyspace(&options, false).unwrap().contains("tablets"));
        assert!(create_keyspace(&CqlOptions::default(), false).is_err());
    }
}
