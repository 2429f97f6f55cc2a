//! G3, G8: after a crash it is said what is waited for and until when, whoever is asked.

use crate::launches;
use serde_json::{Value, json};
use sluice_runtime::{Clock, SystemClock};
use sluice_tests::people::by_status;
use sluice_tests::process::Signal;
use sluice_tests::{Place, Process, Simulator, free_port, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);
const PEOPLE: usize = 400;
const PAGE: &str = "106540352242922";
/// Longer than the test takes until it was told, and short enough to see the end.
const JUDGED_AFTER_MS: i64 = 60_000;

fn service(place: &Place, port: u16) -> Process {
    let mut service = place.sluice(&["run", "--listen", &format!("127.0.0.1:{port}")]);
    service.until_it_says("sluice listens on", Duration::from_secs(30));
    service
}

/// What `command` says of the service, for people.
fn says(place: &Place, port: u16, command: &[&str]) -> String {
    let server = format!("http://127.0.0.1:{port}");
    place.run(&[command, &["--server", &server]].concat()).expect(0).stdout
}

/// The same for programs.
fn shown(place: &Place, port: u16, command: &[&str]) -> Value {
    let server = format!("http://127.0.0.1:{port}");
    place.run(&[command, &["--server", &server, "--json"]].concat()).expect(0).json()
}

/// The gate of calls whose answer is unknown, once nothing else is left: how many, until when.
fn waits(place: &Place, port: u16) -> (u64, i64) {
    wait_for("the wait to be told", WITHIN, || {
        std::thread::sleep(Duration::from_millis(200));
        let explained = shown(place, port, &["explain", "crashed"]);
        let held = explained["held"].as_str().unwrap_or_default();
        let gates = explained["status"]["gates"].as_array().unwrap();
        let gate = gates.iter().find(|gate| gate["gate"] == "webhooks")?;
        held.starts_with("crashed waits for the webhooks of ")
            .then(|| (gate["holds"].as_u64().unwrap(), gate["until_ms"].as_i64().unwrap()))
    })
}

#[test]
fn g3_g8_after_kill_9_it_is_said_how_many_calls_wait_for_webhooks_and_until_when() {
    let mut place = Place::new();
    place.configure(&format!("[sender]\nunresolved_after_ms = {JUDGED_AFTER_MS}\n"));
    launches::phones(&place, PEOPLE);
    let port = free_port();
    // Calls that take long, of which nobody is ever told: whoever dies leaves some.
    let faults = ["latency_ms=1500", "webhook_missing_percent=100"];
    let simulator = Simulator::start(&place, &faults.map(|fault| ["--fault", fault]).concat());
    place.set_variable("SLUICE_WHATSAPP_URL", simulator.url());
    place.set_variable("SLUICE_WHATSAPP_TOKEN", "any");
    place.set_variable("SLUICE_WHATSAPP_RATE", "100/s");
    let first = service(&place, port);
    let path = place.launch("launch.json", &launches::whatsapp("crashed"));
    let server = format!("http://127.0.0.1:{port}");
    place.run(&["campaign", "launch", &path, "--server", &server]).expect(0);
    wait_for("calls under way", WITHIN, || {
        let status = shown(&place, port, &["campaign", "status", "crashed"]);
        (status["counters"]["sent"].as_u64().unwrap() > 50).then_some(())
    });
    first.kill();

    let killed_ms = SystemClock.wall_ms();
    let second = service(&place, port);
    let (calls, until_ms) = waits(&place, port);
    assert!(calls > 0 && until_ms > SystemClock.wall_ms(), "{calls} until {until_ms}");
    assert!(until_ms - killed_ms >= JUDGED_AFTER_MS, "{}", until_ms - killed_ms);
    let told = says(&place, port, &["explain", "crashed"]);
    println!("{told}");
    let first_line = told.lines().next().unwrap();
    let parts = [format!("the webhooks of {calls} calls whose answer is unknown, until "), "in ".to_owned()];
    assert!(parts.iter().all(|part| first_line.contains(part.as_str())), "{told}");
    assert!(first_line.contains(&format!("{} of {PEOPLE} done", PEOPLE as u64 - calls)), "{told}");
    assert!(told.contains("(sender.unresolved_after_ms)") && told.contains("limited by"), "{told}");
    let status = shown(&place, port, &["campaign", "status", "crashed"]);
    assert_eq!(status["finish"]["ends_ms"], json!(until_ms), "{status}");
    // Up to the countdown, which went on between the two.
    let of_status = says(&place, port, &["campaign", "status", "crashed"]);
    let waits_until = first_line.split_once(", in ").unwrap().0;
    assert!(of_status.starts_with(waits_until), "{of_status}");
    let queue = says(&place, port, &["queue"]);
    assert!(queue.contains("deferred   crashed"), "{queue}");
    let page = says(&place, port, &["page", PAGE]);
    println!("{page}");
    let claims = format!("{calls} claims without an outcome, {calls} of them calls whose answer is unknown");
    assert!(page.contains(&claims) && page.contains("crashed waits for the webhooks of"), "{page}");

    // The next owner goes on waiting; nobody is asked twice.
    second.kill();
    let page = place.run(&["page", PAGE]).expect(0).stdout;
    assert!(page.contains("100/s") && page.contains("nobody at present"), "{page}");
    assert!(page.contains("had it last"), "{page}");
    let third = service(&place, port);
    assert_eq!(waits(&place, port), (calls, until_ms), "the wait began again");

    let ended = wait_for("the end", WITHIN, || {
        let status = shown(&place, port, &["campaign", "status", "crashed"]);
        (status["state"] == "completed").then_some(status)
    });
    assert_eq!(ended["counters"]["unknown"], json!(calls));
    assert!(ended["ended_at_ms"].as_i64().unwrap() < until_ms + 10_000, "{ended}");
    // Of a page that sends for nobody the limit is known all the same.
    let idle = says(&place, port, &["page", PAGE]);
    assert!(idle.contains("100/s") && !idle.contains("no limit") && !idle.contains("claims"), "{idle}");
    third.stop(Signal::TERM, WITHIN).expect(0);
    place.verify("crashed");
    assert_eq!(by_status(&place.people("crashed"))["unknown"] as u64, calls);
    let errors = place.run(&["campaign", "errors", "crashed", "--json"]).expect(0).json();
    assert_eq!((&errors["unknown"], &errors["recipients"]), (&json!(true), &json!(calls)), "{errors}");
    let (_, truth) = simulator.stop();
    assert_eq!(truth.doubles(), [], "G1");
}
