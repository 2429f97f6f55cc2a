//! Launches that come too late, or again.

use crate::support::{Place, Said, object, sink, text, url};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A launch of that name with these rules, in UTC.
fn ruled(place: &Place, campaign: &str, rules: &Value) -> PathBuf {
    let path = place.http_launch(campaign, 3);
    let mut launch = object(&std::fs::read_to_string(&path).unwrap());
    launch["rules"] = rules.clone();
    std::fs::write(&path, launch.to_string()).unwrap();
    path
}

/// So many hours from now, as a launch writes it.
fn in_hours(hours: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

fn says(said: &Said, exit: i32, parts: &[&str]) {
    assert_eq!(said.exit, exit, "{said:?}");
    for part in parts {
        assert!(said.err.contains(part) || said.out.contains(part), "{part}: {said:?}");
    }
}

#[test]
fn b5_a_campaign_that_could_call_nobody_is_refused_before_it_is_created() {
    let (place, sink) = (Place::new(), sink());
    let sink_url = url(&sink);
    let over = json!({"end_at": "2020-01-01T00:00"});
    let launch = ruled(&place, "late", &over);
    let send = ["send", text(&launch), "--data-dir", "data", "--provider-url", &sink_url];
    says(&place.run(&send), 2, &["rules.end_at: `2020-01-01T00:00` is over", "write a later moment"]);
    let preview = ["campaign", "preview", text(&launch)];
    let environment = [("SLUICE_HTTP_URL", sink_url.as_str())];
    says(&place.run_with(&preview, &environment), 1, &["It can't be launched: rules.end_at"]);
    let check = ["campaign", "check", text(&launch)];
    says(
        &place.run(&check),
        1,
        &["3 can receive", "It can't be launched: rules.end_at: `2020-01-01T00:00` is over"],
    );
    let refused = object(&place.run(&[&check[..], &["--json"]].concat()).out)["refused"].clone();
    assert!(refused.as_str().unwrap().starts_with("rules.end_at: "), "{refused}");
    ruled(&place, "late", &json!({}));
    assert_eq!(place.run(&send).exit, 0, "the name is free");
    assert_eq!(sink.stats().requests, 3);
    // A campaign that is there is found, however late it is.
    std::fs::write(&launch, std::fs::read_to_string(&launch).unwrap()).unwrap();
    says(&place.run(&send), 0, &["late has ended before"]);
}

#[test]
fn c7_the_service_refuses_what_is_too_late_and_says_what_was_there_already() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &format!("data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n", url(&sink)));
    let service = place.serve();
    let server = service.server.clone();
    let run = |arguments: &[&str]| place.run(&[&["campaign"], arguments, &["--server", &server]].concat());

    let late = ruled(&place, "late", &json!({"end_at": "2020-01-01T00:00"}));
    says(&run(&["launch", text(&late)]), 3, &["rules.end_at", "is over", "the launch has a mistake"]);
    says(&run(&["status", "late"]), 3, &["late"]);

    let spring = place.http_launch("spring", 3);
    let first = object(&run(&["launch", text(&spring), "--json"]).out);
    let again = object(&run(&["launch", text(&spring), "--json"]).out);
    assert_eq!((&first["already"], &again["already"]), (&json!(false), &json!(true)));
    says(&run(&["watch", "spring"]), 0, &["is completed"]);
    let again = run(&["launch", text(&spring)]);
    says(&again, 0, &["It was launched before and is over", "spring is completed", "another campaign name"]);

    let never = place.http_launch("never", 3);
    says(&run(&["schedule", text(&never), "--at", &in_hours(5)]), 0, &["never starts at"]);
    says(&run(&["launch", text(&never)]), 3, &["is scheduled", "these differ: rules", "reschedule"]);
    says(&run(&["unschedule", "never"]), 0, &["before its start"]);
    let relaunched = run(&["launch", text(&never)]);
    says(&relaunched, 3, &["was cancelled before its start", "launch this one under another campaign name"]);
    assert!(!relaunched.err.contains("restore the launch"), "{relaunched:?}");
    assert_eq!(sink.stats().requests, 3);
    service.stop();
}

#[test]
fn b5_a_recurrence_lists_what_comes_before_its_end_and_says_when_nothing_does() {
    let (place, sink) = (Place::new(), sink());
    place.write("sluice.toml", &format!("data_dir = \"data\"\n[channels.http]\nurl = \"{}\"\n", url(&sink)));
    let service = place.serve();
    let server = service.server.clone();
    let run = |arguments: &[&str]| place.run(&[&["campaign"], arguments, &["--server", &server]].concat());
    let hourly = json!({"recurring": {"cron": "30 * * * *"}, "end_at": in_hours(3)});
    let launch = ruled(&place, "digest", &hourly);
    says(&run(&["launch", text(&launch)]), 0, &["digest comes back, next at", "for the last time at"]);
    let upcoming = run(&["upcoming", "--occurrences", "9", "--json"]);
    assert_eq!(upcoming.out.lines().count(), 3, "{upcoming:?}");
    says(&run(&["status", "digest"]), 0, &["for the last time at", "ends"]);
    let open = [
        "reschedule",
        "digest",
        "--open",
        "00:00-00:01",
        "--closed-on",
        &in_hours(0)[..10],
        "--closed-on",
        &in_hours(24)[..10],
    ];
    says(&run(&open), 3, &["window: it does not open between"]);
    // Before the next occurrence, whatever the time is now.
    let status = object(&run(&["status", "digest", "--json"]).out);
    let next_ms = status["starts_at_ms"].as_i64().unwrap();
    let end = jiff::Timestamp::from_millisecond(next_ms).unwrap().to_string();
    says(&run(&["reschedule", "digest", "--end-at", &end]), 0, &["It does not come again: its end is"]);
    says(&run(&["upcoming"]), 0, &["digest does not come again", "Nothing is scheduled."]);
    service.stop();
}
