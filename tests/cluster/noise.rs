//! An engine that is away is told once, with the reason, and not by every connection that fails.

use sluice_engines::{Kafka, KafkaOptions, Proxy};
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
/// Drivers that tell of each try have filled a page by then.
const AWAY: Duration = Duration::from_secs(6);

#[test]
fn an_engine_that_is_away_is_told_once_in_the_log_and_once_when_it_is_back() {
    let kafka = Kafka::start(KafkaOptions { proxied: true, ..KafkaOptions::default() }).unwrap();
    let (brokers, database) = (kafka.proxy(0).unwrap(), Proxy::start(sluice_engines::shared_cql()).unwrap());
    let cluster = Cluster::on(&kafka.bootstrap(), database.address());
    cluster.make();
    let node = cluster.start();
    let before = node.process.stderr().lines().count();

    for engine in [brokers, &database] {
        engine.cut();
        std::thread::sleep(AWAY);
        engine.heal();
    }

    let lines = |text: &str| node.process.stderr().lines().filter(|line| line.contains(text)).count();
    wait_for("both being back", WITHIN, || {
        (lines("Kafka works again") == 1 && lines("the CQL database answers again") == 1).then_some(())
    });
    let log = node.process.stderr();
    let since = log.lines().skip(before);
    let complaints: Vec<&str> =
        since.filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).collect();
    assert_eq!(complaints.len(), 2, "{complaints:#?}");
    assert!(complaints[0].contains("Kafka can't be worked with"), "{complaints:#?}");
    assert!(complaints[1].contains("the CQL database does not answer"), "{complaints:#?}");
    assert!(
        complaints.iter().all(|line| line.contains("onnection refused")),
        "with the reason: {complaints:#?}"
    );
    node.process.stop(Signal::TERM, WITHIN).expect(0);
}
