//! What is wrong with the engines is said at the start, with what to do about it.

use crate::launches::over_pages;
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
