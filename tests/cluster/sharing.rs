//! C8: work is shared out and taken over.

use crate::launches;
use sluice_tests::people::judge;
use sluice_tests::process::Signal;
use sluice_tests::{Cluster, Simulator, Sink, wait_for};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(180);
const PEOPLE: usize = 30_000;
const PAGES: usize = 12;

#[test]
fn c8_g1_g2_g3_processes_share_a_campaign_and_take_over_from_one_that_is_killed() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    cluster.place_mut().set_variable("SLUICE_SENDER_UNRESOLVED_AFTER_MS", "5000");
    let launch = launches::over_pages(cluster.place(), "shared", PEOPLE, PAGES, "1500/s");
    let launch = cluster.place().launch("launch.json", &launch);

    let first = cluster.start();
    let second = cluster.start();
    cluster.launch(&first, &launch).expect(0);
    // Given twice, to two processes: it is one campaign (A1).
    cluster.launch(&second, &launch).expect(0);
    let calls = |least: u64| wait_for("calls", WITHIN, || (sink.calls() > least).then_some(()));
    calls(5_000);
    second.process.kill();
    let third = cluster.start();
    calls(15_000);
    // SIGTERM: what it has goes to the others, and nothing becomes unknown by it.
    first.process.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);
    let ended = || (cluster.status("shared")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    third.process.stop(Signal::TERM, WITHIN).expect(0);

    let verified = cluster.place().verify("shared");
    let people = cluster.place().people("shared");
    let unknown = judge(&people, &sink.stop());
    println!("{unknown} unknown of {PEOPLE}");
    assert_eq!(people.len(), PEOPLE);
    assert_eq!(verified["counters"]["unknown"], unknown);
    assert!(unknown < PEOPLE as u64 / 10, "{unknown} unknown");
    assert_eq!(cluster.ends("shared").len(), 1, "G8");
}

#[test]
fn c8_every_role_works_in_a_process_of_its_own() {
    let mut cluster = Cluster::new();
    let sink = Sink::start(cluster.place());
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &sink.url());
    let launch = launches::over_pages(cluster.place(), "apart", 2_000, 3, "2000/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let roles = ["expander", "sender", "receipts", "completion", "gateway"];
    let nodes = roles.map(|role| cluster.start_with(role));
    cluster.launch(&nodes[4], &launch).expect(0);
    let ended = || (cluster.status("apart")["state"] == "completed").then_some(());
    wait_for("the end of the campaign", WITHIN, ended);
    for node in nodes {
        node.process.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);
    }
    cluster.place().verify("apart");
    let people = cluster.place().people("apart");
    assert_eq!(judge(&people, &sink.stop()), 0);
    assert_eq!((people.len(), cluster.ends("apart").len()), (2_000, 1));
}

#[test]
fn g3_b6_a_process_that_sends_nothing_tells_what_a_page_of_another_one_waits_for() {
    let mut cluster = Cluster::new();
    let simulator = Simulator::start(cluster.place(), &["--access-token", "the-right-one"]);
    cluster.place_mut().set_variable("SLUICE_HTTP_URL", &simulator.page_url("held-0"));
    cluster.place_mut().set_variable("SLUICE_HTTP_TOKEN", "the-wrong-one");
    let launch = launches::over_pages(cluster.place(), "held", 50, 1, "100/s");
    let launch = cluster.place().launch("launch.json", &launch);
    let asked = cluster.start_with("gateway,completion");
    let sends = cluster.start_with("expander,sender,receipts");
    cluster.launch(&asked, &launch).expect(0);
    let run = |arguments: &[&str]| {
        cluster.place().run(&[arguments, &["--server", &asked.url]].concat()).expect(0).stdout
    };
    let refused = "held-0: account (the endpoint answered with status 401), tried again in";
    let held = format!("held waits for page {refused}");
    wait_for("the reason", WITHIN, || run(&["explain", "held"]).starts_with(&held).then_some(()));
    let page = run(&["page", "held-0"]);
    assert!(page.contains(refused), "{page}");
    assert!(run(&["page", "lift", "held-0"]).contains("hears of it within seconds"));
    let called = simulator.stats().calls;
    wait_for("another call", WITHIN, || (simulator.stats().calls > called).then_some(()));
    for node in [asked, sends] {
        node.process.stop(Signal::TERM, WITHIN).expect(0).says(&["stopped cleanly"]);
    }
    simulator.stop();
}
