//! A record that nobody can use is kept with its reason and place, and can be put back.

use crate::launches;
use serde_json::Value;
use sluice_runtime::ports::log::Topic;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

/// All of them, oldest first.
fn letters(cluster: &Cluster) -> Vec<Value> {
    let listed = cluster.place().run(&["dead-letters", "list", "--json"]).expect(0);
    listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_poison_launch_becomes_a_dead_letter_and_others_go_on() {
    let cluster = Cluster::new();
    cluster.produce(Topic::Launches, b"key", b"{\"campaign\": \"not Avro\"}".to_vec());
    let node = cluster.start();
    let letter = wait_for("the dead letter", WITHIN, || letters(&cluster).pop());
    assert_eq!(letter["topic"], "campaign.launches");
    assert_eq!(letter["offset"], 0);
    assert!(letter["reason"].as_str().unwrap().contains("Avro"), "{letter}");
    let id = letter["id"].as_str().unwrap();
    let shown = cluster.place().run(&["dead-letters", "show", id]).expect(0);
    assert!(shown.stdout.contains("{\"campaign\": \"not Avro\"}"), "{}", shown.stdout);
    // It is refused again: there are two then.
    cluster.place().run(&["dead-letters", "replay", id]).expect(0);
    wait_for("the second refusal", WITHIN, || (letters(&cluster).len() == 2).then_some(()));
    cluster.place().run(&["dead-letters", "show", "0/999"]).expect(3).says(&["no dead letter 0/999"]);
    node.process.stop(Signal::TERM, WITHIN).expect(0);
}

#[test]
fn a1_a_launch_that_was_refused_is_taken_once_its_reason_is_mended_and_counts_once() {
    const PEOPLE: usize = 200;
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    let registry = sluice_engines::shared_registry();
    let launch = launches::over_pages(cluster.place(), "mended", PEOPLE, 2, "500/s");
    let launch = cluster.place().launch("launch.json", &launch);
    // The upstream uses a schema registry that nobody told Sluice of.
    let node = cluster.start();
    let mut upstream = sluice_upstream::script("launch.py");
    upstream.arg(&launch).args(["--brokers", cluster.brokers(), "--prefix", cluster.prefix()]);
    let launched = upstream.args(["--registry", registry]).output().unwrap();
    assert!(launched.status.success(), "{}", String::from_utf8_lossy(&launched.stderr));
    let letter = wait_for("the dead letter", WITHIN, || letters(&cluster).pop());
    assert!(letter["reason"].as_str().unwrap().contains("schema registry"), "{letter}");
    let id = letter["id"].as_str().unwrap();
    node.process.stop(Signal::TERM, WITHIN).expect(0);

    cluster.place_mut().set_variable("SLUICE_REGISTRY_URL", registry);
    let node = cluster.start();
    assert_eq!(sink.calls(), 0, "by itself it stays where it is");
    for _ in 0..2 {
        let replayed = cluster.place().run(&["dead-letters", "replay", id]).expect(0).stdout;
        assert_eq!(replayed, "1 record replayed\n");
    }
    let completed = || {
        let asked = cluster.place().run(&["campaign", "status", "mended", "--json"]);
        (asked.code == Some(0) && asked.json()["state"] == "completed").then_some(())
    };
    wait_for("the end of the campaign", WITHIN, completed);
    node.process.stop(Signal::TERM, WITHIN).expect(0);
    let people = cluster.place().people("mended");
    let calls = sink.stop();
    assert_eq!((calls.len(), judge(&people, &calls)), (PEOPLE, 0), "everybody once");
    assert_eq!(cluster.ends("mended").len(), 1, "replayed twice, it is one campaign");
    assert_eq!(letters(&cluster).len(), 1, "it was not refused again");
}
