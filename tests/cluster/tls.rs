//! TLS to both engines: the certificate that is named is trusted; one that is not is refused with the setting for it.

use crate::logins::works;
use crate::refusals::refused;
use sluice_engines::{Cassandra, CassandraOptions, Kafka, KafkaOptions, Login};
use sluice_tests::Cluster;
use std::path::Path;

fn set(cluster: &mut Cluster, variables: &[(&str, &str)]) {
    variables.iter().for_each(|(name, value)| cluster.place_mut().set_variable(name, value));
}

fn shown(file: Option<&Path>) -> String {
    file.unwrap().display().to_string()
}

#[test]
fn kafka_is_reached_by_tls_with_the_certificate_that_is_trusted() {
    let kafka = Kafka::start(KafkaOptions { tls: true, ..KafkaOptions::default() }).unwrap();
    let mut cluster = Cluster::on(&kafka.bootstrap(), sluice_engines::shared_cql());
    let ca_file = shown(kafka.ca_file());
    set(&mut cluster, &[("SLUICE_KAFKA_SECURITY_PROTOCOL", "ssl"), ("SLUICE_KAFKA_CA_FILE", &ca_file)]);
    works(&cluster);

    // The system's authorities know nothing of it.
    let mut cluster = Cluster::on(&kafka.bootstrap(), sluice_engines::shared_cql());
    set(&mut cluster, &[("SLUICE_KAFKA_SECURITY_PROTOCOL", "ssl")]);
    cluster.place().run(&["store", "migrate"]).expect(0);
    refused(&cluster).says(&["no TLS connection", "certificate verify failed", "kafka.ca_file"]);
    cluster.place().run(&["topics", "check"]).expect(3).says(&["kafka.ca_file"]);
}

#[test]
fn kafka_takes_a_login_over_tls() {
    let options = KafkaOptions { tls: true, asks_for_login: true, ..KafkaOptions::default() };
    let kafka = Kafka::start(options).unwrap();
    let mut cluster = Cluster::on(&kafka.bootstrap(), sluice_engines::shared_cql());
    let Login { username, password } = Kafka::LOGIN;
    let ca_file = shown(kafka.ca_file());
    set(
        &mut cluster,
        &[
            ("SLUICE_KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
            ("SLUICE_KAFKA_CA_FILE", &ca_file),
            ("SLUICE_KAFKA_SASL_USERNAME", username),
            ("SLUICE_KAFKA_SASL_PASSWORD", password),
        ],
    );
    works(&cluster);
    set(&mut cluster, &[("SLUICE_KAFKA_SASL_PASSWORD", "wrong")]);
    refused(&cluster).says(&["refuse the login", "kafka.sasl_password"]);
}

#[test]
fn the_database_is_reached_by_tls_with_the_certificate_that_is_trusted() {
    let cassandra = Cassandra::start(CassandraOptions { tls: true, ..CassandraOptions::default() }).unwrap();
    let mut cluster = Cluster::on(sluice_engines::shared_kafka(), &cassandra.contact_point());
    let ca_file = shown(cassandra.ca_file());
    set(&mut cluster, &[("SLUICE_CQL_TLS", "true"), ("SLUICE_CQL_CA_FILE", &ca_file)]);
    works(&cluster);

    // The authorities that browsers trust know nothing of it.
    let mut cluster = Cluster::on(sluice_engines::shared_kafka(), &cassandra.contact_point());
    set(&mut cluster, &[("SLUICE_CQL_TLS", "true")]);
    refused(&cluster).says(&["certificate", "cql.ca_file"]);
}
