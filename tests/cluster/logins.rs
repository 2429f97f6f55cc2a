//! Engines that ask who one is: the right login works everywhere, a wrong one is told with the settings to correct.

use crate::refusals::refused;
use sluice_engines::{Cassandra, CassandraOptions, Kafka, KafkaOptions};
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Ended};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const WRONG: &str = "hunter2-is-wrong";

/// Everything a cluster is made and looked at with, then a process.
pub(crate) fn works(cluster: &Cluster) {
    cluster.make();
    cluster.place().run(&["topics", "check"]).expect(0);
    cluster.place().run(&["store", "check"]).expect(0);
    cluster.start().process.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);
}

/// What ended says these, and never the password.
fn tells(ended: Ended, parts: &[&str]) {
    let ended = ended.says(parts);
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(!all.contains(WRONG), "the password is shown");
}

#[test]
fn a_wrong_password_of_kafka_is_refused_with_the_settings_to_correct() {
    let kafka = Kafka::start(KafkaOptions { asks_for_login: true, ..KafkaOptions::default() }).unwrap();
    let mut cluster = Cluster::on(&kafka.bootstrap(), sluice_engines::shared_cql());
    cluster.place_mut().set_variable("SLUICE_KAFKA_SECURITY_PROTOCOL", "sasl_plaintext");
    cluster.place_mut().set_variable("SLUICE_KAFKA_SASL_USERNAME", Kafka::LOGIN.username);
    cluster.place_mut().set_variable("SLUICE_KAFKA_SASL_PASSWORD", Kafka::LOGIN.password);
    works(&cluster);

    cluster.place_mut().set_variable("SLUICE_KAFKA_SASL_PASSWORD", WRONG);
    let settings = ["refuse the login", "kafka.sasl_username", "kafka.sasl_password"];
    tells(refused(&cluster), &settings);
    tells(cluster.place().run(&["topics", "check"]).expect(3), &settings);
    tells(cluster.place().run(&["topics", "create"]).expect(3), &settings);

    cluster.place_mut().set_variable("SLUICE_KAFKA_SECURITY_PROTOCOL", "plaintext");
    cluster.place_mut().set_variable("SLUICE_KAFKA_SASL_USERNAME", "");
    refused(&cluster).says(&["kafka.security_protocol"]);
}

#[test]
fn a_wrong_password_of_the_database_is_refused_with_the_settings_to_correct() {
    let cassandra =
        Cassandra::start(CassandraOptions { asks_for_login: true, ..CassandraOptions::default() }).unwrap();
    let mut cluster = Cluster::on(sluice_engines::shared_kafka(), &cassandra.contact_point());
    refused(&cluster).says(&["it asks for a username and a password", "cql.username"]);

    cluster.place_mut().set_variable("SLUICE_CQL_USERNAME", Cassandra::LOGIN.username);
    cluster.place_mut().set_variable("SLUICE_CQL_PASSWORD", Cassandra::LOGIN.password);
    works(&cluster);

    cluster.place_mut().set_variable("SLUICE_CQL_PASSWORD", WRONG);
    let settings = ["refuses the login", "cql.username", "cql.password"];
    tells(refused(&cluster), &settings);
    tells(cluster.place().run(&["store", "migrate"]).expect(3), &settings);
    let checked = cluster.place().run(&["store", "check"]).expect(1);
    assert!(checked.stdout.contains("refuses the login"), "{}", checked.stdout);
    tells(checked, &[]);
}
