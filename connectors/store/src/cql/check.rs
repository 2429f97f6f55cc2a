//! Whether a database is fit, and what to do where it is not.

use super::error::CqlError;
use super::inspect::{self, Facts, Keyspace, LocalTime};
use super::migrate::MIGRATIONS;
use super::options::CqlOptions;
use super::session::{self, Connected};
use std::collections::BTreeMap;

/// The version of the tables that this program knows.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Name and release of the database; empty where nobody answered.
    pub database: String,
    /// The nodes' addresses with their data centres.
    pub nodes: BTreeMap<String, String>,
    /// Replicas by data centre (or `replication_factor`), and the `class`; empty without the keyspace.
    pub replication: BTreeMap<String, String>,
    /// Of the tables; 0 where there are none.
    pub schema: u32,
    /// `periodic`, `batch` or `group`, where it can be read.
    pub commit_log: Option<String>,
    /// The clock of each node that answers, minus this machine's, ms.
    pub skew_ms: BTreeMap<String, i64>,
    /// Why the store can't be used; each says what to do. Empty: it can.
    pub refusals: Vec<CqlError>,
    /// What may be regretted one day.
    pub warnings: Vec<String>,
}

/// Looks at the database without changing it. `wall_ms`: this machine's time, ms since 1970.
pub async fn check(options: &CqlOptions, wall_ms: i64) -> CheckReport {
    let time = LocalTime::new(wall_ms);
    let examined = match session::connect(options).await {
        Ok(connected) => examine(&connected, options, time).await,
        Err(error) => Err(error),
    };
    examined.unwrap_or_else(|error| CheckReport { refusals: vec![error], ..CheckReport::default() })
}

pub(crate) async fn examine(
    connected: &Connected,
    options: &CqlOptions,
    time: LocalTime,
) -> Result<CheckReport, CqlError> {
    let facts = inspect::look(connected, options, time).await?;
    let (refusals, warnings) = judge(&facts, options);
    let name = if facts.is_scylla { "ScyllaDB" } else { "Apache Cassandra" };
    Ok(CheckReport {
        database: format!("{name} {}", facts.release),
        nodes: facts.nodes,
        replication: facts.keyspace.map(|keyspace| keyspace.replication).unwrap_or_default(),
        schema: facts.schema,
        commit_log: facts.commit_log,
        skew_ms: facts.skew_ms,
        refusals,
        warnings,
    })
}

/// What the facts mean.
fn judge(facts: &Facts, options: &CqlOptions) -> (Vec<CqlError>, Vec<String>) {
    let (mut refusals, mut warnings) = (Vec::new(), Vec::new());
    let Some(keyspace) = &facts.keyspace else {
        return (vec![CqlError::NoKeyspace(options.keyspace.clone())], warnings);
    };
    refusals.extend(schema(facts.schema, &options.keyspace));
    for (node, &skew_ms) in &facts.skew_ms {
        let max_ms = options.clock_skew_ms_max;
        if skew_ms.unsigned_abs() > max_ms {
            refusals.push(CqlError::Clock { node: node.clone(), skew_ms, max_ms });
        }
    }
    let unfit = |reason: String| CqlError::Unfit { keyspace: options.keyspace.clone(), reason };
    if !keyspace.durable_writes {
        refusals.push(unfit(
            "durable_writes is off, so a crash loses what was acknowledged; ALTER KEYSPACE … WITH durable_writes = true"
                .to_owned(),
        ));
    }
    if keyspace.tablets && !has_lwt_on_tablets(&facts.release) {
        refusals.push(unfit(format!(
            "it has tablets, and ScyllaDB {} makes no conditional writes there; create it WITH tablets = \
             {{'enabled': false}}, or use ScyllaDB 2025.4 or newer",
            facts.release
        )));
    }
    match replicas(facts, keyspace, options) {
        Some(0) => refusals.push(unfit(
            "it has no replicas in the data centre to work in; ALTER KEYSPACE … WITH replication, then repair"
                .to_owned(),
        )),
        Some(1) => {
            warnings.push("one replica: when its node is away, nothing is sent; three replicas go on".to_owned());
            if facts.commit_log.as_deref() == Some("periodic") {
                warnings.push(
                    "one replica and commitlog_sync periodic: a machine that fails loses the last writes it \
                     acknowledged, claims among them; use three replicas, or commitlog_sync: batch"
                        .to_owned(),
                );
            }
        }
        Some(2) => warnings.push("two replicas: when one of them is away, nothing is sent".to_owned()),
        _ => {}
    }
    let silent: Vec<&str> =
        facts.nodes.keys().filter(|node| !facts.skew_ms.contains_key(*node)).map(String::as_str).collect();
    if !silent.is_empty() {
        warnings.push(format!("no answer from {}", silent.join(", ")));
    }
    (refusals, warnings)
}

/// Whether the tables are those of this program.
pub(crate) fn schema(found: u32, keyspace: &str) -> Option<CqlError> {
    let (keyspace, expected) = (keyspace.to_owned(), SCHEMA_VERSION);
    match found.cmp(&expected) {
        std::cmp::Ordering::Less => Some(CqlError::OlderSchema { keyspace, found, expected }),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(CqlError::NewerSchema { keyspace, found, expected }),
    }
}

/// Replicas in the data centre to work in (with global consistency: the fewest anywhere); `None` where they
/// can't be told.
fn replicas(facts: &Facts, keyspace: &Keyspace, options: &CqlOptions) -> Option<u32> {
    if let Some(factor) = keyspace.replication.get("replication_factor") {
        return factor.parse().ok();
    }
    let centres = facts.data_centres();
    let centre = match &options.local_dc {
        Some(name) => name.as_str(),
        None => centres.first()?,
    };
    match keyspace.replication.get(centre) {
        Some(factor) => factor.parse().ok(),
        None => Some(0),
    }
}

/// ScyllaDB makes conditional writes on tablets since 2025.4.
fn has_lwt_on_tablets(release: &str) -> bool {
    let mut numbers = release.split(['.', '-', '~']).map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (2025, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> Facts {
        Facts {
            is_scylla: true,
            release: "2025.3.1".to_owned(),
            nodes: [("a:9042", "dc1"), ("b:9042", "dc1")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            keyspace: Some(Keyspace {
                durable_writes: true,
                replication: [("class".to_owned(), "NTS".to_owned()), ("dc1".to_owned(), "3".to_owned())]
                    .into(),
                tablets: false,
            }),
            schema: SCHEMA_VERSION,
            commit_log: Some("periodic".to_owned()),
            skew_ms: [("a:9042".to_owned(), 20), ("b:9042".to_owned(), -20)].into(),
        }
    }

    fn refusal(facts: &Facts) -> String {
        let (refusals, _) = judge(facts, &CqlOptions::default());
        refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    fn with(change: impl FnOnce(&mut Keyspace)) -> Facts {
        let mut facts = fit();
        change(facts.keyspace.as_mut().unwrap());
        facts
    }

    #[test]
    fn a_fit_database_is_neither_refused_nor_warned_of() {
        assert_eq!(judge(&fit(), &CqlOptions::default()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        let mut away = fit();
        away.keyspace = None;
        assert!(refusal(&away).contains("run `sluice store migrate`"));
        let older = Facts { schema: 0, ..fit() };
        assert!(refusal(&older).contains("run `sluice store migrate`"));
        let newer = Facts { schema: SCHEMA_VERSION + 1, ..fit() };
        assert!(refusal(&newer).contains("this program is older"));
        let off = Facts { skew_ms: [("a:9042".to_owned(), -90_000)].into(), ..fit() };
        assert!(refusal(&off).contains("node a:9042 is 90000 ms behind this machine's"));
        assert!(refusal(&with(|keyspace| keyspace.durable_writes = false)).contains("durable_writes = true"));
        assert!(refusal(&with(|keyspace| keyspace.tablets = true)).contains("tablets = {'enabled': false}"));
        let elsewhere = with(|keyspace| {
            keyspace.replication.remove("dc1");
        });
        assert!(refusal(&elsewhere).contains("no replicas in the data centre"));
    }

    #[test]
    fn tablets_are_fine_where_they_know_conditional_writes() {
        let mut facts = with(|keyspace| keyspace.tablets = true);
        facts.release = "2025.4.0-rc1".to_owned();
        assert_eq!(refusal(&facts), "");
        facts.release = "2026.1.2".to_owned();
        assert_eq!(refusal(&facts), "");
        assert!(!has_lwt_on_tablets("6.2.3") && !has_lwt_on_tablets(""));
    }

    #[test]
    fn few_replicas_and_silent_nodes_are_warned_of() {
        let single =
            |class: &str| with(|keyspace| keyspace.replication = [(class.to_owned(), "1".to_owned())].into());
        for class in ["dc1", "replication_factor"] {
            let (refusals, warnings) = judge(&single(class), &CqlOptions::default());
            assert_eq!((refusals.len(), warnings.len()), (0, 2), "{warnings:?}");
        }
        let mut facts = fit();
        facts.skew_ms.remove("b:9042");
        assert_eq!(judge(&facts, &CqlOptions::default()).1, ["no answer from b:9042"]);
    }
}
