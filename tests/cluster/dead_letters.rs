//! A record that nobody can use is kept with its reason and place, and can be put back.

use serde_json::Value;
use sluice_runtime::ports::log::Topic;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_poison_launch_becomes_a_dead_letter_and_others_go_on() {
    let cluster = Cluster::new();
    cluster.produce(Topic::Launches, b"key", b"{\"campaign\": \"not Avro\"}".to_vec());
    let node = cluster.start();
    let letters = || {
        let listed = cluster.place().run(&["dead-letters", "list", "--json"]).expect(0);
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let letter = wait_for("the dead letter", WITHIN, || letters().pop());
    assert_eq!(letter["topic"], "campaign.launches");
    assert_eq!(letter["offset"], 0);
    assert!(letter["reason"].as_str().unwrap().contains("Avro"), "{letter}");
    let id = letter["id"].as_str().unwrap();
    let shown = cluster.place().run(&["dead-letters", "show", id]).expect(0);
    assert!(shown.stdout.contains("{\"campaign\": \"not Avro\"}"), "{}", shown.stdout);
    // It is refused again: there are two then.
    cluster.place().run(&["dead-letters", "replay", id]).expect(0);
    wait_for("the second refusal", WITHIN, || (letters().len() == 2).then_some(()));
    cluster.place().run(&["dead-letters", "show", "0/999"]).expect(3).says(&["no dead letter 0/999"]);
    node.process.stop(Signal::TERM, WITHIN).expect(0);
}
