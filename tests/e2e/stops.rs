//! G1: SIGTERM and Ctrl-C end cleanly: nothing becomes `unknown`, and the same command goes on.

use crate::launches;
use sluice_tests::people::{by_status, judge};
use sluice_tests::process::Signal;
use sluice_tests::{Chance, Place, Sink};
use std::time::Duration;

const RECIPIENTS: u64 = 40_000;

fn stop_and_go_on(test: &str, signal: Signal) {
    let mut chance = Chance::new(test);
    let place = Place::new();
    launches::addresses(&place, RECIPIENTS as usize, 0);
    let launch = place.launch("launch.json", &launches::http("stopped"));
    // Slow enough that calls are under way at every stop.
    let sink = Sink::start_with(&place, 0, &["--latency-ms", "3"]);
    let mut calls: Vec<u64> = (0..5).map(|_| chance.between(1, RECIPIENTS * 9 / 10)).collect();
    calls.sort_unstable();
    let mut stops = 0;
    for calls in calls {
        // Not before it has begun: until then nobody hears the signal.
        let calls = calls.max(sink.calls() + chance.between(1, 500));
        let mut send = place.start_send(&launch, &sink.url());
        let what = format!("call {calls}");
        let reached =
            send.until(&what, Duration::from_secs(120), |_| (sink.calls() >= calls).then_some(())).is_some();
        let ended = send.stop(signal, Duration::from_secs(60));
        if !reached || ended.code == Some(0) {
            ended.expect(0);
            break;
        }
        ended.expect(75).says(&["stopped cleanly after", "Run the same command to go on"]);
        stops += 1;
    }
    place.start_send(&launch, &sink.url()).wait(Duration::from_secs(180)).expect(0);

    let verified = place.verify("stopped");
    let people = place.people("stopped");
    let unknown = judge(&people, &sink.stop());
    println!("{stops} stops, {unknown} unknown");
    assert!(stops >= 3, "only {stops} stops before the end");
    assert_eq!(unknown, 0, "a clean stop leaves nothing unknown");
    assert_eq!(verified["counters"]["unknown"], 0);
    assert_eq!(by_status(&people)["sent"], RECIPIENTS);
}

#[test]
fn g1_sigterm_leaves_nothing_unknown_and_the_same_command_goes_on() {
    stop_and_go_on("sigterm", Signal::TERM);
}

#[test]
fn g1_ctrl_c_leaves_nothing_unknown_and_the_same_command_goes_on() {
    stop_and_go_on("sigint", Signal::INT);
}
