//! `send` to a sink in this process: everybody once, the counts, going on, stopping.

use crate::support::{Place, Said, object, said, sink, url};
use serde_json::json;
use sluice_simulator::{Faults, Simulator, SimulatorConfig};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

fn send(place: &Place, launch: &str, sink: &str, more: &[&str]) -> Said {
    let mut all = vec!["send", launch, "--data-dir", "data", "--provider-url", sink];
    all.extend(more);
    place.run(&all)
}

#[test]
fn g1_g2_g8_every_recipient_gets_exactly_one_call_and_a_second_run_ends_at_once() {
    let (place, sink) = (Place::new(), sink());
    place.http_launch("spring", 2_000);
    let first = send(&place, "spring.json", &url(&sink), &[]);
    assert_eq!(first.exit, 0, "{first:?}");
    assert!(first.out.contains("2,000"), "{first:?}");
    let stats = sink.stats();
    assert_eq!((stats.requests, stats.distinct, stats.twice), (2_000, 2_000, 0));

    let verify = place.run(&["verify", "spring", "--data-dir", "data"]);
    assert_eq!(verify.exit, 0, "{verify:?}");
    // On a slow machine the first chunk is closed before the audience is read to its end.
    assert!(verify.out.starts_with("spring: 2,000 recipients in "), "{}", verify.out);
    let agrees = "Counters = recount = ledger. 0 without a state, 0 with two attempts in flight.\n";
    assert!(verify.out.ends_with(agrees), "{}", verify.out);

    let again = send(&place, "spring.json", &url(&sink), &["--json"]);
    assert_eq!(again.exit, 0, "{again:?}");
    assert!(again.err.contains("nothing was sent now"), "{again:?}");
    let result = object(&again.out);
    assert_eq!((&result["state"], &result["counters"]["sent"]), (&json!("completed"), &json!(2_000)));
    assert_eq!(sink.stats().requests, 2_000);
}

#[test]
fn a5_a_campaign_without_valid_recipients_ends_and_its_rows_are_listed() {
    let (place, sink) = (Place::new(), sink());
    place.http_launch("nobody", 0);
    place.write("nobody.csv", "address,first_name\n,A\nnull,B\n");
    let ended = send(&place, "nobody.json", &url(&sink), &["--json"]);
    assert_eq!(ended.exit, 0, "{ended:?}");
    let result = object(&ended.out);
    assert_eq!((&result["state"], &result["counters"]["skipped"]), (&json!("completed"), &json!(2)));
    let rejected = std::fs::read_to_string(place.path("data/rejected/nobody.csv")).unwrap();
    assert_eq!(
        rejected,
        "line,reason,detail,address\n2,missing_address,there is no address,\n3,missing_address,there is no address,\n"
    );
    assert_eq!(sink.stats().requests, 0);
}

#[test]
fn c5_a_stop_in_the_middle_is_clean_and_the_same_command_goes_on() {
    let (place, sink) = (Place::new(), sink());
    let launch = place.http_launch("paced", 900);
    let text = std::fs::read_to_string(&launch).unwrap().replacen('{', r#"{"rate":"300/s","#, 1);
    std::fs::write(&launch, text).unwrap();
    let sink_url = url(&sink);
    let arguments = ["send", "paced.json", "--data-dir", "data", "--provider-url", &sink_url];
    let child = place.start(&arguments);
    wait_for(|| sink.stats().requests >= 100);
    terminate(child.id());
    let stopped = said(child.wait_with_output().unwrap());
    assert_eq!(stopped.exit, 75, "{stopped:?}");
    assert!(
        stopped.err.contains("stopped cleanly after")
            && stopped.err.contains("Run the same command to go on."),
        "{stopped:?}"
    );
    assert!(sink.stats().requests < 900);

    let half = place.run(&["verify", "paced", "--data-dir", "data", "--json"]);
    let recount = object(&half.out);
    assert_eq!(
        (half.exit, &recount["in_flight"], &recount["counters"]["unknown"]),
        (0, &json!(0), &json!(0)),
        "{half:?}"
    );

    let ended = place.run(&arguments);
    assert_eq!(ended.exit, 0, "{ended:?}");
    let stats = sink.stats();
    assert_eq!((stats.requests, stats.distinct, stats.twice), (900, 900, 0));
}

#[test]
fn another_campaign_of_the_directory_waits_for_its_own_command() {
    let (place, sink, other) = (Place::new(), sink(), sink());
    let launch = place.http_launch("first", 400);
    let text = std::fs::read_to_string(&launch).unwrap().replacen('{', r#"{"rate":"100/s","#, 1);
    std::fs::write(&launch, text).unwrap();
    let sink_url = url(&sink);
    let first = ["send", "first.json", "--data-dir", "data", "--provider-url", &sink_url];
    let child = place.start(&first);
    wait_for(|| sink.stats().requests >= 20);
    terminate(child.id());
    assert_eq!(said(child.wait_with_output().unwrap()).exit, 75);

    place.http_launch("second", 30);
    let second = send(&place, "second.json", &url(&other), &[]);
    assert_eq!(second.exit, 0, "{second:?}");
    assert!(second.err.contains("first in the same directory has not ended"), "{second:?}");
    assert_eq!((other.stats().requests, other.stats().distinct), (30, 30));

    assert_eq!(place.run(&first).exit, 0);
    assert_eq!((sink.stats().distinct, sink.stats().twice), (400, 0));
}

#[test]
fn g1_after_a_kill_calls_without_an_answer_are_not_waited_for_where_no_webhook_can_come() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let faults = Faults { latency_ms: 300, ..Faults::default() };
    let config = SimulatorConfig { faults, ..SimulatorConfig::default() };
    let simulator = runtime.block_on(Simulator::start(config)).unwrap();
    let place = Place::new();
    let rows: String = (0..120).map(|row| format!("+55119876{row:05}\n")).collect();
    place.write("killed.csv", &format!("phone\n{rows}"));
    let launch = json!({
        "campaign": "killed", "channel": "whatsapp", "pages": ["1"], "audience": { "path": "killed.csv" },
        "message": { "template": { "name": "t", "language": "en_US" } },
    });
    place.write("killed.json", &launch.to_string());
    let target = simulator.url();
    let mut child = place.start(&["send", "killed.json", "--data-dir", "data", "--provider-url", &target]);
    wait_for(|| simulator.stats().calls >= 40);
    child.kill().unwrap();
    drop(child.wait_with_output());

    // Waiting for webhooks would take 15 minutes.
    let ended = send(&place, "killed.json", &target, &["--json"]);
    assert_eq!(ended.exit, 0, "{ended:?}");
    let counters = &object(&ended.out)["counters"];
    let count = |name: &str| counters[name].as_u64().unwrap();
    assert!(count("unknown") > 0, "{ended:?}");
    assert_eq!(count("sent") + count("unknown") + count("failed"), 120, "{ended:?}");
    assert_eq!(simulator.stats().accepted_twice, 0);
}

#[test]
fn every_example_runs_as_it_stands() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let simulator = runtime.block_on(Simulator::start(SimulatorConfig::default())).unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let place = Place::new();
    let mut channels = BTreeSet::new();
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let launch = object(&std::fs::read_to_string(&path).unwrap());
        let channel = launch["channel"].as_str().unwrap().to_owned();
        let target =
            if channel == "http" { format!("{}/http/shop", simulator.url()) } else { simulator.url() };
        let ended = send(&place, path.to_str().unwrap(), &target, &["--json"]);
        assert_eq!(ended.exit, 0, "{path:?}: {ended:?}");
        let counters = &object(&ended.out)["counters"];
        assert!(counters["sent"].as_u64().is_some_and(|sent| sent > 0), "{path:?}: {ended:?}");
        assert_eq!(
            (&counters["failed"], &counters["unknown"]),
            (&json!(0), &json!(0)),
            "{path:?}: {ended:?}"
        );
        channels.insert(channel);
    }
    assert_eq!(channels.len(), 4, "{channels:?}");
    assert_eq!(simulator.stats().accepted_twice, 0);
}

#[test]
fn a8_a_misspelt_variable_is_refused_before_anybody_is_called() {
    let (place, sink) = (Place::new(), sink());
    place.http_launch("spring", 3);
    place.write("spring.csv", "address,firstname\na@example.com,Ana\n");
    let checked = place.run(&["campaign", "check", "spring.json"]);
    let sent = send(&place, "spring.json", &url(&sink), &[]);
    for said in [checked, sent] {
        assert_ne!(said.exit, 0, "{said:?}");
        let told = format!("{}{}", said.out, said.err);
        assert!(told.contains("neither a column, perhaps `firstname`"), "{said:?}");
    }
    assert!(sink.recipients().is_empty());
}

#[test]
fn what_was_sent_can_be_listed_exported_and_explained() {
    let (place, sink) = (Place::new(), sink());
    place.http_launch("spring", 3);
    place.write("spring.csv", "address,first_name\n=cmd@example.com,A\nb@example.com,B\nc@example.com,\n");
    let ended = send(&place, "spring.json", &url(&sink), &[]);
    assert_eq!(ended.exit, 0, "{ended:?}");
    assert!(ended.out.contains("missing_variable"), "{ended:?}");

    let errors = place.run(&["campaign", "errors", "spring", "--data-dir", "data", "--json"]);
    let error = object(&errors.out);
    assert_eq!(
        (&error["reason"], &error["recipients"], &error["sample"]),
        (&json!("missing_variable"), &json!(1), &json!(["0.2"]))
    );

    let failed = place.run(&[
        "campaign",
        "recipients",
        "spring",
        "--status",
        "failed",
        "--data-dir",
        "data",
        "--json",
    ]);
    let person = object(&failed.out);
    assert_eq!((&person["address"], &person["line"]), (&json!("c@example.com"), &json!(4)));
    assert!(person["failed_at"].is_string(), "{person}");

    let page = place.run(&["campaign", "recipients", "spring", "--limit", "1", "--data-dir", "data"]);
    assert!(page.err.contains("more with --after 0.0"), "{page:?}");

    let export = place.run(&["campaign", "export", "spring", "--data-dir", "data"]);
    assert_eq!(export.out.lines().count(), 4, "{export:?}");
    assert!(export.out.contains(",'=cmd@example.com,"), "{export:?}");

    let list = place.run(&["campaign", "list", "--data-dir", "data"]);
    assert!(list.out.contains("spring") && list.out.contains("completed"), "{list:?}");
}

#[test]
fn a_provider_that_is_down_and_back_is_waited_for() {
    let place = Place::new();
    place.http_launch("patient", 50);
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let target = format!("http://{address}/messages");
    let mut child = place.start(&["send", "patient.json", "--data-dir", "data", "--provider-url", &target]);
    let mut said_beside = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waits = said_beside.find(|line| line.contains("the provider is not reachable"));
    assert!(waits.is_some(), "it ends without having said so");
    let sink = sluice_simulator::Sink::start(address, sluice_simulator::SinkOptions::default()).unwrap();
    let rest: Vec<String> = said_beside.collect();
    let ended = said(child.wait_with_output().unwrap());
    assert_eq!(ended.exit, 0, "{ended:?} {rest:?}");
    assert_eq!(sink.stats().requests, 50);
}

fn terminate(process: u32) {
    let status = std::process::Command::new("kill").args(["-TERM", &process.to_string()]).status().unwrap();
    assert!(status.success());
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for")]
fn wait_for(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}
