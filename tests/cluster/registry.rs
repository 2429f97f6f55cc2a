//! A schema registry that is away: what waits for it is said, and goes on when it is back.

use serde_json::Value;
use sluice_engines::Proxy;
use sluice_runtime::ports::log::Topic;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, http, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
/// No registry of a test gives such a number.
const SCHEMA: u32 = 1_999_999_999;

#[test]
fn a_launch_whose_schema_can_t_be_fetched_keeps_the_process_from_being_ready() {
    let mut cluster = Cluster::new();
    let (address, path) =
        sluice_engines::shared_registry().trim_start_matches("http://").split_once('/').unwrap();
    let registry = Proxy::start(address).unwrap();
    cluster.place_mut().set_variable("SLUICE_REGISTRY_URL", &format!("http://{}/{path}", registry.address()));
    let node = cluster.start();
    let ready = || {
        let url = format!("http://{}/health/ready", node.metrics);
        http::request("GET", &url, &[], b"").unwrap()
    };
    assert_eq!(ready().status, 200);

    registry.cut();
    let framed = [&[0][..], &SCHEMA.to_be_bytes(), b"a launch of somebody else's"].concat();
    cluster.produce(Topic::Launches, b"key", framed);
    let told = wait_for("the process saying so", WITHIN, || Some(ready()).filter(|told| told.status != 200));
    for part in [&format!("schema {SCHEMA} of campaign.launches"), "can't be reached", "registry.url"] {
        assert!(told.body.contains(part), "{part} is not in {}", told.body);
    }

    registry.heal();
    wait_for("the process being ready again", WITHIN, || (ready().status == 200).then_some(()));
    let letters = || {
        let listed = cluster.place().run(&["dead-letters", "list", "--json"]).expect(0);
        listed.stdout.lines().next().map(|line| serde_json::from_str::<Value>(line).unwrap())
    };
    let letter = wait_for("the dead letter", WITHIN, letters);
    assert_eq!(letter["topic"], "campaign.launches");
    node.process.stop(Signal::TERM, WITHIN).expect(0);
}
