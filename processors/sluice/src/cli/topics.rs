//! `sluice topics`: the topics of a cluster, as they should be and as they are.

use super::Common;
use crate::error::{Exit, Failure, Outcome};
use crate::node::engines::log_refused;
use crate::view::numbers::counted;
use crate::view::out;
use crate::view::table::Table;
use clap::Subcommand;
use serde_json::json;
use sluice_log::kafka::topics::{self, TopicRow};

/// Makes and checks the topics of a cluster.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum TopicsCommand {
    /// Create what is missing, add partitions, correct settings; doing it again changes nothing more
    #[command(after_help = "Example:  SLUICE_KAFKA_BROKERS=kafka:9092 sluice topics create
Partitions are never taken away, and copies of records are not added: `sluice topics check` names what is left.")]
    Create,
    /// Say what differs from what the configuration wants; exit code 1 if anything does
    Check,
    /// Every topic with its partitions, copies and settings
    Describe,
}

pub(super) async fn run(common: Common, command: TopicsCommand) -> Outcome {
    let config = common.load(&[], "warn")?.config;
    if !config.engines.is_cluster() {
        return Err(Failure::usage(
            "no_cluster",
            "topics are made on a cluster, and the configuration names the embedded log",
            "set engines.log = \"kafka\" and engines.store = \"cql\" (SLUICE_ENGINES_LOG, SLUICE_ENGINES_STORE)",
        ));
    }
    match command {
        TopicsCommand::Create => {
            let changes = topics::create(&config.kafka).await.map_err(log_refused)?;
            if common.json {
                let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
                out::line(json!({ "changes": changes }));
            } else {
                changes.iter().for_each(out::line);
                if changes.is_empty() {
                    out::line("Every topic is as it should be.");
                }
            }
            Ok(Exit::Done)
        }
        TopicsCommand::Check => {
            let rows = topics::check(&config.kafka).await.map_err(log_refused)?;
            if common.json {
                rows.iter().for_each(|row| out::line(json(row)));
            } else if rows.is_empty() {
                out::line("Every topic is as it should be.");
            } else {
                for row in &rows {
                    for difference in &row.differences {
                        let mended = if difference.mended_by_create { "  (mended by `create`)" } else { "" };
                        out::line(format_args!("{}  {difference}{mended}", row.wanted.name));
                    }
                }
                out::line(format_args!(
                    "{} not as wanted",
                    counted(rows.len() as u64, "topic is", "topics are")
                ));
            }
            Ok(if rows.is_empty() { Exit::Done } else { Exit::FoundWrong })
        }
        TopicsCommand::Describe => {
            let rows = topics::describe(&config.kafka).await.map_err(log_refused)?;
            if common.json {
                rows.iter().for_each(|row| out::line(json(row)));
                return Ok(Exit::Done);
            }
            let mut table =
                Table::new(1, ["topic", "partitions", "replication", "in sync", "kept (days)", "differs"]);
            for row in &rows {
                table.row(cells(row));
            }
            table.lines().iter().for_each(out::line);
            Ok(Exit::Done)
        }
    }
}

fn cells(row: &TopicRow) -> [String; 6] {
    let name = row.wanted.name.clone();
    let Some(found) = &row.found else {
        let none = || "-".to_owned();
        return [name, none(), none(), none(), none(), "missing".to_owned()];
    };
    let unknown = || "?".to_owned();
    let days = found.retention_ms.map_or_else(unknown, |ms| (ms / 86_400_000).to_string());
    let differences: Vec<String> = row.differences.iter().map(ToString::to_string).collect();
    [
        name,
        found.partitions.to_string(),
        found.replication.to_string(),
        found.min_insync.map_or_else(unknown, |copies| copies.to_string()),
        days,
        differences.join(", "),
    ]
}

fn json(row: &TopicRow) -> serde_json::Value {
    let differences: Vec<String> = row.differences.iter().map(ToString::to_string).collect();
    let found = row.found.as_ref().map(|found| {
        json!({
            "id": found.life, "partitions": found.partitions, "replication": found.replication,
            "min_insync": found.min_insync, "retention_ms": found.retention_ms,
            "batch_bytes_max": found.batch_bytes_max, "cleanup": found.cleanup,
        })
    });
    json!({
        "topic": row.wanted.name,
        "wanted": {
            "partitions": row.wanted.partitions, "replication": row.wanted.replication,
            "min_insync": row.wanted.min_insync, "retention_ms": row.wanted.retention_ms,
            "batch_bytes_max": row.wanted.batch_bytes_max,
        },
        "found": found,
        "differences": differences,
    })
}
