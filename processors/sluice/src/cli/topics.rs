//! `sluice topics`: the topics of a cluster, as they should be and as they are.

use super::Common;
use crate::config::Config;
use crate::error::{Exit, Failure, Outcome};
use crate::node::engines::cluster::connect_store;
use crate::node::engines::log_refused;
use crate::view::numbers::counted;
use crate::view::out;
use crate::view::table::Table;
use clap::{Args, Subcommand};
use serde_json::json;
use sluice_core::CampaignRow;
use sluice_log::kafka::topics::{self, TopicRow};
use sluice_runtime::ports::log::Topic;
use sluice_runtime::ports::store::Store;

/// Open campaigns that a refusal names.
const NAMED_MAX: usize = 5;

/// Makes and checks the topics of a cluster.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum TopicsCommand {
    /// Create what is missing, add partitions, correct settings; doing it again changes nothing more
    #[command(after_help = "Example:  SLUICE_KAFKA_BROKERS=kafka:9092 sluice topics create
Partitions are never taken away, and copies of records are not added: `sluice topics check` names what is left.")]
    Create(CreateArgs),
    /// Say what differs from what the configuration wants; exit code 1 if anything does
    #[command(after_help = "Example:  SLUICE_KAFKA_BROKERS=kafka:9092 sluice topics check")]
    Check,
    /// Every topic with its partitions, copies and settings
    #[command(after_help = "Example:  sluice topics describe --json")]
    Describe,
}

/// What may be made.
#[derive(Debug, Clone, Copy, Args)]
pub struct CreateArgs {
    /// Add partitions to `sends` and `chunks` although campaigns are open: their pages move, and until the work that lies
    /// in the old partitions is done, two processes take turns with each, slowly
    #[arg(long)]
    pub move_pages_of_open_campaigns: bool,
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
        TopicsCommand::Create(args) => {
            if !args.move_pages_of_open_campaigns {
                refuse_to_move_pages(&config).await?;
            }
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

/// Refuses what would move the pages of campaigns that are being sent.
async fn refuse_to_move_pages(config: &Config) -> Outcome<()> {
    let rows = topics::describe(&config.kafka).await.map_err(log_refused)?;
    let Some(grown) = rows.iter().find(|row| moves_pages(row)) else { return Ok(()) };
    let store = connect_store(config).await?;
    let open = store.unfinished().await.map_err(|error| {
        let to_do = "start the database and run the same command again";
        Failure::new(Exit::TryAgain, "store_unavailable", error.to_string(), to_do)
    })?;
    match moved(grown, &open) {
        None => Ok(()),
        Some(refusal) => Err(refusal),
    }
}

/// Whether its pages go to other partitions when it is made as it should be: the key of these topics is the page.
fn moves_pages(row: &TopicRow) -> bool {
    let grows = row.found.as_ref().is_some_and(|found| found.partitions < row.wanted.partitions);
    grows && matches!(row.wanted.topic, Topic::Sends | Topic::Chunks)
}

/// One that has not started has nothing in these topics yet.
fn moved(row: &TopicRow, open: &[CampaignRow]) -> Option<Failure> {
    let open: Vec<&CampaignRow> =
        open.iter().filter(|campaign| !campaign.awaits_start && !campaign.state.is_ended()).collect();
    if open.is_empty() {
        return None;
    }
    let campaigns = counted(open.len() as u64, "campaign is", "campaigns are");
    let message = format!(
        "{} would have {} partitions instead of {}, while {campaigns} open",
        row.wanted.name,
        row.wanted.partitions,
        row.found.as_ref().map_or(0, |found| found.partitions),
    );
    let to_do = "wait for the end of these campaigns (`sluice queue`), or cancel them; with \
                 --move-pages-of-open-campaigns their pages move now, and until what lies in the old partitions is done, \
                 two processes take turns with each, slowly";
    let refusal = Failure::refused("campaigns_open", message, to_do);
    let named = open
        .iter()
        .take(NAMED_MAX)
        .map(|campaign| format!("{} is {}", campaign.launch.campaign, campaign.state.as_str()));
    Some(named.fold(refusal, Failure::with))
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

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_core::CampaignState;
    use sluice_core::launch::parse_json;
    use sluice_log::kafka::topics::FoundTopic;

    fn row(topic: Topic, found: u32, wanted: u32) -> TopicRow {
        let options = sluice_log::KafkaOptions::default();
        let plan = topics::plan(&options).into_iter().find(|wanted| wanted.topic == topic).unwrap();
        let found = FoundTopic {
            life: "life".to_owned(),
            partitions: found,
            replication: 3,
            min_insync: None,
            retention_ms: None,
            batch_bytes_max: None,
            cleanup: None,
        };
        TopicRow {
            wanted: topics::WantedTopic { partitions: wanted, ..plan },
            found: Some(found),
            differences: Vec::new(),
        }
    }

    fn campaign(state: CampaignState, awaits_start: bool) -> CampaignRow {
        let launch = parse_json(
            r#"{"campaign": "spring", "channel": "http", "pages": ["p"], "audience": {"path": "a.csv"},
                "message": {"http": {"body": {"to": "{{address}}"}}}}"#,
        );
        CampaignRow { state, awaits_start, ..CampaignRow::launched(launch.unwrap(), 0) }
    }

    #[test]
    fn only_more_partitions_of_sends_and_chunks_move_pages() {
        for topic in Topic::ALL {
            let moves = matches!(topic, Topic::Sends | Topic::Chunks);
            assert_eq!(moves_pages(&row(topic, 4, 8)), moves, "{topic}");
            assert!(!moves_pages(&row(topic, 8, 4)) && !moves_pages(&row(topic, 4, 4)));
            assert!(!moves_pages(&TopicRow { found: None, ..row(topic, 4, 8) }), "a new topic moves nothing");
        }
    }

    #[test]
    fn pages_of_a_campaign_that_has_started_and_not_ended_are_not_moved_by_accident() {
        let grown = row(Topic::Chunks, 4, 8);
        let refused = |state, awaits_start| moved(&grown, &[campaign(state, awaits_start)]).is_some();
        for state in [CampaignState::Running, CampaignState::Paused, CampaignState::Cancelling] {
            assert!(refused(state, false), "{state:?}");
        }
        assert!(!refused(CampaignState::Scheduled, true) && !refused(CampaignState::Completed, false));
        let refusal = moved(&grown, &[campaign(CampaignState::Running, false)]).unwrap();
        assert_eq!((refusal.exit, refusal.code.as_str()), (Exit::Refused, "campaigns_open"));
    }
}
