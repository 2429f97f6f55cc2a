//! One of three brokers dies in mid-campaign: two are enough to go on.

use crate::launches;
use sluice_engines::{Kafka, KafkaOptions};
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, http, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(120);
const PEOPLE: usize = 4_000;
/// Between two questions: the brokers need the processor more.
const ASK_EVERY: Duration = Duration::from_millis(200);

#[test]
fn g1_g2_a_broker_of_three_killed_in_mid_campaign_stops_nothing_for_good() {
    let mut kafka = Kafka::start(KafkaOptions { brokers: 3, ..KafkaOptions::default() }).unwrap();
    let mut cluster = Cluster::on(&kafka.bootstrap(), sluice_engines::shared_cql());
    let sink = Sink::start(cluster.place());
    for (variable, value) in [
        ("SLUICE_KAFKA_REPLICATION", "3"),
        ("SLUICE_KAFKA_MIN_INSYNC", "2"),
        ("SLUICE_HTTP_URL", &sink.url()),
    ] {
        cluster.place_mut().set_variable(variable, value);
    }
    cluster.make();
    let launch = launches::over_pages(cluster.place(), "replicated", PEOPLE, 6, "600/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let node = cluster.start();
    cluster.launch(&node, &launch).expect(0);
    let wait = |what: &str, is_so: &dyn Fn() -> bool| {
        wait_for(what, WITHIN, || {
            std::thread::sleep(ASK_EVERY);
            is_so().then_some(())
        });
    };
    wait("calls", &|| sink.calls() > 1_000);

    kafka.kill(1).unwrap();
    // Also on the pages whose partitions it led.
    wait("a call for everybody", &|| sink.calls() >= PEOPLE as u64);
    let status = format!("{}/v1/campaigns/replicated", node.url);
    wait("the end of the campaign", &|| http::get(&status).is_ok_and(|told| told["state"] == "completed"));

    node.process.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);
    cluster.place().verify("replicated");
    let people = cluster.place().people("replicated");
    let unknown = judge(&people, &sink.stop());
    assert_eq!(unknown, 0, "no process died: every outcome is known");
    assert_eq!((people.len(), cluster.ends("replicated").len()), (PEOPLE, 1));
}
