//! The demo, and what downstream systems hear of it.

use serde_json::{Value, json};
use sluice_schemas::CampaignEventKind;
use sluice_tests::{Place, events};
use std::time::Duration;

#[test]
fn d9_g8_the_demo_agrees_with_its_simulator_and_each_campaign_ends_once() {
    let place = Place::new();
    // The demo makes a directory of its own inside the data directory.
    let parent = place.data().to_owned();
    let demo = |more: &[&str]| {
        let arguments = [&["demo", "--recipients", "1000", "--port", "0"], more].concat();
        place.sluice(&arguments).wait(Duration::from_secs(120)).expect(0)
    };
    let said = demo(&[]).stdout;
    assert!(said.contains("none twice. Counters, recount and simulator agree."), "{said}");

    // For programs, beside the first: other campaigns.
    let lines: Vec<Value> =
        demo(&["--json"]).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sums = lines.last().unwrap();
    assert_eq!((&sums["differences"], &sums["accepted_twice"]), (&json!([]), &json!(0)));
    assert_eq!(lines[0]["counters"]["total"], 1_000);

    let place = place.with_data(parent.join("demo"));
    let mut all = events::of(place.data());
    all.retain(|event| event.kind != CampaignEventKind::Started);
    let ended = events::ends(place.data());
    assert_eq!((all.len(), ended.len()), (2, 2), "one end event a campaign: {all:?}");
    for event in &ended {
        let status = place.status(&event.campaign);
        assert_eq!(status["state"], "completed");
        assert_eq!(event.counters["total"], status["recipients"].as_i64().unwrap());
        assert_eq!(event.counters["pending"], 0);
        place.verify(&event.campaign);
    }
}
