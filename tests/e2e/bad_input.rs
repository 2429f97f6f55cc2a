//! Bad input: each a clear error that says what to do, and nothing lost: the correct command completes.

use crate::launches;
use serde_json::json;
use sluice_tests::people::{by_status, judge};
use sluice_tests::{Ended, Place, Simulator, Sink, free_port};
use std::fs;
use std::time::Duration;

const RECIPIENTS: usize = 20;

/// What a person reads: what happened, in a line that begins with `error:`, and what to do.
fn is_clear(ended: Ended, code: i32, parts: &[&str]) {
    ended.expect(code).says(&["error: ", "To go on:  "]).says(parts);
}

/// The corrected command sends to everybody once.
fn completes(place: &Place, launch: &str, sink: Sink) {
    place.send(launch, &sink.url()).expect(0);
    place.verify("corrected");
    let people = place.people("corrected");
    assert_eq!(judge(&people, &sink.stop()), 0);
    assert_eq!(by_status(&people), [("sent", RECIPIENTS as u64)].into());
}

#[test]
fn an_audience_that_can_not_be_used_is_refused_and_the_corrected_one_is_sent() {
    let place = Place::new();
    let launch = place.launch("launch.json", &launches::http("corrected"));
    let sink = Sink::start(&place);
    let audience = place.path("audience.csv");
    let refused = |parts: &[&str]| is_clear(place.send(&launch, &sink.url()), 3, parts);

    refused(&["cannot read the audience", "audience.csv", "check audience.path"]);
    fs::create_dir(&audience).unwrap();
    refused(&["audience.csv is a directory, not a file", "name one CSV, NDJSON or Parquet file"]);
    fs::remove_dir(&audience).unwrap();
    place.write("audience.csv", "");
    refused(&["audience.csv is empty", "write a header and rows"]);
    place.write("audience.csv", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00");
    refused(&["not text in UTF-8", "save it as CSV in UTF-8"]);
    place.write("audience.csv", "customer,first_name\n7,Ana\n");
    refused(&["address", "customer", "map it in audience.columns of the launch"]);
    assert_eq!(sink.calls(), 0);

    launches::addresses(&place, RECIPIENTS, 0);
    completes(&place, &launch, sink);
}

#[test]
fn a_file_that_may_not_be_read_is_refused() {
    let place = Place::new();
    let launch = place.launch("launch.json", &launches::http("corrected"));
    launches::addresses(&place, RECIPIENTS, 0);
    let sink = Sink::start(&place);
    // A link that leads to itself can't be read, not even by root.
    let (audience, kept) = (place.path("audience.csv"), place.path("kept.csv"));
    fs::rename(&audience, &kept).unwrap();
    std::os::unix::fs::symlink(&audience, &audience).unwrap();
    is_clear(place.send(&launch, &sink.url()), 3, &["cannot read the audience", "audience.csv"]);
    fs::remove_file(&audience).unwrap();
    fs::rename(&kept, &audience).unwrap();
    completes(&place, &launch, sink);
}

#[test]
fn a_launch_that_is_wrong_is_refused_with_the_place_and_the_nearest_name() {
    let place = Place::new();
    launches::addresses(&place, RECIPIENTS, 0);
    let sink = Sink::start(&place);
    let refused = |name: &str, text: &str, parts: &[&str]| {
        let path = place.write(name, text);
        is_clear(place.send(&path, &sink.url()), 2, parts);
    };
    let right = launches::http("corrected");

    let absent = place.path("absent.json").display().to_string();
    is_clear(place.send(&absent, &sink.url()), 2, &["cannot read the launch", "absent.json"]);
    refused(
        "torn.json",
        "{\n  \"campaign\": \"corrected\",\n  \"channel\" \"http\"\n",
        &["torn.json", "line 3"],
    );
    let mut wrong = right.clone();
    wrong["audiense"] = wrong["audience"].take();
    wrong.as_object_mut().unwrap().remove("audience");
    refused("unknown.json", &wrong.to_string(), &["audiense", "audience"]);
    let mut wrong = right.clone();
    wrong["message"]["http"]["boddy"] = json!({});
    refused("deeper.json", &wrong.to_string(), &["boddy", "body"]);
    let mut wrong = right.clone();
    wrong["channel"] = json!("carrier-pigeon");
    refused("channel.json", &wrong.to_string(), &["carrier-pigeon", "whatsapp"]);
    place.configure("[sender]\nin_flight_maks = 3\n");
    refused("right.json", &right.to_string(), &["in_flight_maks", "in_flight_max", "sluice.toml"]);
    place.configure("");
    assert_eq!(sink.calls(), 0);

    let launch = place.launch("launch.json", &right);
    completes(&place, &launch, sink);
}

#[test]
fn c3_a_wrong_access_token_ends_with_what_to_do_and_the_right_one_goes_on() {
    let mut place = Place::new();
    launches::phones(&place, RECIPIENTS);
    let launch = place.launch("launch.json", &launches::whatsapp("token"));
    let simulator = Simulator::start(&place, &["--access-token", "right"]);
    place.set_variable("SLUICE_WHATSAPP_TOKEN", "wrong");
    let refused = place.send(&launch, simulator.url());
    is_clear(refused, 3, &["refused the access token", "106540352242922", "SLUICE_WHATSAPP_TOKEN", "190"]);
    place.verify("token");
    assert_eq!(simulator.stats().accepted, 0);

    place.set_variable("SLUICE_WHATSAPP_TOKEN", "right");
    place.send(&launch, simulator.url()).expect(0);
    place.verify("token");
    assert_eq!(by_status(&place.people("token")), [("sent", RECIPIENTS as u64)].into());
    let (_, truth) = simulator.stop();
    assert_eq!((truth.accepted, truth.distinct_accepted()), (RECIPIENTS as u64, RECIPIENTS as u64));
}

#[test]
fn a_data_directory_in_use_is_refused_and_its_owner_goes_on() {
    let place = Place::new();
    launches::addresses(&place, RECIPIENTS, 0);
    let launch = place.launch("launch.json", &launches::http("corrected"));
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/messages");
    let mut owner = place.start_send(&launch, &url);
    owner.until_it_says("not reachable", Duration::from_secs(30));
    let process = owner.id().to_string();
    let in_use = ["is in use by", process.as_str(), "choose another directory with --data-dir"];
    is_clear(place.send(&launch, &url), 3, &in_use);
    is_clear(place.run(&["verify", "corrected"]), 3, &["is in use by"]);

    let sink = Sink::start_with(&place, port, &[]);
    owner.wait(Duration::from_secs(90)).expect(0);
    completes(&place, &launch, sink);
}
