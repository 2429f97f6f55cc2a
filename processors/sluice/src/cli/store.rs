//! `sluice store`: the tables of a cluster.

use super::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::node::engines::store_refused;
use crate::view::out;
use crate::view::style;
use clap::{Args, Subcommand};
use serde_json::json;
use sluice_runtime::{Clock, SystemClock};
use sluice_store::cql::{self, CheckReport, SCHEMA_VERSION};

/// Makes and checks the tables of a cluster.
#[derive(Debug, Clone, Subcommand)]
pub enum StoreCommand {
    /// Bring the tables to this version; doing it again changes nothing, and several may do it at once
    #[command(after_help = "Example:  sluice store migrate --replication datacenter1=3")]
    Migrate(MigrateArgs),
    /// Say whether the database is fit, and what to do where it is not; exit code 1 if it is not
    #[command(after_help = "Example:  SLUICE_CQL_CONTACT_POINTS=scylla:9042 sluice store check")]
    Check,
}

/// How a new keyspace is made.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// Replicas in a data centre, for a keyspace that is not there yet; may be repeated [default: cql.replication]
    #[arg(long, value_name = "DATA_CENTRE=REPLICAS", value_parser = replicas)]
    pub replication: Vec<(String, u32)>,
}

fn replicas(text: &str) -> Result<(String, u32), String> {
    let pair = text.split_once('=').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
    pair.ok_or_else(|| "write it as datacenter1=3".to_owned())
}

pub(super) async fn run(common: Common, command: StoreCommand) -> Outcome {
    let mut config = common.load(&[], "warn")?.config;
    if !config.engines.is_cluster() {
        return Err(Failure::usage(
            "no_cluster",
            "tables are made on a cluster, and the configuration names the embedded store",
            "set engines.log = \"kafka\" and engines.store = \"cql\" (SLUICE_ENGINES_LOG, SLUICE_ENGINES_STORE)",
        ));
    }
    match command {
        StoreCommand::Migrate(args) => {
            if !args.replication.is_empty() {
                config.cql.replication = args.replication.into_iter().collect();
            }
            let report = cql::migrate(&config.cql).await.map_err(store_refused)?;
            if common.json {
                out::line(json!({ "keyspace": config.cql.keyspace, "from": report.from, "to": report.to }));
            } else if report.from == report.to {
                out::line(format_args!("Keyspace {} is at version {}.", config.cql.keyspace, report.to));
            } else {
                let made = if report.is_new_keyspace { ", which is new" } else { "" };
                let (keyspace, from, to) = (&config.cql.keyspace, report.from, report.to);
                out::line(format_args!("Keyspace {keyspace}{made}: version {from} → {to}."));
            }
            Ok(Exit::Done)
        }
        StoreCommand::Check => {
            let report = cql::check(&config.cql, SystemClock.wall_ms()).await;
            if common.json {
                out::line(as_json(&report));
            } else {
                lines(&report).iter().for_each(out::line);
            }
            Ok(if report.refusals.is_empty() { Exit::Done } else { Exit::FoundWrong })
        }
    }
}

fn lines(report: &CheckReport) -> Vec<String> {
    let mut lines = Vec::new();
    if !report.database.is_empty() {
        let nodes: Vec<String> =
            report.nodes.iter().map(|(address, centre)| format!("{address} in {centre}")).collect();
        lines.push(format!("{}: {}", report.database, nodes.join(", ")));
        let replication: Vec<String> =
            report.replication.iter().map(|(centre, replicas)| format!("{centre} {replicas}")).collect();
        if !replication.is_empty() {
            lines.push(format!("replication: {}", replication.join(", ")));
        }
        lines.push(format!("tables: version {}, this program has {SCHEMA_VERSION}", report.schema));
        if let Some(mode) = &report.commit_log {
            lines.push(format!("commit log: {mode}"));
        }
        if let Some(most) = report.skew_ms.values().map(|skew| skew.unsigned_abs()).max() {
            lines.push(format!("clocks: at most {most} ms apart"));
        }
    }
    lines.extend(report.warnings.iter().map(|warning| format!("{} {warning}", style::warning("warning:"))));
    lines.extend(report.refusals.iter().map(|refusal| format!("{} {refusal}", style::error("refused:"))));
    if report.refusals.is_empty() {
        lines.push("The database is fit for use.".to_owned());
    }
    lines
}

fn as_json(report: &CheckReport) -> serde_json::Value {
    let refusals: Vec<String> = report.refusals.iter().map(ToString::to_string).collect();
    json!({
        "database": report.database, "nodes": report.nodes, "replication": report.replication,
        "schema": report.schema, "schema_wanted": SCHEMA_VERSION, "commit_log": report.commit_log,
        "clock_skew_ms": report.skew_ms, "warnings": report.warnings, "refusals": refusals,
        "fit": report.refusals.is_empty(),
    })
}
