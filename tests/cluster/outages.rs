//! A broker or the database away in mid-campaign: sending stops, says why, and goes on by itself.

use crate::launches;
use sluice_engines::{Cassandra, CassandraOptions, Kafka, KafkaOptions};
use sluice_tests::cluster::Node;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, http, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(300);
const PEOPLE: usize = 16_000;
/// `SLUICE_TEST_OUTAGE_S=60` is the long form.
const AWAY_S: u64 = 15;

fn away() -> Duration {
    let seconds = std::env::var("SLUICE_TEST_OUTAGE_S").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(AWAY_S))
}

/// What the service says of the campaign: a status with its trouble, or a refusal with its reason.
fn said(node: &Node) -> String {
    let asked = http::request("GET", &format!("{}/v1/campaigns/outage", node.url), &[], b"");
    asked.map(|answer| answer.body).unwrap_or_default()
}

/// While something is away it is said, and nothing is called; `give` brings it back, and calls go on.
fn without(node: &Node, sink: &Sink, named: &str, give: impl FnOnce()) {
    wait_for("the service saying so", WITHIN, || said(node).contains(named).then_some(()));
    // Calls that were granted before the outage start within 2 s or not at all.
    std::thread::sleep(Duration::from_secs(3));
    let calls = sink.calls();
    std::thread::sleep(away());
    assert_eq!(sink.calls(), calls, "calls without {named}");
    give();
    wait_for("calls after it", WITHIN, || (sink.calls() > calls).then_some(()));
}

#[test]
fn g1_g2_an_engine_away_in_mid_campaign_stops_sending_and_loses_nothing() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let mut cassandra = Cassandra::start(CassandraOptions::default()).unwrap();
    let mut cluster = Cluster::on(&kafka.bootstrap(), &cassandra.contact_point());
    cluster.make();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_SENDER_UNRESOLVED_AFTER_MS", "5000");
    let launch = launches::over_pages(cluster.place(), "outage", PEOPLE, 6, "400/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let mut node = cluster.start();
    cluster.launch(&node, &launch).expect(0);
    wait_for("calls", WITHIN, || (sink.calls() > 1_000).then_some(()));

    kafka.kill(0).unwrap();
    without(&node, &sink, "no broker answers", || kafka.restart(0).unwrap());
    cassandra.kill();
    without(&node, &sink, "database", || cassandra.restart().unwrap());

    let ended = || (cluster.status("outage")["state"] == "completed").then_some(());
    assert!(
        node.process.until("the end of the campaign", WITHIN, |_| ended()).is_some(),
        "it ended by itself"
    );
    node.process.stop(Signal::TERM, WITHIN).expect(0);
    cluster.place().verify("outage");
    let people = cluster.place().people("outage");
    let unknown = judge(&people, &sink.stop());
    println!("{unknown} unknown");
    assert_eq!((people.len(), cluster.ends("outage").len()), (PEOPLE, 1));
    assert_eq!(unknown, 0, "no process died: every outcome is known");
}
