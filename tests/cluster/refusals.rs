//! What is wrong with the engines is said at the start, with what to do about it.

use crate::launches::over_pages;
use serde_json::Value;
use sluice_runtime::ports::log::Topic;
use sluice_tests::{Cluster, Ended, free_port};
use std::time::Duration;

/// A start that is refused has ended by then.
const WITHIN: Duration = Duration::from_secs(60);

/// A process that is refused, with what to do about it.
pub(crate) fn refused(cluster: &Cluster) -> Ended {
    let ended = cluster.start_only("sender").process.wait(WITHIN).says(&["error:", "To go on:"]);
    assert!(matches!(ended.code, Some(3 | 75)), "{:?}", ended.code);
    ended
}

fn nobody() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[test]
fn a_wrong_broker_address_is_named() {
    let mut cluster = Cluster::new();
    let address = nobody();
    cluster.place_mut().set_variable("SLUICE_KAFKA_BROKERS", &address);
    refused(&cluster).says(&[&address, "kafka.brokers"]);
}

#[test]
fn a_wrong_database_address_is_named() {
    let mut cluster = Cluster::new();
    let address = nobody();
    cluster.place_mut().set_variable("SLUICE_CQL_CONTACT_POINTS", &address);
    refused(&cluster).says(&[&address, "cql.contact_points"]);
}

#[test]
fn missing_topics_and_tables_name_the_command_that_makes_them() {
    let cluster = Cluster::on(sluice_engines::shared_kafka(), sluice_engines::shared_cql());
    refused(&cluster).says(&["keyspace", "sluice store migrate"]);
    cluster.place().run(&["store", "migrate"]).expect(0);
    refused(&cluster).says(&["campaign.launches", "sluice topics create"]);
    cluster.place().run(&["topics", "create"]).expect(0);
    let node = cluster.start();
    drop(node);
}

/// What a program of another version would have left behind.
fn set_version(cluster: &Cluster, version: u32) {
    cluster.cql(&format!(
        "UPDATE {{keyspace}}.schema_migrations SET version = {version} WHERE name = 'version' IF EXISTS"
    ));
}

#[test]
fn older_tables_are_refused_until_they_are_migrated() {
    let cluster = Cluster::new();
    set_version(&cluster, 0);
    refused(&cluster).says(&["schema version 0", "run `sluice store migrate`"]);
    let checked = cluster.place().run(&["store", "check"]).expect(1);
    assert!(checked.stdout.contains("run `sluice store migrate`"), "{}", checked.stdout);
    let migrated = cluster.place().run(&["store", "migrate"]).expect(0);
    assert!(migrated.stdout.contains("version 0 →"), "{}", migrated.stdout);
    drop(cluster.start());
}

#[test]
fn newer_tables_are_refused_with_the_program_to_use() {
    let cluster = Cluster::new();
    set_version(&cluster, 99);
    let told = ["schema version 99", "this program is older", "use the newer version of this program"];
    refused(&cluster).says(&told);
    cluster.place().run(&["store", "migrate"]).expect(3).says(&told);
}

#[test]
fn too_few_replicas_are_refused_with_both_numbers() {
    let mut cluster = Cluster::on(sluice_engines::shared_kafka(), sluice_engines::shared_cql());
    cluster.make();
    cluster.place_mut().set_variable("SLUICE_KAFKA_REPLICATION", "3");
    cluster.place_mut().set_variable("SLUICE_KAFKA_MIN_INSYNC", "2");
    refused(&cluster).says(&["replication", "kafka.replication"]);
    let checked = cluster.place().run(&["topics", "check"]).expect(1);
    assert!(checked.stdout.contains("replication"), "{}", checked.stdout);
    // Nothing can be made with more replicas than there are brokers.
    let other = Cluster::on(sluice_engines::shared_kafka(), sluice_engines::shared_cql());
    let mut other = other;
    other.place_mut().set_variable("SLUICE_KAFKA_REPLICATION", "3");
    other.place_mut().set_variable("SLUICE_KAFKA_MIN_INSYNC", "2");
    other.place().run(&["topics", "create"]).expect(3).says(&["kafka.replication"]);
}

#[test]
fn topics_are_described_as_they_are_and_a_missing_one_by_name() {
    const MISSING: &str = "topic: missing instead of there";
    let mut cluster = Cluster::on(sluice_engines::shared_kafka(), sluice_engines::shared_cql());
    cluster.place_mut().set_variable("SLUICE_KAFKA_PARTITIONS_SENDS", "3");
    let name = |topic: Topic| format!("{}{}", cluster.prefix(), topic.name());
    let describe = || {
        let told = cluster.place().run(&["topics", "describe", "--json"]).expect(0).stdout;
        let rows: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let names: Vec<_> = rows.iter().map(|row| row["topic"].as_str().unwrap().to_owned()).collect();
        assert_eq!(names, Topic::ALL.map(name));
        rows
    };
    for row in describe() {
        assert_eq!((&row["found"], &row["differences"][0]), (&Value::Null, &Value::from(MISSING)));
    }
    let checked = cluster.place().run(&["topics", "check"]).expect(1).stdout;
    for topic in Topic::ALL {
        assert!(checked.contains(&format!("{}  {MISSING}  (mended by `create`)", name(topic))), "{checked}");
    }

    cluster.place().run(&["topics", "create"]).expect(0);
    for row in describe() {
        assert_eq!(row["differences"], Value::Array(Vec::new()), "{row}");
        assert_eq!(row["found"]["partitions"], row["wanted"]["partitions"], "{row}");
        assert_eq!(row["found"]["replication"], 1, "{row}");
    }
    let table = cluster.place().run(&["topics", "describe"]).expect(0).stdout;
    let sends = table.lines().find(|line| line.contains(&name(Topic::Sends))).unwrap();
    let cells: Vec<&str> = sends.split_whitespace().collect();
    assert_eq!(cells[1..4], ["3", "1", "1"], "partitions, copies, copies in sync: {table}");

    let address = nobody();
    cluster.place_mut().set_variable("SLUICE_KAFKA_BROKERS", &address);
    let away = cluster.place().run(&["topics", "describe"]).says(&["error:", &address, "To go on:"]);
    assert!(matches!(away.code, Some(3 | 75)), "{:?}", away.code);
}

#[test]
fn pages_of_a_campaign_that_is_being_sent_are_not_moved_by_more_partitions() {
    let mut cluster = Cluster::new();
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &format!("http://{}", nobody()));
    // Nobody sends: the campaign stays open.
    let node = cluster.start_with("expander,gateway");
    let launch = cluster.place().launch("moved.json", &over_pages(cluster.place(), "moved", 40, 2, "10/s"));
    cluster.launch(&node, &launch).expect(0);
    cluster.place_mut().set_variable("SLUICE_KAFKA_PARTITIONS_SENDS", "32");
    let refused = cluster.place().run(&["topics", "create"]).expect(3);
    refused.says(&[
        "32 partitions instead of 16",
        "1 campaign is open",
        "moved is running",
        "--move-pages-of-open-campaigns",
    ]);
    // More partitions of receipts move nobody.
    cluster.place_mut().set_variable("SLUICE_KAFKA_PARTITIONS_SENDS", "16");
    cluster.place_mut().set_variable("SLUICE_KAFKA_PARTITIONS_RECEIPTS", "32");
    cluster.place().run(&["topics", "create"]).expect(0);
    cluster.place_mut().set_variable("SLUICE_KAFKA_PARTITIONS_SENDS", "32");
    cluster.place().run(&["topics", "create", "--move-pages-of-open-campaigns"]).expect(0);
    cluster.place().run(&["topics", "check"]).expect(0);
}
