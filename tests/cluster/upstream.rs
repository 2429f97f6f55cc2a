//! A1: an upstream system in another language launches a campaign through Kafka and follows it to its end.

use crate::launches;
use serde_json::Value;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

/// Launches with `launch.py`, twice, and waits for the end with `events.py`.
fn launch_and_follow(registry: Option<&str>) {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    if let Some(url) = registry {
        cluster.place_mut().set_variable("SLUICE_REGISTRY_URL", url);
    }
    let node = cluster.start();
    let launch = launches::over_pages(cluster.place(), "upstream", 1_000, 2, "2000/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let kafka = ["--brokers", cluster.brokers(), "--prefix", cluster.prefix()];
    let framing: Vec<&str> = registry.iter().flat_map(|url| ["--registry", *url]).collect();
    for _ in 0..2 {
        let launched =
            sluice_upstream::script("launch.py").arg(&launch).args(kafka).args(&framing).output().unwrap();
        assert!(launched.status.success(), "{}", String::from_utf8_lossy(&launched.stderr));
    }
    let group = format!("{}events", cluster.prefix());
    let told = sluice_upstream::script("events.py")
        .args(kafka)
        .args(&framing)
        .args(["--group", &group, "--campaign", "upstream", "--until", "completed", "--seconds", "60"])
        .output()
        .unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(kinds, ["started", "completed"], "{told}");
    assert_eq!(events[1]["counters"]["sent"], 1_000, "{told}");
    node.process.stop(Signal::TERM, WITHIN).expect(0);
    assert_eq!(judge(&cluster.place().people("upstream"), &sink.stop()), 0);
    assert_eq!(cluster.ends("upstream").len(), 1, "launched twice, it is one campaign");
}

#[test]
fn a1_python_launches_a_campaign_in_single_object_encoding() {
    launch_and_follow(None);
}

#[test]
fn a1_python_launches_a_campaign_through_a_schema_registry() {
    launch_and_follow(Some(sluice_engines::shared_registry()));
}
