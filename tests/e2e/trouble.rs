//! C3, D4, G8: providers that fail, hang and close connections. What the simulator notes is the truth.

use crate::launches;
use serde_json::json;
use sluice_simulator::{Kind, LogLine, Outcome};
use sluice_tests::people::{Person, by_reason, by_status};
use sluice_tests::{Place, Simulator, events};
use std::collections::HashMap;

/// Every call of each address, in order.
fn calls(lines: &[LogLine]) -> HashMap<&str, Vec<Outcome>> {
    let mut calls: HashMap<&str, Vec<Outcome>> = HashMap::new();
    for line in lines.iter().filter(|line| line.kind == Kind::Call) {
        calls.entry(&line.to).or_default().push(line.outcome);
    }
    calls
}

/// Sends `people` over channel `http` to a simulator with these faults.
fn send(people: usize, max_retries: u32, toml: &str, faults: &[&str]) -> (Place, Vec<Person>, Vec<LogLine>) {
    let place = Place::new();
    place.configure(toml);
    launches::addresses(&place, people, 0);
    let mut launch = launches::http("trouble");
    launch["max_retries"] = json!(max_retries);
    let launch = place.launch("launch.json", &launch);
    let arguments: Vec<&str> = faults.iter().flat_map(|fault| ["--fault", fault]).collect();
    let simulator = Simulator::start(&place, &arguments);
    place.send(&launch, &simulator.page_url("shop")).expect(0);
    place.verify("trouble");
    let people = place.people("trouble");
    let (lines, truth) = simulator.stop();
    assert_eq!(truth.doubles(), [], "G1");
    (place, people, lines)
}

#[test]
fn g8_d4_when_all_calls_fail_the_campaign_completes_with_all_failed() {
    let (place, people, lines) = send(1_000, 3, "", &["fail_all=permanent"]);
    assert_eq!(by_status(&people), [("failed", 1_000)].into());
    assert!(calls(&lines).values().all(|calls| calls.len() == 1), "what can't succeed is not tried again");
    assert_eq!(place.status("trouble")["state"], "completed");
    let errors = place.run(&["campaign", "errors", "trouble", "--json"]).expect(0).json();
    assert_eq!(errors["recipients"], 1_000);
    assert!(errors["reason"].as_str().unwrap().contains("422"), "{errors}");
    assert_eq!(events::ends(place.data()).len(), 1, "D9");
}

#[test]
fn c3_transient_failures_are_tried_again_and_never_more_often_than_asked_for() {
    const RETRIES: u32 = 2;
    let toml = "[receipts.backoff]\nbase_ms = 100\ndelay_ms_max = 400\n";
    let (place, people, lines) =
        send(2_000, RETRIES, toml, &["transient_percent=20", "error_500_percent=10"]);
    let calls = calls(&lines);
    for person in &people {
        let calls = &calls[person.address.as_str()];
        assert_eq!(calls.len() as u32, person.retry_count + 1, "{person:?}: {calls:?}");
        let (last, before) = calls.split_last().unwrap();
        assert!(before.iter().all(|outcome| *outcome == Outcome::Failed), "{person:?}: {calls:?}");
        match person.status.as_str() {
            "sent" => assert_eq!(*last, Outcome::Accepted, "{person:?}"),
            "failed" => {
                assert_eq!((*last, person.retry_count), (Outcome::Failed, RETRIES), "{person:?}");
                assert!(person.reason.is_some(), "D4: {person:?}");
            }
            _ => panic!("{person:?}"),
        }
    }
    let states = by_status(&people);
    println!("{states:?} {:?}", by_reason(&people));
    // 30 % of attempts fail, so about 2.7 % of people fail three times, and a third is tried again.
    assert!(states["failed"] > 10 && states["sent"] > 1_800, "{states:?}");
    let retries: u64 = people.iter().map(|person| u64::from(person.retry_count)).sum();
    assert_eq!(place.status("trouble")["counters"]["retries"], retries);
    assert!(retries > 400);
}

#[test]
fn g1_calls_that_hang_or_lose_their_connection_become_unknown_and_are_not_repeated() {
    let toml = "[channels.http]\ntimeout_ms = 700\n";
    let faults =
        ["hang_percent=3", "hang_accepted_percent=3", "closed_before_percent=3", "closed_after_percent=3"];
    let (_, people, lines) = send(1_500, 3, toml, &faults);
    let calls = calls(&lines);
    for person in &people {
        let calls = &calls[person.address.as_str()];
        let expected = if calls[0].is_answered() { "sent" } else { "unknown" };
        assert_eq!((person.status.as_str(), calls.len()), (expected, 1), "{person:?}: {calls:?}");
    }
    let states = by_status(&people);
    println!("{states:?}");
    assert!(states["unknown"] > 60, "{states:?}");
}

#[test]
fn g1_g8_a_whatsapp_call_that_hangs_is_unknown_after_its_deadline() {
    let place = Place::new();
    // A webhook may settle what hangs: so it waits for its deadline, which is 15 min unless configured.
    place.configure(
        "[sender]\nunresolved_after_ms = 2000\n[channels.whatsapp]\ntimeout_ms = 700\nrate = \"500/s\"\n",
    );
    launches::phones(&place, 300);
    let launch = place.launch("launch.json", &launches::whatsapp("hangs"));
    let simulator = Simulator::start(&place, &["--fault", "hang_percent=5"]);
    place.send(&launch, simulator.url()).expect(0);
    place.verify("hangs");
    let people = place.people("hangs");
    let (lines, _) = simulator.stop();
    let calls = calls(&lines);
    for person in &people {
        let calls = &calls[person.address.trim_start_matches('+')];
        let expected = if calls[0] == Outcome::Hang { "unknown" } else { "sent" };
        assert_eq!((person.status.as_str(), calls.len()), (expected, 1), "{person:?}: {calls:?}");
    }
    assert!(by_status(&people)["unknown"] > 3);
}
