//! A3, A5, A6: the sample audiences give exactly the counts in `data/README.md`, checked and sent.

use crate::launches;
use serde_json::{Value, json};
use sluice_tests::people::{Person, by_status};
use sluice_tests::{Place, Simulator};
use std::collections::BTreeSet;

fn text(campaign: &str, channel: &str, page: &str) -> Value {
    json!({
        "campaign": campaign, "channel": channel, "pages": [page],
        "audience": { "path": "audience.csv" },
        "message": { "text": { "body": "We miss you!" } },
    })
}

/// `campaign check --json`, then the real thing. Gives the report, the result, the people, and who was accepted.
fn check_and_send(sample: &str, launch: &Value) -> (Value, Value, Vec<Person>, BTreeSet<String>) {
    let place = Place::new();
    launches::sample(&place, sample);
    let path = place.launch("launch.json", launch);
    let report = place.run(&["campaign", "check", &path, "--json"]).expect(0).json();
    let simulator = Simulator::start(&place, &[]);
    let send = place.sluice(&["send", &path, "--provider-url", simulator.url(), "--json"]);
    let result = send.wait(std::time::Duration::from_secs(60)).expect(0).json();
    let campaign = launch["campaign"].as_str().unwrap();
    place.verify(campaign);
    let people = place.people(campaign);
    let (_, truth) = simulator.stop();
    assert_eq!(truth.doubles(), [], "G1");
    assert_eq!(truth.calls, truth.accepted, "the simulator refused a request");
    let called = truth.recipients.into_keys().map(|recipient| recipient.to.to_string()).collect();
    (report, result, people, called)
}

fn count(counts: &Value, names: &[&str]) -> u64 {
    names.iter().map(|name| counts[*name].as_u64().unwrap_or(0)).sum()
}

fn skipped(people: &[Person], reasons: &[&str]) -> usize {
    let of = |person: &&Person| person.reason.as_deref().is_some_and(|reason| reasons.contains(&reason));
    people.iter().filter(|person| person.status == "skipped").filter(of).count()
}

const NO_ADDRESS: [&str; 2] = ["missing_address", "invalid_address"];

#[test]
fn a3_a6_messenger_reaches_10_of_50_and_says_why_not_the_others() {
    let launch = text("messenger-sample", "messenger", "204518396087735");
    let (report, result, people, called) = check_and_send("contacts-messenger.csv", &launch);
    assert_eq!((&report["rows"], &report["valid"]), (&json!(50), &json!(10)));
    assert_eq!(count(&report["skipped"], &NO_ADDRESS), 40);
    assert_eq!((&result["counters"]["sent"], &result["counters"]["skipped"]), (&json!(10), &json!(40)));
    assert_eq!((people.len(), skipped(&people, &NO_ADDRESS), called.len()), (50, 40, 10));
}

#[test]
fn a3_a6_instagram_reaches_5_of_27_with_the_flag() {
    let launch = text("instagram-sample", "instagram", "17841405822304914");
    let (report, result, people, called) = check_and_send("contacts-messenger.csv", &launch);
    assert_eq!((&report["rows"], &report["valid"]), (&json!(50), &json!(5)));
    assert_eq!(count(&report["skipped"], &NO_ADDRESS), 22);
    assert_eq!(count(&report["skipped"], &["no_opt_in"]), 23);
    assert_eq!((&result["counters"]["sent"], &result["counters"]["skipped"]), (&json!(5), &json!(45)));
    assert_eq!((skipped(&people, &NO_ADDRESS), skipped(&people, &["no_opt_in"])), (22, 23));
    assert_eq!(called.len(), 5);
}

#[test]
fn a3_a5_a6_the_messy_file_reaches_13_and_names_every_other_row() {
    let (report, result, people, called) = check_and_send("contacts-messy.csv", &launches::whatsapp("messy"));
    let reasons: [(&[&str], u64); 5] = [
        (&["duplicate"], 1),
        (&["opted_out"], 1),
        (&["no_opt_in"], 1),
        (&NO_ADDRESS, 6),
        (&["malformed_row"], 2),
    ];
    assert_eq!((&report["rows"], &report["valid"]), (&json!(26), &json!(15)));
    assert_eq!(report["valid_without_variables"], 2);
    for (names, rows) in reasons {
        assert_eq!(count(&report["skipped"], names), rows, "check: {names:?}");
        assert_eq!(skipped(&people, names) as u64, rows, "send: {names:?}");
    }
    let warnings = report["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["detail"].as_str().unwrap().contains("Mars/Olympus")));

    // Two have no value for a variable of the template: they fail by its name.
    assert_eq!((&result["counters"]["sent"], &result["counters"]["failed"]), (&json!(13), &json!(2)));
    let customers = |status: &str| -> Vec<&str> {
        let of_status = people.iter().filter(|person| person.status == status);
        let mut customers: Vec<_> = of_status.filter_map(|person| person.customer_id.as_deref()).collect();
        customers.sort_unstable();
        customers
    };
    let sent = "w001 w003 w004 w005 w010 w014 w015 w016 w017 w018 w019 w021 w023";
    assert_eq!(customers("sent").join(" "), sent);
    assert_eq!(customers("failed"), ["w009", "w024"]);
    for (customer, variable) in [("w009", "coupon"), ("w024", "first_name")] {
        let person = people.iter().find(|person| person.customer_id.as_deref() == Some(customer)).unwrap();
        assert_eq!(person.reason.as_deref(), Some("missing_variable"));
        assert!(person.message.as_deref().unwrap().contains(variable), "{person:?}");
    }
    assert_eq!((called.len(), by_status(&people)["skipped"]), (13, 11));
}
