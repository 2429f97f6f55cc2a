//! C3: a provider that is not there is waited for, and then everything is sent.

use crate::launches;
use serde_json::json;
use sluice_tests::people::{by_status, judge};
use sluice_tests::{Place, Simulator, Sink, free_port, wait_for};
use std::time::Duration;

const SAYS_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn c3_a_provider_that_is_not_there_is_waited_for_and_named() {
    let place = Place::new();
    launches::addresses(&place, 500, 0);
    let mut launch = launches::http("waits");
    // Slow enough to be seen going on.
    launch["rate"] = json!("100/s");
    let launch = place.launch("launch.json", &launch);
    let port = free_port();
    let mut send = place.start_send(&launch, &format!("http://127.0.0.1:{port}/messages"));
    send.until_it_says("page shop waits: the provider is not reachable", SAYS_WITHIN);
    send.until_it_says("tried again until it is", SAYS_WITHIN);
    assert!(!send.has_ended());

    let sink = Sink::start_with(&place, port, &[]);
    send.wait(ENDS_WITHIN).expect(0).says(&["page shop goes on"]);
    place.verify("waits");
    let people = place.people("waits");
    // No connection was made, so nothing was used up: nobody is unknown.
    assert_eq!(judge(&people, &sink.stop()), 0);
    assert_eq!(by_status(&people)["sent"], 500);
}

#[test]
fn c3_a_provider_that_goes_away_and_comes_back_gets_everybody_once() {
    const RECIPIENTS: u64 = 3_000;
    let place = Place::new();
    launches::addresses(&place, RECIPIENTS as usize, 0);
    let mut launch = launches::http("outage");
    launch["rate"] = json!("1000/s");
    let launch = place.launch("launch.json", &launch);
    let simulator = Simulator::start(&place, &[]);
    let mut send = place.start_send(&launch, &simulator.page_url("shop"));
    wait_for("the first calls", SAYS_WITHIN, || (simulator.stats().calls > 200).then_some(()));
    simulator.set(&json!({ "down": true, "down_for_ms": 2_500 }));
    send.until_it_says("the provider is not reachable", SAYS_WITHIN);
    send.wait(ENDS_WITHIN).expect(0);

    place.verify("outage");
    let people = place.people("outage");
    let (_, truth) = simulator.stop();
    assert_eq!(truth.doubles(), [], "G1");
    let states = by_status(&people);
    let unknown = states.get("unknown").copied().unwrap_or(0);
    println!("{unknown} unknown of {RECIPIENTS}");
    // A call that was on its way into a closing connection can't be told from one that was made.
    assert_eq!(states["sent"] + unknown, RECIPIENTS, "{states:?}");
    assert!(unknown <= 256, "more than can be in flight");
    assert!(truth.accepted >= states["sent"] && truth.accepted <= RECIPIENTS);
}
