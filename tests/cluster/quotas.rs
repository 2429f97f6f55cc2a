//! G4: a limit over pages that processes share, on real engines.

use crate::launches;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Sink, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const PEOPLE: usize = 1_500;
const RATE: usize = 60;
/// The sink notes a call when its request is read, which may be so much later than it was started. In microseconds.
const WAY_US: u64 = 60_000;

#[test]
fn g4_a_tenants_limit_holds_over_pages_of_processes_that_come_and_are_killed() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_SENDER_UNRESOLVED_AFTER_MS", "1000");
    let quota = format!("[quotas.tenant]\nrate = \"{RATE}/s\"\ntenants = [\"default\"]\n");
    cluster.place().configure(&quota);
    let launch = launches::over_pages(cluster.place(), "limited", PEOPLE, 8, "5000/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let first = cluster.start();
    let second = cluster.start();
    cluster.launch(&first, &launch).expect(0);
    wait_for("calls", WITHIN, || (sink.calls() > 400).then_some(()));
    second.process.kill();
    let third = cluster.start();
    let ended = || (cluster.status("limited")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    for node in [first, third] {
        node.process.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);
    }
    let times = sink.times_us();
    for (from, later) in times.iter().zip(&times[RATE..]) {
        assert!(later - from >= 1_000_000 - WAY_US, "{} calls within {} us", RATE + 1, later - from);
    }
    let seconds = (times[times.len() - 1] - times[0]) / 1_000_000;
    println!("{} calls in {seconds} s", times.len());
    let people = cluster.place().people("limited");
    assert_eq!(people.len(), PEOPLE);
    judge(&people, &sink.stop());
    assert_eq!(cluster.ends("limited").len(), 1, "G8");
}
